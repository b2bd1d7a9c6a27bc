"""The tables of reading together: who reads which study, and each reader's views of the list."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.models import Base, Study, User, now, random_id


class Claim(Base):
    """Who reads a study at present: one reader a study, kept by `app.claims`."""

    __tablename__ = "claim"

    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    taken_at: Mapped[datetime] = mapped_column(default=now)

    study: Mapped[Study] = relationship()
    user: Mapped[User] = relationship()


class SavedView(Base):
    """A search of the worklist that a user gave a name."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    name: Mapped[str] = mapped_column(String(64))
    query: Mapped[str] = mapped_column(Text)
    """The query part of the worklist's address, as `app.worklist.query` writes it."""


class WorklistVersion(Base):
    """One row that counts the changes of the worklist; kept by `app.list_version`."""

    __tablename__ = "worklist_version"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]
