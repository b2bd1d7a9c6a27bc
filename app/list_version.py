"""The version of the worklist: what tells an open page that nothing has changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, event, func, select, update
from sqlalchemy.orm import Session

from app.db.models import WorkerHeartbeat
from app.db.reading import Claim, WorklistVersion

_CHANGED: Final = "worklist changed"

# Built once, and one statement: every open list asks it every few seconds.
_PRESENT: Final = select(
    select(WorklistVersion.version).scalar_subquery(),
    select(func.count(Claim.study_id))
    .where(Claim.taken_at >= bindparam("claims_from"))
    .scalar_subquery(),
    select(func.count(WorkerHeartbeat.worker))
    .where(
        WorkerHeartbeat.seen_at >= bindparam("alive_from"),
        WorkerHeartbeat.model_sha256 == bindparam("model_sha256"),
    )
    .scalar_subquery(),
)


@dataclass(frozen=True)
class ListVersion:
    """What differs whenever the list differs, but for the periods of its filters."""

    changes: int
    """How often a row was changed until now."""
    claims: int
    """How many claims count: they lapse without a change."""
    workers: int
    """How many workers live with the model that the site serves."""


def mark_changed(session: Session) -> None:
    """Raise the version when the session commits; call it wherever a row of the list changes."""
    session.info[_CHANGED] = True


def list_version(
    session: Session, claims_from: datetime, alive_from: datetime, model_sha256: str
) -> ListVersion:
    """The present version; claims and workers count by their last sign from these moments on."""
    moments = {"claims_from": claims_from, "alive_from": alive_from}
    changes, claims, workers = session.execute(
        _PRESENT, {**moments, "model_sha256": model_sha256}
    ).one()
    return ListVersion(changes, claims, workers)


@event.listens_for(Session, "before_commit")
def _raise_version(session: Session) -> None:
    # Only now: every writer needs this one row, and who locked it before others would make them
    # wait, or wait for each other.
    if session.info.pop(_CHANGED, False):
        session.execute(update(WorklistVersion).values(version=WorklistVersion.version + 1))
