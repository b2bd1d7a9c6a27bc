"""What comes in, and what the model makes of it, against as many days before."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.dashboard.drift import in_words, stability_index
from app.dashboard.parts import MOST, Period, Section
from app.dashboard.tissue import measured_series
from app.db.models import Instance, Series, Study

Dated = tuple[datetime, float | None]
"""When it came in, and the number; None where it is not known."""


def drift(session: Session, period: Period) -> Section:
    """Each number of the period and of the one before, with the population stability index."""
    rows = []
    for name, dated in _inputs(session, period).items():
        known = [(at, value) for at, value in dated if value is not None]
        before = [value for at, value in known if at < period.start]
        present = [value for at, value in known if at >= period.start]
        middle = [round(float(np.median(one)), 3) if one else None for one in (before, present)]
        index = in_words(stability_index(before, present))
        rows.append((name, len(before), len(present), *middle, index))
    return Section(
        "drift",
        "Drift against as many days before",
        "Population stability index over tenths of the earlier period (Siddiqi 2006): under 0.1 no "
        "change to speak of, from 0.25 a marked one. It tells that something differs, not what. "
        "HU: of series analysed since Falx measures them; older ones are left out.",
        ("what", "n before", "n now", "median before", "median now", "stability index"),
        rows,
    )


def _inputs(session: Session, period: Period) -> dict[str, Sequence[Dated]]:
    """Name -> one number a study or series of the period and of the one before."""
    studies = session.execute(
        select(Study.received_at, Study.any_probability)
        .where(period.with_before.has(Study.received_at))
        .order_by(Study.received_at.desc())
        .limit(2 * MOST)
    ).all()
    series = _series(session, period.with_before)
    measured = measured_series(session, period.with_before)
    return {
        "P(any) of a study": [(at, value) for at, value in studies],
        "slices in a series": [(at, slices) for at, slices, _, _ in series],
        "slice thickness, mm": [(at, thickness) for at, _, thickness, _ in series],
        "pixel spacing, mm": [(at, spacing) for at, _, _, spacing in series],
        "brain-like tissue, median HU": [(one.received, one.tissue_hu) for one in measured],
        "noise of brain-like tissue, HU": [(one.received, one.noise_hu) for one in measured],
    }


def _series(
    session: Session, period: Period
) -> list[tuple[datetime, int, float | None, float | None]]:
    """When it came in, its slices, their thickness and pixel spacing in mm: of each series."""
    # Counted in an index; of the wide rows of the slices one of each series is read.
    counted = (
        select(
            Series.id.label("series"),
            Study.received_at.label("received"),
            func.count().label("slices"),
            func.min(Instance.sop_instance_uid).label("first"),
        )
        .join(Study, Series.study_id == Study.id)
        .join(Instance, Instance.series_id == Series.id)
        .where(period.has(Study.received_at))
        .group_by(Series.id, Study.received_at)
        .order_by(Study.received_at.desc())
        .limit(2 * MOST)
        .subquery()
    )
    rows = session.execute(
        select(
            counted.c.received,
            counted.c.slices,
            Instance.slice_thickness_mm,
            Instance.pixel_spacing_mm[0].as_float(),
        ).join(
            Instance,
            (Instance.series_id == counted.c.series)
            & (Instance.sop_instance_uid == counted.c.first),
        )
    )
    return [(at, slices, thickness, spacing) for at, slices, thickness, spacing in rows]
