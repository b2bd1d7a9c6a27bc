"""What a user may do with several studies at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import jobs
from app.audit.log import RELEASED, record
from app.auth import SessionUser
from app.db.models import Job, Series, Study
from app.services import Services
from app.worklist import claims


@dataclass(frozen=True)
class Told:
    """What became of an action, in a sentence; `done` where at least one study took part."""

    text: str
    done: bool


def _claim(services: Services, study_ids: Sequence[str], user: SessionUser) -> Told:
    """Claim what nobody else reads."""
    minutes, refused = services.settings.claim_minutes, []
    with services.database.write() as session:
        known = _known(session, study_ids)
        for study_id in known:
            try:
                claims.take(session, study_id, user.id, minutes)
            except claims.StudyClaimedError as error:
                refused.append(error.holder.username)
    taken = len(known) - len(refused)
    others = f" Left to who reads them: {', '.join(refused)}." if refused else ""
    return Told(f"You are reading {_counted(taken)}.{others}", taken > 0)


def _release(services: Services, study_ids: Sequence[str], user: SessionUser) -> Told:
    """Release the user's own claims; an administrator releases anybody's."""
    minutes, released, refused = services.settings.claim_minutes, 0, []
    with services.database.write() as session:
        for study_id in study_ids:
            holder = claims.holder_of(session, study_id, minutes)
            if holder is None:
                continue
            if claims.may_release(holder, user):
                claims.release(session, study_id)
                record(session, RELEASED, user_id=user.id, study_id=study_id, of=holder.username)
                released += 1
            else:
                refused.append(holder.username)
    others = f" Not yours to release, read by: {', '.join(refused)}." if refused else ""
    return Told(f"Released: {_counted(released)}.{others}", released > 0)


def _analyse(services: Services, study_ids: Sequence[str], _user: SessionUser) -> Told:
    """Queue every series anew, but those whose analysis is still to come."""
    with services.database.write() as session:
        ended = session.execute(
            select(Series.study_id, Series.id)
            .join(Job)
            .where(Series.study_id.in_(study_ids), Job.state.not_in(jobs.OPEN))
            .order_by(Series.study_id, Series.id)
        ).all()
        for _, series_id in ended:
            jobs.request_analysis(session, series_id)
    services.queue.wake()
    again = len({study_id for study_id, _ in ended})
    pending = len(study_ids) - again
    others = f" Already to be analysed, or without slices: {_counted(pending)}." if pending else ""
    return Told(f"Queued once more: {_counted(again)}.{others}", again > 0)


ACTIONS: Final[Mapping[str, Callable[[Services, Sequence[str], SessionUser], Told]]] = {
    "claim": _claim,
    "release": _release,
    "analyse": _analyse,
}
"""Name in the address -> what does it, given ids of studies in their order."""


def _known(session: Session, study_ids: Sequence[str]) -> Sequence[str]:
    """Those that exist, in order: whoever locks several rows does so in the same order."""
    return session.scalars(select(Study.id).where(Study.id.in_(study_ids)).order_by(Study.id)).all()


def _counted(number: int) -> str:
    return f"{number} {'study' if number == 1 else 'studies'}"
