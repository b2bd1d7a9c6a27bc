"""The version of the worklist: what tells an open page that nothing has changed."""

from typing import Final

from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from app.db.reading import WorklistVersion

_CHANGED: Final = "worklist changed"


def mark_changed(session: Session) -> None:
    """Raise the version when the session commits; call it wherever a row of the list changes."""
    session.info[_CHANGED] = True


def current_version(session: Session) -> int:
    """The number of the last change."""
    return session.scalars(select(WorklistVersion.version)).one()


@event.listens_for(Session, "before_commit")
def _raise_version(session: Session) -> None:
    # Only now: every writer needs this one row, and who locked it before others would make them
    # wait, or wait for each other.
    if session.info.pop(_CHANGED, False):
        session.execute(update(WorklistVersion).values(version=WorklistVersion.version + 1))
