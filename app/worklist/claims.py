"""Who reads which study: a claim is taken, taken over, released, or lapses."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.audit.log import CLAIMED, TAKEN_OVER, record
from app.auth import SessionUser
from app.db.models import Study, User, now
from app.db.reading import Claim
from app.list_version import mark_changed


@dataclass(frozen=True)
class Holder:
    """Who reads a study, and since when."""

    user_id: str
    username: str
    since: datetime


class StudyClaimedError(Exception):
    """Somebody else reads the study: `holder`."""

    def __init__(self, study_id: str, holder: Holder) -> None:
        super().__init__(f"{holder.username} is reading study {study_id}")
        self.holder = holder


def lapsed_before(minutes: int) -> datetime:
    """Claims that were taken before this moment count no longer."""
    return now() - timedelta(minutes=minutes)


def holders(session: Session, study_ids: Collection[str], minutes: int) -> dict[str, Holder]:
    """Study id -> who reads it, for those that somebody reads."""
    held = session.execute(
        select(Claim.study_id, Claim.user_id, User.username, Claim.taken_at)
        .join(User, User.id == Claim.user_id)
        .where(Claim.study_id.in_(study_ids), Claim.taken_at >= lapsed_before(minutes))
    )
    return {row.study_id: Holder(row.user_id, row.username, row.taken_at) for row in held}


def holder_of(session: Session, study_id: str, minutes: int) -> Holder | None:
    """Who reads the study."""
    return holders(session, [study_id], minutes).get(study_id)


def take(
    session: Session, study_id: str, user_id: str, minutes: int, *, over_from: str = ""
) -> None:
    """Claim the study for the user, anew if it is already the user's.

    Parameters
    ----------
    minutes
        After which a claim lapses.
    over_from
        Id of the user from whom the study may be taken over.

    Raises
    ------
    StudyClaimedError
        Another user reads it.
    sqlalchemy.exc.NoResultFound
        There is no such study.
    """
    # The study's row is locked first, so that of two readers one waits and sees the other's claim.
    session.get_one(Study, study_id, with_for_update=True)
    holder = holder_of(session, study_id, minutes)
    if holder is not None and holder.user_id not in (user_id, over_from):
        raise StudyClaimedError(study_id, holder)
    if holder is None:
        record(session, CLAIMED, user_id=user_id, study_id=study_id)
    elif holder.user_id != user_id:
        record(session, TAKEN_OVER, user_id=user_id, study_id=study_id, over_from=holder.username)
    session.merge(Claim(study_id=study_id, user_id=user_id, taken_at=now()))
    mark_changed(session)


def may_release(holder: Holder, user: SessionUser) -> bool:
    """Whether the user may end the claim: who holds it, and administrators."""
    return holder.user_id == user.id or user.is_administrator


def release(session: Session, study_id: str) -> None:
    """End the study's claim, whoever holds it; nothing happens if nobody does."""
    session.execute(delete(Claim).where(Claim.study_id == study_id))
    mark_changed(session)
