"""The worklist: every study's state, and their order, most urgent first."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.base import ExecutableOption

from app.db.models import Analysis, Job, Series, Study
from app.verdicts import reviewed_at
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED

NOT_ANALYSED, WAITING, ANALYSING = "not analysed", "waiting", "analysing"

STATES: Final = (FLAGGED, INDETERMINATE, NOT_ANALYSED, ANALYSING, WAITING, NOT_FLAGGED)
"""Most urgent first. What the model could not judge ranks above what it did not flag."""

PAGE_SIZE: Final = 50


@dataclass(frozen=True)
class WorklistPage:
    """One page of the worklist; `total` counts the studies on all pages."""

    studies: list[Study]
    number: int
    total: int

    @property
    def last(self) -> int:
        """The number of the last page, from 1."""
        return max(1, -(-self.total // PAGE_SIZE))


def worklist_page(session: Session, search: str, state: str, number: int) -> WorklistPage:
    """Studies that match, unreviewed before reviewed, then by urgency, then the oldest first."""
    matching = _matching(search, state)
    total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    urgency = case({name: rank for rank, name in enumerate(STATES)}, value=Study.state)
    ordered = matching.order_by(
        Study.reviewed_at.is_not(None),
        urgency,
        func.coalesce(Study.any_probability, 0).desc(),
        Study.received_at,
    )
    page = ordered.offset((number - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    return WorklistPage(list(session.scalars(page)), number, total)


def _matching(search: str, state: str) -> Select[Study]:
    query = select(Study)
    if state == "reviewed":
        query = query.where(Study.reviewed_at.is_not(None))
    elif state:
        query = query.where(Study.state == state, Study.reviewed_at.is_(None))
    for word in search.split():
        query = query.where(
            or_(
                *(
                    column.icontains(word, autoescape=True)
                    for column in (
                        Study.patient_name,
                        Study.patient_id,
                        Study.accession_number,
                        Study.study_description,
                        Study.study_instance_uid,
                    )
                )
            )
        )
    return query


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
    if "queued" in job_states or "arriving" in job_states:
        return WAITING
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
