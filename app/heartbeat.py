"""Whether a worker lives, by the signs of life that workers leave in the database."""

from datetime import datetime, timedelta
from typing import Final

from app.db.models import now

SILENT_AFTER: Final = timedelta(seconds=20)
"""A worker that gave no sign for so long counts as gone; it gives one every 5 seconds."""


def alive_from() -> datetime:
    """Workers whose last sign is older than this moment count as gone."""
    return now() - SILENT_AFTER
