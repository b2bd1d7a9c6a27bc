"""Removal of studies that a site keeps no longer: whole, or not at all, wherever it is interrupted.

Rows go first, in one transaction a study, which also writes down the study's files; then the files,
then what was written down. Killed in between, Falx shows no study without its images, and finds
the files that are still to go.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, exists, false, func, select, tuple_
from sqlalchemy.orm import Session, joinedload

from app.audit.log import STUDY_REMOVED, record
from app.db.models import (
    Analysis,
    Base,
    Instance,
    Job,
    Review,
    Series,
    SliceResult,
    Study,
    Upload,
    UploadedFile,
    now,
)
from app.db.reading import Claim
from app.db.retention import DoomedFile, KeptAnalysis, KeptReview
from app.jobs import OPEN
from app.list_version import mark_changed
from app.services import Services
from app.site import site_settings
from app.storage import HEAT, HU, ORIGINAL
from app.worklist.claims import lapsed_before
from app.worklist.saved_views import delete_in_vain, views_in_search_of

logger = logging.getLogger(__name__)

FILES_AT_ONCE = 500


@dataclass(frozen=True)
class Preview:
    """What a number of days would remove now; `unreviewed` of the studies have no verdict."""

    studies: int
    unreviewed: int
    slices: int
    spared: int
    """So many are old enough, but somebody reads them or they are being analysed."""

    def in_words(self) -> str:
        """The counts as a sentence."""
        told = (
            f"{_counted(self.studies, 'study', 'studies')} ({self.unreviewed:,} never reviewed) "
            f"with {_counted(self.slices, 'slice', 'slices')} would be removed now"
        )
        return told + (f"; {self.spared:,} in use would be spared." if self.spared else ".")


def preview(session: Session, days: int, claim_minutes: int) -> Preview:
    """What would go; 0 days remove nothing. A claim counts for `claim_minutes`."""
    old = _old(days)
    due = old.where(*_unused(claim_minutes))
    unreviewed = due.where(Study.reviewed_at.is_(None))
    slices = select(func.count()).select_from(Instance).join(Series)
    studies = _count(session, due)
    return Preview(
        studies=studies,
        unreviewed=_count(session, unreviewed),
        slices=session.scalar(slices.where(Series.study_id.in_(due))) or 0,
        spared=_count(session, old) - studies,
    )


def remove_due(services: Services) -> int:
    """Remove every study that is due, and what an earlier interruption left of others.

    A file that cannot be deleted is logged, counted by `files_left` and tried again next time.

    Returns
    -------
    How many studies were removed.
    """
    stuck: set[tuple[str, str]] = set()
    _remove_files(services, stuck)
    with services.database.read() as session:
        days = site_settings(session).retention_days
        due = session.scalars(_due(services, days).order_by(Study.received_at)).all()
    removed = 0
    for study_id in due:
        removed += _remove(services, study_id)
        _remove_files(services, stuck)
    if days:
        _remove_uploads(services, days)
    return removed


def files_left(session: Session) -> int:
    """How many files of removed studies are still there."""
    return session.scalar(select(func.count()).select_from(DoomedFile)) or 0


def kept_reviews(session: Session) -> list[Review]:
    """The readers' rows of removed studies, not to be stored, as statistics take them."""
    rows = session.scalars(
        select(KeptReview).options(joinedload(KeptReview.user), joinedload(KeptReview.analysis))
    )
    return [
        Review(
            **_copied(row, KeptReview),
            user=row.user,
            analysis=Analysis(id=row.analysis_id, states=row.analysis.states)
            if row.analysis
            else None,
        )
        for row in rows
    ]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _count(session: Session, found: Select[str]) -> int:
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def _old(days: int) -> Select[str]:
    """Ids of the studies of which nothing came in for `days`; of none for 0 days."""
    if not days:
        return select(Study.id).where(false())
    before = _cutoff(days)
    newer = exists().where(Series.study_id == Study.id, Series.received_at >= before)
    return select(Study.id).where(Study.received_at < before, ~newer)


def _cutoff(days: int) -> datetime:
    return now() - timedelta(days=days)


def _due(services: Services, days: int) -> Select[str]:
    return _old(days).where(*_unused(services.settings.claim_minutes))


def _unused(claim_minutes: int) -> list[ColumnElement[bool]]:
    """Nobody reads the study, and no result is to come."""
    read = exists().where(
        Claim.study_id == Study.id, Claim.taken_at >= lapsed_before(claim_minutes)
    )
    analysed = exists().where(
        Job.series_id == Series.id, Series.study_id == Study.id, Job.state.in_(OPEN)
    )
    return [~read, ~analysed]


def _remove(services: Services, study_id: str) -> bool:
    """Remove a study's rows; whether it was still due once nobody else could touch it."""
    with services.database.write() as session:
        # Whoever claims it locks it first, too: he comes before this, or finds no study.
        study = session.get(Study, study_id, with_for_update=True)
        days = site_settings(session).retention_days
        if (
            study is None
            or session.scalar(_due(services, days).where(Study.id == study_id)) is None
        ):
            return False
        doomed = _doom_files(session, study_id)
        reviews = _keep_labels(session, study_id)
        views = views_in_search_of(session, study_id)
        record(
            session,
            STUDY_REMOVED,
            study_id=study_id,
            received=study.received_at.isoformat(timespec="seconds"),
            after_days=days,
            files=doomed,
            readers_rows_kept=reviews,
        )
        _delete_rows(session, study_id)
        delete_in_vain(session, views)
        mark_changed(session)
    logger.info("study %s: removed, older than %d days", study_id, days)
    return True


def _doom_files(session: Session, study_id: str) -> int:
    slices = session.scalars(select(Instance.id).join(Series).where(Series.study_id == study_id))
    analyses = session.scalars(
        select(Analysis.id).join(Series).where(Series.study_id == study_id)
    ).all()
    files = [(kind, one) for one in slices.all() for kind in (ORIGINAL, HU)]
    files += [(HEAT, one) for one in analyses]
    session.add_all(DoomedFile(kind=kind, file_id=one) for kind, one in files)
    return len(files)


def _keep_labels(session: Session, study_id: str) -> int:
    analyses = session.scalars(select(Analysis).join(Series).where(Series.study_id == study_id))
    session.add_all(KeptAnalysis(**_copied(one, KeptAnalysis)) for one in analyses)
    session.flush()
    reviews = session.scalars(select(Review).where(Review.study_id == study_id)).all()
    session.add_all(KeptReview(**_copied(one, KeptReview)) for one in reviews)
    session.flush()
    return len(reviews)


def _copied(row: Base, kept: type[Base]) -> dict[str, object]:
    """What both tables have: the columns of what is kept are the list of what may be."""
    return {column.key: getattr(row, column.key) for column in kept.__table__.columns}


def _delete_rows(session: Session, study_id: str) -> None:
    series = select(Series.id).where(Series.study_id == study_id)
    analyses = select(Analysis.id).where(Analysis.series_id.in_(series))
    # The order in which rows refer to each other.
    for table, which in (
        (SliceResult, SliceResult.analysis_id.in_(analyses)),
        (Review, Review.study_id == study_id),
        (Claim, Claim.study_id == study_id),
        (Job, Job.series_id.in_(series)),
        (Analysis, Analysis.series_id.in_(series)),
        (UploadedFile, UploadedFile.series_id.in_(series)),
        (Instance, Instance.series_id.in_(series)),
        (Series, Series.study_id == study_id),
        (Study, Study.id == study_id),
    ):
        session.execute(
            delete(table).where(which), execution_options={"synchronize_session": False}
        )


def _remove_files(services: Services, stuck: set[tuple[str, str]]) -> None:
    """Remove what is written down. What cannot be stays so, for another time; it joins `stuck`."""
    columns = (DoomedFile.kind, DoomedFile.file_id)
    key, last = tuple_(*columns), ("", "")
    while True:
        page = select(*columns).where(key > last).order_by(*columns)
        with services.database.read() as session:
            found = [(row.kind, row.file_id) for row in session.execute(page.limit(FILES_AT_ONCE))]
        if not found:
            return
        left = services.storage.remove_for_good(one for one in found if one not in stuck)
        for (kind, file_id), reason in left.items():
            logger.error("%s %s of a removed study cannot be deleted: %s", kind, file_id, reason)
        stuck.update(left)
        with services.database.write() as session:
            gone = [one for one in found if one not in stuck]
            session.execute(delete(DoomedFile).where(key.in_(gone)))
        last = found[-1]


def _remove_uploads(services: Services, days: int) -> None:
    """Remove old lists of files of which nothing is left: a file's name may be a patient's."""
    kept = exists().where(UploadedFile.upload_id == Upload.id, UploadedFile.series_id.is_not(None))
    old = select(Upload.id).where(Upload.created_at < _cutoff(days), ~kept)
    with services.database.write() as session:
        ids = session.scalars(old).all()
        session.execute(delete(UploadedFile).where(UploadedFile.upload_id.in_(ids)))
        session.execute(delete(Upload).where(Upload.id.in_(ids)))
