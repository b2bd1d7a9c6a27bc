"""What the tests share: a clinic in a temporary folder, users, and the model in service."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser, Page, StorageState

from app import auth
from app.config import PROJECT_ROOT, load_settings
from app.db.session import migrate
from app.factory import create_app
from app.services import Services, open_services
from app.views.context import EXTENSION
from browser_clinic import chromium, demo_clinic, log_in_by_form
from clinic import PASSWORD, log_in
from live_clinic import LiveClinic
from model.predictor import Predictor, load_predictor
from postgresql import find_server, new_database, running_server

SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"


def missing_service(reason: str) -> NoReturn:
    """Skip a test for want of a system service; where services are required, fail it."""
    if os.environ.get("FALX_REQUIRE_SERVICES"):
        pytest.fail(f"required here, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real CT, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of real CT is not beside the project")
    return SHARED_DATA


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """The model in service, on the CPU."""
    return load_predictor(PROJECT_ROOT / "model" / "weights", "cpu")


@pytest.fixture(scope="session")
def simulated_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of ten simulated patients, every second one bleeding, with its anatomy.

    Not to be changed, but for folds: it takes seconds to make.
    """
    from model.data.cache_writer import write_cache
    from model.data.simulate.store import build_store
    from model.data.simulated import SimulatedSet

    folder = tmp_path_factory.mktemp("simulated") / "cache"
    write_cache(SimulatedSet(patients=10, slices=8, pixels=64), folder, size=64)
    build_store(folder, workers=1)
    return folder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module that says `ON_EVERY_DATABASE` on each of them."""
    everywhere = getattr(metafunc.module, "ON_EVERY_DATABASE", False)
    if everywhere and "database_url" in metafunc.fixturenames:
        metafunc.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgresql_folder() -> Iterator[Path]:
    """The socket's folder of a PostgreSQL server."""
    programs = find_server()
    if programs is None:
        missing_service("PostgreSQL is not installed")
    with running_server(programs) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgresql_schema(postgresql_folder: Path) -> str:
    """URL of a database that has the schema and no row: to migrate takes longer than to copy."""
    url = new_database(postgresql_folder)
    migrate(url)
    return url


@pytest.fixture(scope="session")
def sqlite_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("schema") / "falx.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a row: SQLite in the data folder, or what the parameter names."""
    if getattr(request, "param", "sqlite") == "sqlite":
        data = tmp_path / "data"
        data.mkdir()
        shutil.copy(request.getfixturevalue("sqlite_schema"), data)
        return ""
    folder = request.getfixturevalue("postgresql_folder")
    return new_database(folder, request.getfixturevalue("postgresql_schema"))


@pytest.fixture(scope="session", autouse=True)
def site_hasher() -> Iterator[PasswordHasher]:
    """How a site hashes passwords. The tests do it at the least cost: they log in all the time."""
    used = auth.hasher
    auth.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield used
    auth.hasher = used


@pytest.fixture
def services(tmp_path: Path, database_url: str) -> Iterator[Services]:
    """An empty clinic with its schema."""
    overrides = {"data": tmp_path / "data", "database_url": database_url}
    opened = open_services(load_settings({}, overrides))
    yield opened
    opened.database.engine.dispose()


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Where the applications of all tests keep their templates, each compiled once."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(services: Services, compiled_templates: FileSystemBytecodeCache) -> Iterator[Flask]:
    """The web application of the clinic, with one reader and one administrator."""
    settings = services.settings
    application = create_app({"data": settings.data, "database_url": settings.database_url})
    application.jinja_env.bytecode_cache = compiled_templates
    application.config["RATELIMIT_ENABLED"] = False
    application.config["TESTING"] = True
    opened: Services = application.extensions[EXTENSION]
    auth.create_user(opened.database, "rita", PASSWORD, auth.READER)
    auth.create_user(opened.database, "ada", PASSWORD, auth.ADMINISTRATOR)
    yield application
    opened.database.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser in which nobody is logged in."""
    return app.test_client()


@pytest.fixture
def reader(client: FlaskClient) -> FlaskClient:
    """A browser in which rita, a reader, is logged in."""
    return log_in(client, "rita")


@pytest.fixture
def administrator(client: FlaskClient) -> FlaskClient:
    """A browser in which ada, an administrator, is logged in."""
    return log_in(client, "ada")


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveClinic]:
    """A running installation with its demo study analysed, for all tests in the browser."""
    with demo_clinic(tmp_path_factory.mktemp("clinic")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        missing_service("Chromium is not installed")
    with chromium(executable) as opened:
        yield opened


@pytest.fixture(scope="session")
def login(browser: Browser, clinic: LiveClinic) -> StorageState:
    """The cookies of an administrator."""
    return log_in_by_form(browser, clinic)


@pytest.fixture
def page(browser: Browser, clinic: LiveClinic, login: StorageState) -> Iterator[Page]:
    """The worklist, logged in; errors of the pages' scripts fail the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=login)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(clinic.address)
    yield opened
    context.close()
    assert errors == []
