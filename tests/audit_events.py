"""Events of the audit log: what is written, and one more."""

from typing import Any

from sqlalchemy import select

from app.audit.log import LOGIN, record
from app.db.audit import AuditEvent
from app.db.models import User
from app.services import Services


def events(services: Services, action: str = "") -> list[AuditEvent]:
    """What is written, the oldest first."""
    with services.database.read() as session:
        found = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    return [one for one in found if action in ("", one.action)]


def add_event(services: Services, action: str = LOGIN, **facts: Any) -> None:
    """Write one, alone."""
    with services.database.write() as session:
        record(session, action, **facts)


def user_id(services: Services, name: str) -> str:
    """The id of the account of that name."""
    with services.database.read() as session:
        return session.scalars(select(User.id).where(User.username == name)).one()
