"""The table of who did what, and when; its rows are never changed nor deleted."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.models import Base, User, now


class AuditEvent(Base):
    """One event. Triggers of the database refuse to change or delete it (migration 0005)."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id"), index=True)
    """Who did it; in a failed login the account that was tried, in a command nobody."""
    action: Mapped[str] = mapped_column(String(32), index=True)
    """One of `app.audit.log.ACTIONS`."""
    study_id: Mapped[str | None] = mapped_column(String(32), index=True)
    """Of which study; no foreign key, so that the event may outlive it."""
    details: Mapped[dict[str, Any]]

    user: Mapped[User | None] = relationship()
