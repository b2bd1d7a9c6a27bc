"""Whether a worker lives, by the signs of life that workers leave in the database."""

from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.models import WorkerHeartbeat, now

SILENT_AFTER: Final = timedelta(seconds=20)
"""A worker that gave no sign for so long counts as gone; it gives one every 5 seconds."""


def is_alive(worker: WorkerHeartbeat) -> bool:
    """Whether the worker gave a sign lately."""
    return now() - worker.seen_at < SILENT_AFTER


def is_served(session: Session, model_sha256: str) -> bool:
    """Whether a living worker has loaded the model with this checksum."""
    serving = select(WorkerHeartbeat.worker).where(
        WorkerHeartbeat.seen_at > now() - SILENT_AFTER,
        WorkerHeartbeat.model_sha256 == model_sha256,
    )
    return session.scalar(serving.limit(1)) is not None
