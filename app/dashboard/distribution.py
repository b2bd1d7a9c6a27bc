"""What the model says lately, against what it said when it was new here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.dashboard.drift import in_words, stability_index
from app.dashboard.parts import MOST, Bar, Period, Section
from app.db.models import Analysis, Series, Study
from app.db.retention import KeptAnalysis

REFERENCE: Final = timedelta(days=90)
"""So long after its first study a model counts as new."""

BINS: Final = 20
KINDS: Final = ("reference", "now")


def distribution(session: Session, period: Period) -> Section:
    """Shares of the studies by P(any): of the period, and of the model's first months here.

    The model card keeps no probabilities of studies, so the reference is the site's own; it ends
    before the period begins. A study counts when the newest model first judged it: it came in
    before that, and under an older model perhaps.
    """
    model = session.scalar(
        select(Analysis.model_sha256)
        .where(Analysis.states.is_not(None))
        .order_by(Analysis.created_at.desc())
        .limit(1)
    )
    began = _began(session, model)
    if model is None or began is None:
        return _section(period.before, [], [])
    reference = Period(began, min(began + REFERENCE, period.start))
    before, present = (_probabilities(session, model, one) for one in (reference, period))
    return _section(reference, before, present)


def _began(session: Session, model: str | None) -> datetime | None:
    """When the model gave its first result, of a study removed since, too."""
    first = [
        session.scalar(
            select(func.min(table.created_at)).where(
                table.states.is_not(None), table.model_sha256 == model
            )
        )
        for table in (Analysis, KeptAnalysis)
    ]
    return min((at for at in first if at), default=None)


def _probabilities(session: Session, model: str, period: Period) -> list[float]:
    judged = (
        select(Series.study_id, func.min(Analysis.created_at).label("at"))
        .join(Analysis.series)
        .where(Analysis.states.is_not(None), Analysis.model_sha256 == model)
        .group_by(Series.study_id)
        .subquery()
    )
    found = session.scalars(
        select(Study.any_probability)
        .join(judged, judged.c.study_id == Study.id)
        .where(judged.c.at >= period.start, judged.c.at < period.end)
        .order_by(judged.c.at.desc())
        .limit(MOST)
    )
    return [value for value in found if value is not None]


def _section(reference: Period, before: Sequence[float], present: Sequence[float]) -> Section:
    edges = np.linspace(0, 1, BINS + 1)
    counts = [np.histogram(values, edges)[0] for values in (before, present)]
    shares = [100 * count / max(1, count.sum()) for count in counts]
    highest = max(1.0, float(np.max(shares)))
    note = (
        f"Reference: {len(before)} studies from {reference.start:%Y-%m-%d}, when this model was "
        f"new here, until before {reference.end:%Y-%m-%d}. Now: {len(present)} studies. Stability "
        f"index {in_words(stability_index(before, present))}."
        if before
        else f"{len(present)} studies; no earlier ones of this model to compare them with."
    )
    return Section(
        "probabilities",
        "P(any) of the studies, now and when this model was new",
        note,
        ("P(any)", "reference studies", "reference %", "studies now", "now %"),
        [
            (
                f"{edges[n]:.2f} to {edges[n + 1]:.2f}",
                int(counts[0][n]), round(float(shares[0][n]), 2),
                int(counts[1][n]), round(float(shares[1][n]), 2),
            )
            for n in range(BINS)
        ],
        KINDS,
        [
            [Bar(kind, 0, float(share[n]) * 100 / highest)]
            for n in range(BINS)
            for kind, share in zip(KINDS, shares, strict=True)
        ],
        f"{highest:.0f} % of the studies",
    )  # fmt: skip
