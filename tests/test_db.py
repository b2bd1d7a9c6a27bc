"""The database: what the migrations make is what the models say, and a commit is durable."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from app.db.models import Base, Study
from app.db.session import migrate
from app.services import Services
from clinic import new_study

ON_EVERY_DATABASE = True


def test_the_migrations_make_the_tables_of_the_models(services: Services) -> None:
    with services.database.engine.connect() as connection:
        context = MigrationContext.configure(connection)

        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(services: Services) -> None:
    with services.database.write() as session:
        session.add(new_study())

    migrate(services.settings.resolved_database_url)

    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 1


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]
)
def test_sqlite_is_set_up_to_survive_a_power_cut(
    services: Services, pragma: str, value: str | int
) -> None:
    if services.database.engine.dialect.name != "sqlite":
        return  # the settings of another database are its administrator's
    with services.database.read() as session:
        assert session.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_writers_wait_for_each_other(services: Services) -> None:
    with services.database.write() as session:
        session.add(new_study())

    def append_one() -> None:
        with services.database.write() as session:
            study = session.scalars(select(Study).with_for_update()).one()
            study.patient_name += "x"

    threads = [threading.Thread(target=append_one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with services.database.read() as session:
        assert session.scalars(select(Study)).one().patient_name == "x" * 12


def test_a_failed_transaction_leaves_nothing(services: Services) -> None:
    with (
        pytest.raises(IntegrityError, match=r"(?i)unique"),
        services.database.write() as session,
    ):
        session.add_all([new_study(), new_study()])

    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 0
