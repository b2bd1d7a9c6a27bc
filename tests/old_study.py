"""Studies that are older than a site keeps them, and what of them is left."""

from datetime import timedelta
from typing import Final

import numpy as np
from sqlalchemy import func, select, update

from app.db.models import Base, Series, Study, User, now
from app.services import Services
from app.storage import HEAT, HU, ORIGINAL
from clinic import turn_on
from read_study import ReadStudy, add_read_study

DAYS: Final = 30
OLD: Final = timedelta(days=DAYS + 1)


def keep_for_days(services: Services) -> str:
    """The site keeps studies for 30 days; returns the id of its one reader."""
    with services.database.write() as session:
        session.add(User(id="rob", username="rob", password_hash="", role="reader"))
    turn_on(services, retention_days=DAYS)
    return "rob"


def old_study(services: Services) -> ReadStudy:
    """A study with all its files, all of which came in 31 days ago."""
    read = add_read_study(services, patient_name="Doe^Jane", patient_id="P1")
    for one in read.slices:
        services.storage.write(ORIGINAL, one, b"original")
        services.storage.write_array(HU, one, np.zeros((2, 2), np.int16))
    services.storage.write_array(HEAT, read.analysis, np.zeros((3, 6, 1, 1), np.float16))
    with services.database.write() as session:
        session.execute(update(Study).where(Study.id == read.study).values(received_at=now() - OLD))
        session.execute(
            update(Series).where(Series.id == read.series).values(received_at=now() - OLD)
        )
    return read


def count(services: Services, table: type[Base]) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def files(services: Services) -> set[str]:
    """Ids of the stored files."""
    return {path.stem for path in (services.settings.data / "files").rglob("*.*")}
