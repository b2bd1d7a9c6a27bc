"""The tables: patient's study > series > instance, its analyses, and the readers' verdicts."""

import secrets
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


def random_id() -> str:
    """128 random bits: an id that tells nothing about the patient and can't be guessed."""
    return secrets.token_hex(16)


def now() -> datetime:
    """The present, timezone-aware."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware moment; SQLite keeps no zone, so UTC is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Store UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return UTC with its zone."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
        dict[str, str]: JSON(none_as_null=True),
        dict[str, float]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
        list[float]: JSON(none_as_null=True),
        list[dict[str, Any]]: JSON(none_as_null=True),
    }


class User(Base):
    """Somebody who may log in; `role` is reader or administrator."""

    __tablename__ = "user"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(16))
    active: Mapped[bool] = mapped_column(default=True)
    session_key: Mapped[str] = mapped_column(String(32), default=random_id)
    """Part of every login cookie: changing it ends all of the user's sessions."""
    created_at: Mapped[datetime] = mapped_column(default=now)


class Study(Base):
    """One examination of one patient.

    A study is identified by its UID and its PatientID together: a UID that two patients share (a
    broken export) must never show one patient's images under the other's name.
    """

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("study_instance_uid", "patient_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    patient_id: Mapped[str] = mapped_column(String(256), index=True)
    patient_name: Mapped[str] = mapped_column(String(512))
    patient_birth_date: Mapped[str] = mapped_column(String(32))
    patient_sex: Mapped[str] = mapped_column(String(16))
    accession_number: Mapped[str] = mapped_column(String(64))
    study_date: Mapped[str] = mapped_column(String(32))
    study_description: Mapped[str] = mapped_column(String(256))
    simulated: Mapped[bool]
    received_at: Mapped[datetime] = mapped_column(default=now, index=True)
    state: Mapped[str] = mapped_column(String(16), default="waiting", index=True)
    """One of `app.study_state.STATES`; kept by `app.study_state.refresh_study`."""
    state_reason: Mapped[str] = mapped_column(Text, default="")
    any_probability: Mapped[float | None]
    reviewed_at: Mapped[datetime | None]
    disputed: Mapped[bool] = mapped_column(default=False)
    """Whether readers differ and nobody has settled it; kept as `state` is."""

    series: Mapped[list["Series"]] = relationship(
        back_populates="study", order_by="Series.received_at"
    )
    reviews: Mapped[list["Review"]] = relationship(
        back_populates="study", order_by="Review.created_at.desc()"
    )


class Series(Base):
    """The slices of one acquisition or reconstruction."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("study_id", "series_instance_uid"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    series_description: Mapped[str] = mapped_column(String(256))
    received_at: Mapped[datetime] = mapped_column(default=now)

    study: Mapped[Study] = relationship(back_populates="series")
    instances: Mapped[list["Instance"]] = relationship(back_populates="series")
    analyses: Mapped[list["Analysis"]] = relationship(
        back_populates="series", order_by="Analysis.created_at.desc()"
    )
    job: Mapped["Job | None"] = relationship(back_populates="series")


class Instance(Base):
    """One stored slice. Its id names the original file and its decoded HU in the storage."""

    __tablename__ = "instance"
    __table_args__ = (UniqueConstraint("series_id", "sop_instance_uid"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    series_id: Mapped[str] = mapped_column(ForeignKey("series.id"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    rows: Mapped[int]
    columns: Mapped[int]
    instance_number: Mapped[int | None]
    position_mm: Mapped[list[float] | None]
    orientation: Mapped[list[float] | None]
    pixel_spacing_mm: Mapped[list[float] | None]
    slice_thickness_mm: Mapped[float | None]
    attributes: Mapped[dict[str, str]]
    """DICOM keyword -> text, for display only."""
    warnings: Mapped[list[str]]
    received_at: Mapped[datetime] = mapped_column(default=now)

    series: Mapped[Series] = relationship(back_populates="instances")


class Job(Base):
    """The one analysis job of a series: its state and lease. The queue only wakes workers."""

    __tablename__ = "job"

    series_id: Mapped[str] = mapped_column(ForeignKey("series.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(16), default="queued", index=True)
    """arriving, queued, running, done or failed."""
    attempts: Mapped[int] = mapped_column(default=0)
    lease_holder: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None]
    slices_done: Mapped[int] = mapped_column(default=0)
    slices_total: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    queued_at: Mapped[datetime] = mapped_column(default=now)

    series: Mapped[Series] = relationship(back_populates="job")


class Analysis(Base):
    """What one model said of one series, or why it said nothing. Never changed afterwards."""

    __tablename__ = "analysis"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    series_id: Mapped[str] = mapped_column(ForeignKey("series.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    refusal: Mapped[str] = mapped_column(Text, default="")
    """Why the series was not analysed; empty if it was."""
    probabilities: Mapped[dict[str, float] | None]
    """Label -> highest calibrated probability over the slices."""
    states: Mapped[dict[str, str] | None]
    """Label -> flagged, indeterminate or not flagged, at `thresholds`."""
    thresholds: Mapped[dict[str, Any]]
    """Label -> the model card's thresholds as they were in use."""
    warnings: Mapped[list[str]]
    model_name: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(32))
    model_sha256: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(String(64))
    seconds: Mapped[float]
    tissue_hu: Mapped[float | None]
    """Of brain-like tissue, the median, and beside it the noise, in HU, as
    `model.dicom.tissue_statistics` tells; None where not measured."""
    noise_hu: Mapped[float | None]
    heat: Mapped[str] = mapped_column(String(32))
    """What its heat maps are, in the model card's words."""

    series: Mapped[Series] = relationship(back_populates="analyses")
    slices: Mapped[list["SliceResult"]] = relationship(
        back_populates="analysis", order_by="SliceResult.position"
    )


class SliceResult(Base):
    """The model's probabilities for one slice, at its place in the series."""

    __tablename__ = "slice_result"

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analysis.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    """0 for the lowest slice."""
    instance_id: Mapped[str] = mapped_column(ForeignKey("instance.id"), index=True)
    probabilities: Mapped[dict[str, float]]

    analysis: Mapped[Analysis] = relationship(back_populates="slices")
    instance: Mapped[Instance] = relationship()


class Review(Base):
    """What a reader stored of a study. Append-only: a row is never changed, only withdrawn."""

    __tablename__ = "review"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"), index=True)
    series_id: Mapped[str | None] = mapped_column(ForeignKey("series.id"), index=True)
    """The series that was on the screen."""
    analysis_id: Mapped[str | None] = mapped_column(ForeignKey("analysis.id"), index=True)
    """The analysis that was on the screen."""
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id"))
    kind: Mapped[str] = mapped_column(String(24), default="verdict")
    """One of `app.verdicts.record.KINDS`."""
    verdicts: Mapped[dict[str, str]]
    """Label -> agree, disagree, present or absent; in a first impression, one of its words."""
    reasons: Mapped[dict[str, str]]
    """Label -> reason code."""
    slice_verdicts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Label -> {instance id: present or absent}."""
    regions: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    """Ellipses in their boxes: instance, label, x0, y0, x1, y1 in pixels of the slice."""
    comment: Mapped[str] = mapped_column(Text)
    withdraws: Mapped[str | None] = mapped_column(ForeignKey("review.id"), index=True)
    """The verdict that this row takes back."""
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)

    study: Mapped[Study] = relationship(back_populates="reviews")
    user: Mapped[User] = relationship()
    analysis: Mapped[Analysis | None] = relationship()


class Upload(Base):
    """One act of sending files, with what became of each."""

    __tablename__ = "upload"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=random_id)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)

    files: Mapped[list["UploadedFile"]] = relationship(
        back_populates="upload", order_by="UploadedFile.number"
    )


class UploadedFile(Base):
    """What became of one uploaded file."""

    __tablename__ = "uploaded_file"

    upload_id: Mapped[str] = mapped_column(ForeignKey("upload.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(512))
    outcome: Mapped[str] = mapped_column(String(16))
    """stored, duplicate, ignored or refused."""
    reason: Mapped[str] = mapped_column(Text, default="")
    series_id: Mapped[str | None] = mapped_column(ForeignKey("series.id"), index=True)

    upload: Mapped[Upload] = relationship(back_populates="files")


class WorkerHeartbeat(Base):
    """A sign of life of each worker, with the model that it has loaded."""

    __tablename__ = "worker_heartbeat"

    worker: Mapped[str] = mapped_column(String(32), primary_key=True)
    seen_at: Mapped[datetime]
    model_version: Mapped[str] = mapped_column(String(32))
    model_sha256: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(String(64))
