"""One page of the worklist: which studies match, and which comes first; the next one to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.db.models import Job, Review, Series, Study, now
from app.db.reading import Claim
from app.jobs import RUNNING
from app.site import site_settings
from app.study_state import ANALYSING, ARRIVING, STATES
from app.verdicts.record import VERDICT
from app.worklist.claims import Holder, holders, lapsed_before
from app.worklist.query import DISPUTED, PERIODS, READING, REVIEWED, UNREVIEWED, WorklistQuery

PAGE_SIZE: Final = 50

_URGENCY: Final = (
    Study.reviewed_at.is_not(None),
    case({name: rank for rank, name in enumerate(STATES)}, value=Study.state),
    func.coalesce(Study.any_probability, 0).desc(),
    Study.received_at,
    Study.id,
)
"""Unreviewed before reviewed, then by urgency, then who waits longest."""


@dataclass(frozen=True)
class Reader:
    """Who looks at the list, after how many minutes a claim lapses here, and what is hidden."""

    user_id: str
    claim_minutes: int
    image_first: bool
    """Whether findings are kept from who has not said yet what he sees."""


@dataclass(frozen=True)
class Row:
    """A study on the list, who reads it, and how many other studies its patient has."""

    study: Study
    holder: Holder | None
    others: int
    hidden: bool
    """Whether its finding is kept from the reader, who is to look at the images first."""
    progress: tuple[int, int] | None
    """Slices done, and all, of what is being analysed of it."""


@dataclass(frozen=True)
class WorklistPage:
    """One page of the worklist; `total` counts the studies on all pages."""

    rows: list[Row]
    number: int
    total: int
    kept_back: bool
    """Whether studies are left out because their finding, asked for, is kept from the reader."""

    @property
    def last(self) -> int:
        """The number of the last page, from 1."""
        return max(1, -(-self.total // PAGE_SIZE))


def reader_here(session: Session, user_id: str, claim_minutes: int) -> Reader:
    """The reader as the site's choices have it."""
    return Reader(user_id, claim_minutes, site_settings(session).image_first)


def worklist_page(
    session: Session, query: WorklistQuery, number: int, reader: Reader
) -> WorklistPage:
    """The studies that match, the most urgent first; the last page where `number` is beyond it."""
    matching = _conditions(query, reader)
    total = session.scalar(select(func.count()).select_from(Study).where(*matching)) or 0
    number = max(1, min(number, -(-total // PAGE_SIZE)))
    ids = matching_ids(session, query, reader, first=(number - 1) * PAGE_SIZE, most=PAGE_SIZE)
    kept_back = query.state in STATES and reader.image_first
    return WorklistPage(rows_of(session, ids, reader), number, total, kept_back)


def matching_ids(
    session: Session,
    query: WorklistQuery,
    reader: Reader,
    *,
    first: int = 0,
    most: int | None = None,
) -> Sequence[str]:
    """Ids of the studies that match, the most urgent first: `most` of them, or all.

    Only ids are sorted: all rows with all they hold would take longer.
    """
    matching = _conditions(query, reader)
    ids = select(Study.id).where(*matching).order_by(*_URGENCY).offset(first).limit(most)
    return session.scalars(ids).all()


def rows_of(session: Session, ids: Sequence[str], reader: Reader) -> list[Row]:
    """These studies as the list shows them, the most urgent first."""
    studies = session.scalars(select(Study).where(Study.id.in_(ids)).order_by(*_URGENCY)).all()
    reading = holders(session, [study.id for study in studies], reader.claim_minutes)
    patients = {study.patient_id for study in studies} - {""}
    counted = session.execute(
        select(Study.patient_id, func.count().label("studies"))
        .where(Study.patient_id.in_(patients))
        .group_by(Study.patient_id)
    )
    count = {row.patient_id: row.studies for row in counted}
    hidden = _unseen(session, studies, reader.user_id) if reader.image_first else set()
    progress = _progress(session, studies)
    return [
        Row(
            study=study,
            holder=reading.get(study.id),
            others=count.get(study.patient_id, 1) - 1,
            hidden=study.id in hidden,
            progress=progress.get(study.id),
        )
        for study in studies
    ]


def _progress(session: Session, studies: Sequence[Study]) -> dict[str, tuple[int, int]]:
    analysing = [study.id for study in studies if study.state == ANALYSING]
    if not analysing:
        return {}
    counted = session.execute(
        select(Series.study_id, func.sum(Job.slices_done), func.sum(Job.slices_total))
        .join(Job)
        .where(Series.study_id.in_(analysing), Job.state == RUNNING, Job.slices_total > 0)
        .group_by(Series.study_id)
    )
    return {study_id: (done, total) for study_id, done, total in counted}


def hidden_findings(session: Session, studies: Sequence[Study], user_id: str) -> set[str]:
    """Ids of those whose finding the user may not see yet: `app.verdicts.record.finding_hidden`."""
    return _unseen(session, studies, user_id) if site_settings(session).image_first else set()


def _unseen(session: Session, studies: Sequence[Study], user_id: str) -> set[str]:
    ids = {study.id for study in studies}
    own = select(Review.study_id).where(Review.study_id.in_(ids), Review.user_id == user_id)
    return ids - set(session.scalars(own))


def _seen_by(reader: Reader) -> ColumnElement[bool]:
    own = select(Review.id).where(Review.study_id == Study.id, Review.user_id == reader.user_id)
    return own.exists()


def _in_force(reader: Reader) -> ColumnElement[bool]:
    return Claim.taken_at >= lapsed_before(reader.claim_minutes)


def _conditions(query: WorklistQuery, reader: Reader) -> list[ColumnElement[bool]]:
    found = [*_state_conditions(query.state, reader), *text_conditions(query.text)]
    if query.state in STATES and reader.image_first:
        # To match would tell what the row hides, also that an analysed one is analysed again.
        found.append(Study.any_probability.is_(None) | _seen_by(reader))
    if query.period:
        found.append(Study.received_at >= now() - PERIODS[query.period][1])
    if query.first_day:
        found.append(Study.received_at >= _start_of(query.first_day))
    if query.last_day:
        found.append(Study.received_at < _start_of(query.last_day) + timedelta(days=1))
    if query.simulated:
        found.append(Study.simulated.is_(query.simulated == "only"))
    if query.mine:
        found.append(_claimed(reader, Claim.user_id == reader.user_id) | _seen_by(reader))
    return found


def _claimed(reader: Reader, *by: ColumnElement[bool]) -> ColumnElement[bool]:
    held = select(Claim.study_id).where(Claim.study_id == Study.id, _in_force(reader), *by)
    return held.exists()


def _state_conditions(state: str, reader: Reader) -> list[ColumnElement[bool]]:
    if not state:
        return []
    if state == DISPUTED:
        return [Study.disputed.is_(True)]
    if state == REVIEWED:
        return [Study.reviewed_at.is_not(None)]
    unreviewed = Study.reviewed_at.is_(None)
    if state == UNREVIEWED:
        return [unreviewed]
    return [unreviewed, _claimed(reader) if state == READING else Study.state == state]


def text_conditions(text: str) -> list[ColumnElement[bool]]:
    """Each word stands in the name, in an identifier or in the description of the study."""
    columns = (
        Study.patient_name,
        Study.patient_id,
        Study.accession_number,
        Study.study_description,
        Study.study_instance_uid,
    )
    return [
        or_(*(column.icontains(word, autoescape=True) for column in columns))
        for word in text.split()
    ]


def next_study(session: Session, reader: Reader, passed_over: Sequence[str]) -> str | None:
    """Id of the most urgent study that wants a verdict and that nobody else reads.

    Left out are those whose slices are still arriving, those on which the reader has already
    spoken (where two verdicts are wanted) without taking it back, and `passed_over`.
    """
    withdrawal = aliased(Review)
    spoken = select(Review.id).where(
        Review.study_id == Study.id,
        Review.user_id == reader.user_id,
        Review.kind == VERDICT,
        ~select(withdrawal.id).where(withdrawal.withdraws == Review.id).exists(),
    )
    return session.scalar(
        select(Study.id)
        .where(
            Study.reviewed_at.is_(None),
            Study.state != ARRIVING,
            ~_claimed(reader, Claim.user_id != reader.user_id),
            ~spoken.exists(),
            Study.id.not_in(passed_over),
        )
        .order_by(*_URGENCY)
        .limit(1)
    )


def others_of_patient(session: Session, study: Study, most: int) -> tuple[list[Study], int]:
    """The patient's other studies, the newest first, `most` of them; and how many there are.

    The same patient is who has the same PatientID; without one nobody can tell.
    """
    if not study.patient_id:
        return [], 0
    same = (Study.patient_id == study.patient_id, Study.id != study.id)
    newest = (Study.study_date.desc(), Study.received_at.desc())
    found = session.scalars(select(Study).where(*same).order_by(*newest).limit(most)).all()
    if len(found) < most:
        return list(found), len(found)
    return list(found), session.scalar(select(func.count()).select_from(Study).where(*same)) or 0


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
