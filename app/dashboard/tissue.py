"""Level and noise of the brain in what came in: they move with a scanner's HU and its kernel."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.dashboard.parts import MOST, Bar, Period, Section, week_of
from app.db.models import Analysis, Series, Study


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


def tissue(session: Session, period: Period) -> list[Section]:
    """Level and noise, as the medians of each week: each on a scale of its own."""
    weeks: defaultdict[str, list[Measured]] = defaultdict(list)
    for one in measured_series(session, period):
        weeks[week_of(one.received)].append(one)
    level = {week: [one.tissue_hu for one in weeks[week]] for week in period.weeks}
    noise = {week: [one.noise_hu for one in weeks[week]] for week in period.weeks}
    return [
        _section(
            "level",
            "Level of brain-like tissue in HU, median by week",
            "Pixels of 0 to 80 HU inside the skull. It moves with a scanner's calibration.",
            level,
        ),
        _section(
            "noise",
            "Noise of brain-like tissue in HU, median by week",
            "From the differences of neighbours (Donoho and Johnstone 1994). It moves with dose, "
            "slice thickness and kernel; a smoother kernel lowers it.",
            noise,
        ),
    ]


def _section(name: str, title: str, note: str, weeks: Mapping[str, Sequence[float]]) -> Section:
    rows = [
        (week, len(values), round(float(np.median(values)), 2) if values else None)
        for week, values in weeks.items()
    ]
    highest = max(1.0, *(value or 0.0 for _, _, value in rows))
    return Section(
        name,
        title,
        f"{sum(count for _, count, _ in rows)} series. {note} Series that were analysed before "
        "Falx measured this are left out.",
        ("week", "series", f"{name}, HU"),
        rows,
        (name,),
        [[Bar(name, 0, 100 * (value or 0.0) / highest)] for _, _, value in rows],
        f"{highest:.1f} HU",
    )
