"""Who reads which study: a claim is taken, taken over, released, or lapses."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, joinedload

from app.auth import SessionUser
from app.db.models import Study, now
from app.db.reading import Claim
from app.worklist_version import mark_changed


class StudyClaimedError(Exception):
    """Somebody else reads the study; `claim` says who, and since when."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(f"{claim.user.username} is reading study {claim.study_id}")
        self.claim = claim


def lapsed_before(minutes: int) -> datetime:
    """Claims that were taken before this moment count no longer."""
    return now() - timedelta(minutes=minutes)


def claim_of(session: Session, study_id: str, minutes: int) -> Claim | None:
    """The claim that counts, with its reader."""
    return session.scalar(
        select(Claim)
        .where(Claim.study_id == study_id, Claim.taken_at >= lapsed_before(minutes))
        .options(joinedload(Claim.user))
        .execution_options(populate_existing=True)
    )


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
    claim = claim_of(session, study_id, minutes)
    if claim is not None and claim.user_id not in (user_id, over_from):
        raise StudyClaimedError(claim)
    session.merge(Claim(study_id=study_id, user_id=user_id, taken_at=now()))
    mark_changed(session)


def may_release(claim: Claim, user: SessionUser) -> bool:
    """Whether the user may end the claim: who holds it, and administrators."""
    return claim.user_id == user.id or user.is_administrator


def release(session: Session, study_id: str) -> None:
    """End the study's claim, whoever holds it; nothing happens if nobody does."""
    session.execute(delete(Claim).where(Claim.study_id == study_id))
    mark_changed(session)
