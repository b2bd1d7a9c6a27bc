"""Files of removed studies go for good, whatever interrupts, and one that cannot stops no other."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import select

from app import retention
from app.cli import cli
from app.config import PROJECT_ROOT
from app.db.models import Study
from app.db.retention import DoomedFile
from app.services import Services
from app.storage import HU
from live_clinic import wait_until
from old_study import count, files, keep_for_days, old_study

ON_EVERY_DATABASE = True


@pytest.fixture(autouse=True)
def user(services: Services) -> str:
    """The site keeps studies for 30 days."""
    return keep_for_days(services)


def undeletable(services: Services, file_id: str) -> Path:
    """A folder in the place of a stored slice: it cannot be unlinked."""
    path = next((services.settings.data / "files" / HU).rglob(f"{file_id}.npy"))
    path.unlink()
    path.mkdir()
    return path


def settings_page(administrator: FlaskClient) -> str:
    return administrator.get("/admin/settings").text


def test_a_file_that_cannot_be_deleted_stops_no_other_and_is_tried_again(
    services: Services,
    administrator: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "FILES_AT_ONCE", 2)
    first, _second = old_study(services), old_study(services)
    stuck = undeletable(services, first.slices[1])

    with caplog.at_level(logging.ERROR):
        assert retention.remove_due(services) == 2

    assert files(services) == {stuck.stem}
    with services.database.read() as session:
        assert session.scalars(select(DoomedFile.file_id)).all() == [stuck.stem]
    assert [one.getMessage() for one in caplog.records] == [
        f"hu {stuck.stem} of a removed study cannot be deleted: Is a directory"
    ]
    assert "1 file of removed studies is still on the disk" in settings_page(administrator)

    stuck.rmdir()
    retention.remove_due(services)
    assert count(services, DoomedFile) == 0
    assert "still on the disk" not in settings_page(administrator)


def test_the_command_fails_where_a_file_is_left(services: Services) -> None:
    if services.settings.database_url:
        return  # what the command calls is tested above
    undeletable(services, old_study(services).slices[0])

    finished = CliRunner().invoke(cli, ["remove-old-studies"], env=_environment(services))

    assert finished.exit_code == 1
    assert "Removed: 1.\nfalx: 1 file" in finished.output


def _environment(services: Services) -> dict[str, str]:
    settings = services.settings
    return {"FALX_DATA": str(settings.data), "FALX_DATABASE_URL": settings.database_url}


def test_a_removal_that_is_killed_leaves_nothing_halved(services: Services) -> None:
    if services.settings.database_url:
        return  # once is enough: the order of rows and files is the same
    studies = [old_study(services) for _ in range(10)]
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "remove-old-studies"],
        cwd=PROJECT_ROOT,
        env={**os.environ, **_environment(services)},
    )
    wait_until(lambda: count(services, Study) < len(studies), 60, "a study is removed")
    process.send_signal(signal.SIGKILL)
    process.wait(30)

    with services.database.read() as session:
        left = set(session.scalars(select(Study.id)))
        doomed = set(session.scalars(select(DoomedFile.file_id)))
    expected = {
        file for read in studies if read.study in left for file in (*read.slices, read.analysis)
    }
    assert expected <= files(services) <= expected | doomed
    retention.remove_due(services)
    assert (files(services), count(services, Study)) == (set(), 0)


def test_the_command_tells_first_and_removes_then(services: Services) -> None:
    if services.settings.database_url:
        return  # what the command calls is tested above
    old_study(services)

    def command(*options: str) -> str:
        finished = CliRunner().invoke(
            cli, ["remove-old-studies", *options], env=_environment(services)
        )
        assert finished.exit_code == 0
        return finished.output

    assert command("--dry-run").startswith(
        "1 study (1 never reviewed) with 3 slices would be removed now"
    )
    assert count(services, Study) == 1
    assert command().endswith("Removed: 1.\n")
    assert command("--dry-run").startswith("0 studies")


def test_a_file_that_is_already_gone_is_no_hindrance(services: Services) -> None:
    read = old_study(services)
    services.storage.remove(HU, read.slices[0])

    assert retention.remove_due(services) == 1
    assert files(services) == set()
