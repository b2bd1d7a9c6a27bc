"""Analysis jobs: one a series, with state and lease in the database; none is lost or doubled.

The queue only wakes workers up; a lost wake-up costs seconds, never a job.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from app.db.models import Job, now
from app.db.session import Database
from app.list_version import mark_changed
from app.study_state import refresh_study_of

ARRIVING, QUEUED, RUNNING, DONE, FAILED = "arriving", "queued", "running", "done", "failed"
OPEN = (ARRIVING, QUEUED, RUNNING)
"""States of a job whose result is still to come."""

ARRIVAL_TIMEOUT = timedelta(minutes=2)
"""A series that gained nothing for so long is taken as it is: its sender broke off."""

STEPS_TOLD = 4
"""So often the progress of a series changes the worklist: each change costs every open list."""


@dataclass(frozen=True)
class Lease:
    """The right to work on a series until the lease runs out; renewed by progress."""

    series_id: str
    holder: str
    seconds: int


class LeaseLostError(Exception):
    """Another worker has the job now; what this one computed must not be kept."""


def note_arrival(session: Session, series_id: str) -> None:
    """Keep, with each new slice, that the series wants an analysis once its slices are there.

    A job in work is taken from its worker: it would analyse an incomplete series.
    """
    _reset(session, series_id, ARRIVING)


def retry_failed(session: Session, series_id: str) -> None:
    """Queue the series once more if its analysis was given up: somebody sent it again."""
    job = session.get(Job, series_id)
    if job is not None and job.state == FAILED:
        request_analysis(session, series_id)


def request_analysis(session: Session, series_id: str) -> None:
    """Queue the series, again if it was analysed before."""
    _reset(session, series_id, QUEUED)


def _reset(session: Session, series_id: str, state: str) -> None:
    job = session.get(Job, series_id)
    if job is None:
        job = Job(series_id=series_id)
        session.add(job)
    changed = job.state != state
    job.state, job.attempts, job.error, job.queued_at = state, 0, "", now()
    job.lease_holder, job.lease_until = None, None
    if changed:
        session.flush()
        refresh_study_of(session, series_id)


def _due() -> ColumnElement[bool]:
    return or_(
        Job.state == QUEUED,
        (Job.state == RUNNING) & (Job.lease_until < now()),
        (Job.state == ARRIVING) & (Job.queued_at < now() - ARRIVAL_TIMEOUT),
    )


def claim(database: Database, holder: str, lease_seconds: int, max_attempts: int) -> Lease | None:
    """Take the job that waits longest, or one whose worker fell silent; None if there is none."""
    with database.write() as session:
        _fail_exhausted(session, max_attempts)
        series_id = session.scalar(
            select(Job.series_id).where(_due()).order_by(Job.queued_at).limit(1)
        )
        if series_id is None:
            return None
        taken = session.execute(
            update(Job)
            .where(Job.series_id == series_id, _due())
            .values(
                state=RUNNING,
                attempts=Job.attempts + 1,
                lease_holder=holder,
                lease_until=now() + timedelta(seconds=lease_seconds),
                slices_done=0,
            )
            .returning(Job.series_id)
        ).all()
        if not taken:
            return None
        refresh_study_of(session, series_id)
        return Lease(series_id, holder, lease_seconds)


def report_progress(database: Database, lease: Lease, slices_done: int, slices_total: int) -> None:
    """Show progress and renew the lease.

    Raises
    ------
    LeaseLostError
        The job was given to another worker or queued anew.
    """
    with database.write() as session:
        job = held_job(session, lease)
        if _step(slices_done, slices_total) != _step(job.slices_done, slices_total):
            mark_changed(session)
        job.slices_done, job.slices_total = slices_done, slices_total
        job.lease_until = now() + timedelta(seconds=lease.seconds)


def _step(slices_done: int, slices_total: int) -> int:
    return STEPS_TOLD * slices_done // max(slices_total, 1)


def held_job(session: Session, lease: Lease) -> Job:
    """The job, if `lease` still holds it; call it in the transaction that writes the result.

    Raises
    ------
    LeaseLostError
        The job was given to another worker or queued anew.
    """
    job = session.get(Job, lease.series_id, with_for_update=True)
    if job is None or job.lease_holder != lease.holder or job.state != RUNNING:
        raise LeaseLostError(f"series {lease.series_id} is no longer held by {lease.holder}")
    return job


def finish(session: Session, lease: Lease, slices_done: int, slices_total: int) -> None:
    """Mark the job done, in the transaction that writes its result (or why there is none)."""
    job = held_job(session, lease)
    job.state, job.lease_holder, job.lease_until = DONE, None, None
    job.slices_done, job.slices_total = slices_done, slices_total
    session.flush()
    refresh_study_of(session, lease.series_id)


def give_up(database: Database, lease: Lease, reason: str, max_attempts: int) -> None:
    """Queue the job again after an unexpected failure, or fail it after `max_attempts`."""
    with database.write() as session:
        job = held_job(session, lease)
        job.state = FAILED if job.attempts >= max_attempts else QUEUED
        job.error, job.lease_holder, job.lease_until = reason, None, None
        session.flush()
        refresh_study_of(session, lease.series_id)


def any_due(database: Database) -> bool:
    """Whether a worker has something to do."""
    with database.read() as session:
        return session.scalar(select(Job.series_id).where(_due()).limit(1)) is not None


def _fail_exhausted(session: Session, max_attempts: int) -> None:
    """A job whose workers died `max_attempts` times would kill the next one too."""
    exhausted = session.scalars(
        select(Job).where(
            Job.state == RUNNING, Job.lease_until < now(), Job.attempts >= max_attempts
        )
    ).all()
    for job in exhausted:
        job.state, job.lease_holder, job.lease_until = FAILED, None, None
        job.error = f"The analysis stopped {job.attempts} times without a result."
        session.flush()
        refresh_study_of(session, job.series_id)
