"""What a new installation needs: schema, a first administrator, and something to look at."""

import logging
import tempfile
from pathlib import Path

import click
from sqlalchemy import func, select

from app import auth
from app.auth import ADMINISTRATOR
from app.config import Settings
from app.db.models import Study, User
from app.db.session import migrate
from app.ingest import ingest
from app.services import Services, open_services
from model.dicom.sandbox import SandboxedReader
from model.dicom.sources import SourceLimits, iter_sources

logger = logging.getLogger(__name__)

FIRST_ADMINISTRATOR = "admin"


def prepare(settings: Settings) -> None:
    """Bring everything up to date; safe to repeat, it never changes what is there."""
    services = open_services(settings)
    logger.info("database: bringing the schema up to date")
    migrate(settings.resolved_database_url)
    services.storage.sweep()
    if _is_empty(services, User):
        password = auth.random_password()
        auth.create_user(services.database, FIRST_ADMINISTRATOR, password, ADMINISTRATOR)
        click.echo(f"First administrator: {FIRST_ADMINISTRATOR}, password: {password}")
        click.echo("It is shown only now. Change it after the first login.")
        if _is_empty(services, Study):
            _add_demo_study(services)


def _is_empty(services: Services, table: type[User] | type[Study]) -> bool:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) == 0


def _add_demo_study(services: Services) -> None:
    """Simulate a head that bleeds; SciPy is loaded for this alone."""
    from model.data.synthetic.demo import write_demo

    logger.info("demo study: simulating a head CT")
    with tempfile.TemporaryDirectory() as folder, SandboxedReader() as reader:
        write_demo(Path(folder))
        ingest(services, reader, iter_sources(Path(folder), SourceLimits()), user_id=None)
