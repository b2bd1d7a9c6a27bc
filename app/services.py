"""What every part of the clinic works with: settings, database, storage and queue, opened once."""

from dataclasses import dataclass

from app.config import Settings
from app.db.session import Database
from app.queue import WakeUpQueue
from app.storage import Storage


@dataclass(frozen=True)
class Services:
    """The open resources of one process."""

    settings: Settings
    database: Database
    storage: Storage
    queue: WakeUpQueue


def open_services(settings: Settings) -> Services:
    """Open everything that `settings` name; nothing is read or written yet but folders made."""
    settings.data.mkdir(parents=True, exist_ok=True)
    return Services(
        settings=settings,
        database=Database(settings.resolved_database_url),
        storage=Storage(settings.data / "files"),
        queue=WakeUpQueue(settings.queue_path),
    )
