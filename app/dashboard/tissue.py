"""Level and noise of the brain in what came in: they move with a scanner's HU and its kernel."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.dashboard.parts import MOST, Bar, Period, Section, week_of
from app.db.models import Analysis, Series, Study

KINDS: Final = ("brain", "noise")


@dataclass(frozen=True)
class Measured:
    """A series: when its study came in, and the median and noise of its brain-like tissue, HU."""

    received: datetime
    tissue_hu: float
    noise_hu: float


def measured_series(session: Session, period: Period) -> list[Measured]:
    """The series of the period whose newest measured analysis tells them, the newest first."""
    rows = session.execute(
        select(Series.id, Study.received_at, Analysis.tissue_hu, Analysis.noise_hu)
        .join(Series, Analysis.series_id == Series.id)
        .join(Study, Series.study_id == Study.id)
        .where(period.has(Study.received_at))
        .order_by(Study.received_at.desc(), Analysis.created_at.desc())
        .limit(2 * MOST)
    )
    newest: dict[str, Measured] = {}
    for series_id, received, tissue_hu, noise_hu in rows:
        if tissue_hu is not None and noise_hu is not None:
            newest.setdefault(series_id, Measured(received, tissue_hu, noise_hu))
    return list(newest.values())


def tissue(session: Session, period: Period) -> Section:
    """The medians of each week."""
    weeks: defaultdict[str, list[Measured]] = defaultdict(list)
    for one in measured_series(session, period):
        weeks[week_of(one.received)].append(one)
    rows = [(week, len(weeks[week]), *_middles(weeks[week])) for week in period.weeks]
    highest = max(1.0, *(value or 0.0 for row in rows for value in row[2:]))
    counted = sum(row[1] for row in rows)
    return Section(
        "tissue",
        "Level and noise of brain-like tissue in HU, medians by week",
        f"{counted} series. Pixels of 0 to 80 HU inside the skull; noise from the differences of "
        "neighbours (Donoho and Johnstone 1994), lower with a smoother kernel. The level moves "
        "with a scanner's calibration. Series that were analysed before Falx measured this are "
        "left out.",
        ("week", "series", "brain, HU", "noise, HU"),
        rows,
        KINDS,
        [
            [Bar(kind, 0, 100 * (value or 0.0) / highest)]
            for row in rows
            for kind, value in zip(KINDS, row[2:], strict=True)
        ],
        f"{highest:.0f} HU",
    )


def _middles(series: Sequence[Measured]) -> tuple[float | None, float | None]:
    if not series:
        return None, None
    level, noise = np.median([(one.tissue_hu, one.noise_hu) for one in series], axis=0).tolist()
    return round(level, 2), round(noise, 2)
