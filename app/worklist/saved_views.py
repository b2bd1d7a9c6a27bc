"""Each user's named searches of the worklist."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session

from app.db.models import Study
from app.db.reading import SavedView
from app.worklist.page import text_conditions
from app.worklist.query import WorklistQuery

MOST_VIEWS: Final = 30
NAME_LENGTH: Final = 64


class SavedViewError(Exception):
    """A view cannot be saved as asked; the message says why."""


def views_of(session: Session, user_id: str) -> list[SavedView]:
    """The user's views by name."""
    return list(
        session.scalars(
            select(SavedView).where(SavedView.user_id == user_id).order_by(SavedView.name)
        )
    )


def save_view(session: Session, user_id: str, name: str, query: WorklistQuery) -> None:
    """Keep the query under the name; it replaces what the user had under the same name.

    Raises
    ------
    SavedViewError
        The name is empty or too long, or the user has as many views as one may have.
    """
    name = " ".join(name.replace("\x00", "").split())
    if not 0 < len(name) <= NAME_LENGTH:
        raise SavedViewError(f"A view needs a name of 1 to {NAME_LENGTH} characters.")
    delete_view(session, user_id, name=name)
    mine = select(func.count()).select_from(SavedView).where(SavedView.user_id == user_id)
    if (session.scalar(mine) or 0) >= MOST_VIEWS:
        raise SavedViewError(f"You have {MOST_VIEWS} views already: delete one first.")
    session.add(SavedView(user_id=user_id, name=name, query=urlencode(query.address())))


def delete_view(session: Session, user_id: str, **known: str) -> None:
    """Delete the user's view with that `id` or `name`, if there is one."""
    session.execute(delete(SavedView).filter_by(user_id=user_id, **known))


def views_in_search_of(session: Session, study_id: str) -> list[SavedView]:
    """Every user's views whose text finds the study: it may be its patient's name or number."""
    views = session.scalars(select(SavedView).where(SavedView.query != ""))
    return [view for view in views if _finds(session, view, Study.id == study_id)]


def delete_in_vain(session: Session, views: Iterable[SavedView]) -> int:
    """Delete those of the views whose text finds no study any more; returns how many."""
    in_vain = [view for view in views if not _finds(session, view)]
    for view in in_vain:
        session.delete(view)
    return len(in_vain)


def _finds(session: Session, view: SavedView, *among: ColumnElement[bool]) -> bool:
    text = WorklistQuery.from_address(dict(parse_qsl(view.query))).text
    if not text:
        return False
    return bool(session.scalar(select(exists().where(*text_conditions(text), *among))))
