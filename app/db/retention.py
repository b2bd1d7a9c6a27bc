"""The tables of removed studies: what stays of them, and which of their files are still to go."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.models import Base, User


class KeptAnalysis(Base):
    """What is kept of an analysis: by which model, and what it stated. Nothing names a patient."""

    __tablename__ = "kept_analysis"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    series_id: Mapped[str] = mapped_column(String(32))
    """Of a series that is gone; ids of Falx's own, random."""
    created_at: Mapped[datetime]
    states: Mapped[dict[str, str] | None]
    """Label -> finding; None where the series was not analysed."""
    model_name: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(32))
    model_sha256: Mapped[str] = mapped_column(String(64))


class KeptReview(Base):
    """What is kept of a reader's row: his words on labels; no comment, no slices, no regions."""

    __tablename__ = "kept_review"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_id: Mapped[str] = mapped_column(String(32), index=True)
    series_id: Mapped[str | None] = mapped_column(String(32))
    analysis_id: Mapped[str | None] = mapped_column(ForeignKey("kept_analysis.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(24))
    verdicts: Mapped[dict[str, str]]
    reasons: Mapped[dict[str, str]]
    withdraws: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]

    analysis: Mapped[KeptAnalysis | None] = relationship()
    user: Mapped[User] = relationship()


class DoomedFile(Base):
    """A stored file whose study is removed; the row goes once the file has gone for good."""

    __tablename__ = "doomed_file"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    file_id: Mapped[str] = mapped_column(String(32), primary_key=True)
