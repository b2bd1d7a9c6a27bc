"""The state of each study on the worklist, derived from its jobs, analyses and verdicts."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.base import ExecutableOption

from app.db.models import Analysis, Job, Review, Series, Study
from app.list_version import mark_changed
from app.verdicts.record import disputed, reviewed_at
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED

NOT_ANALYSED = "not analysed"
ARRIVING, WAITING, ANALYSING = "arriving", "waiting", "analysing"

STATES: Final = (FLAGGED, INDETERMINATE, NOT_ANALYSED, ANALYSING, WAITING, ARRIVING, NOT_FLAGGED)
"""Most urgent first. What the model could not judge ranks above what it did not flag."""


def load_study(session: Session, study_id: str) -> Study | None:
    """The study with its series, their jobs, and its verdicts with their authors."""
    return session.get(
        Study,
        study_id,
        options=[
            selectinload(Study.series).selectinload(Series.job),
            selectinload(Study.reviews).joinedload(Review.user),
        ],
    )


def refresh_study_of(session: Session, series_id: str) -> None:
    """`refresh_study` for the study that the series belongs to."""
    series = session.get_one(Series, series_id)
    refresh_study(session, series.study_id)


def refresh_study(session: Session, study_id: str) -> None:
    """Derive the study's state from its series' jobs and analyses; call it wherever they change."""
    mark_changed(session)
    study = session.get_one(Study, study_id, with_for_update=True)
    jobs = session.scalars(select(Job).join(Series).where(Series.study_id == study_id)).all()
    analyses = latest_analyses(session, study_id)
    findings = [state for analysis in analyses.values() for state in _findings(analysis)]
    study.any_probability = max(
        (a.probabilities["any"] for a in analyses.values() if a.probabilities), default=None
    )
    reasons = [a.refusal for a in analyses.values() if a.refusal]
    reasons += [job.error for job in jobs if job.state == "failed"]
    study.state_reason = " ".join(reasons)
    study.state = _study_state(findings, [job.state for job in jobs])
    study.reviewed_at = reviewed_at(session, study_id)
    study.disputed = disputed(session, study_id)


def _findings(analysis: Analysis) -> list[str]:
    """What the analysis means for the study: by "any", but never less than a flagged subtype."""
    if not analysis.states:
        return []
    subtype_flagged = FLAGGED in analysis.states.values()
    doubtful = analysis.states["any"] == NOT_FLAGGED and subtype_flagged
    return [INDETERMINATE if doubtful else analysis.states["any"]]


def _study_state(finding_states: list[str], job_states: list[str]) -> str:
    # A finding counts from the moment it exists; only its absence has to wait for every series.
    for urgent in (FLAGGED, INDETERMINATE):
        if urgent in finding_states:
            return urgent
    if "running" in job_states:
        return ANALYSING
    if "queued" in job_states:
        return WAITING
    if "arriving" in job_states:
        return ARRIVING
    return NOT_FLAGGED if finding_states else NOT_ANALYSED


def latest_analyses(
    session: Session, study_id: str, *options: ExecutableOption
) -> dict[str, Analysis]:
    """Series id -> its newest analysis, loaded with `options`."""
    analyses = session.scalars(
        select(Analysis)
        .join(Series)
        .where(Series.study_id == study_id)
        .order_by(Analysis.created_at)
        .options(*options)
    )
    return {analysis.series_id: analysis for analysis in analyses}
