"""Old studies are removed whole, what is in use is spared, and labels and audit stay."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import func, select, text, update

from app import retention
from app.audit.log import STUDY_REMOVED
from app.cli import cli
from app.config import PROJECT_ROOT
from app.db.audit import AuditEvent
from app.db.models import (
    Analysis,
    Base,
    Instance,
    Job,
    Review,
    Series,
    Study,
    Upload,
    UploadedFile,
    User,
    now,
)
from app.db.reading import Claim
from app.db.retention import DoomedFile, KeptAnalysis, KeptReview
from app.services import Services
from app.storage import HEAT, HU, ORIGINAL
from app.worklist import claims
from clinic import turn_on
from live_clinic import wait_until
from read_study import ReadStudy, add_read_study, give_verdict

ON_EVERY_DATABASE = True

DAYS = 30
OLD = timedelta(days=DAYS + 1)


@pytest.fixture
def user(services: Services) -> str:
    """A reader; with him the site keeps studies for 30 days."""
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


def test_an_old_study_goes_with_rows_and_files_and_is_written_down(
    services: Services, user: str
) -> None:
    old, young = old_study(services), add_read_study(services)

    assert retention.remove_due(services) == 1

    assert files(services) == set()
    assert [count(services, table) for table in (Study, Series, Analysis)] == [1, 1, 1]
    assert count(services, Instance) == len(young.slices)
    assert count(services, DoomedFile) == 0
    with services.database.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == STUDY_REMOVED)).one()
    assert (event.study_id, event.user_id) == (old.study, None)
    assert (event.details["after_days"], event.details["files"]) == (DAYS, 7)
    assert "Doe" not in str(event.details)


def test_whatever_refers_to_removed_rows_is_found_by_an_index() -> None:
    removed = {"study", "series", "instance", "analysis", "review"}
    for table in Base.metadata.sorted_tables:
        indexed = {next(iter(index.columns)).name for index in table.indexes}
        indexed.add(next(iter(table.primary_key.columns)).name)
        for key in table.foreign_keys:
            if key.column.table.name in removed:
                assert key.parent.name in indexed, f"{table.name}.{key.parent.name}"


def test_the_readers_words_stay_and_agreement_counts_them_as_before(
    administrator: FlaskClient, services: Services, user: str
) -> None:
    old = old_study(services)
    give_verdict(
        administrator, old, any_verdict="agree", subdural_verdict="disagree", comment="Mrs Doe"
    )

    def agreement() -> str:
        return administrator.get("/admin/agreement").text.partition("<h1>")[2]

    before = agreement()

    assert retention.remove_due(services) == 1

    assert agreement() == before
    assert '<td class="number">1</td>' in before
    assert administrator.get(old.path).status_code == 404
    assert (count(services, Review), count(services, KeptAnalysis)) == (0, 1)
    with services.database.read() as session:
        kept = session.scalars(select(KeptReview)).one()
        everything = str({c.key: getattr(kept, c.key) for c in KeptReview.__table__.columns})
    assert kept.verdicts == {"any": "agree", "subdural": "disagree"}
    assert kept.study_id == old.study
    assert "Doe" not in everything


def claimed(services: Services, read: ReadStudy) -> None:
    with services.database.write() as session:
        claims.take(session, read.study, "rob", 30)


def analysed(services: Services, read: ReadStudy) -> None:
    with services.database.write() as session:
        session.add(Job(series_id=read.series, state="running"))


def with_a_new_series(services: Services, read: ReadStudy) -> None:
    with services.database.write() as session:
        uid = {"series_instance_uid": "1.9", "series_description": ""}
        session.add(Series(study_id=read.study, **uid))


def kept_for_good(services: Services, _read: ReadStudy) -> None:
    turn_on(services)


@pytest.mark.parametrize("state", [claimed, analysed, with_a_new_series, kept_for_good])
def test_what_is_in_use_is_spared(
    services: Services, user: str, state: Callable[[Services, ReadStudy], None]
) -> None:
    read = old_study(services)
    state(services, read)

    assert retention.remove_due(services) == 0

    assert count(services, Instance) == 3
    assert len(files(services)) == 4


def test_a_claim_that_lapsed_spares_nothing(services: Services, user: str) -> None:
    read = old_study(services)
    claimed(services, read)
    with services.database.write() as session:
        session.execute(update(Claim).values(taken_at=now() - timedelta(minutes=31)))

    assert retention.remove_due(services) == 1
    assert count(services, Claim) == 0


def test_who_claims_at_the_last_moment_keeps_the_study(services: Services, user: str) -> None:
    if services.database.engine.dialect.name == "sqlite":
        return  # one writer at a time: there is no such moment
    read = old_study(services)
    removed: list[int] = []
    remover = threading.Thread(target=lambda: removed.append(retention.remove_due(services)))

    def waits() -> bool:
        with services.database.read() as other:
            held = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return bool(other.execute(text(held)).scalar())

    with services.database.write() as session:
        claims.take(session, read.study, "rob", 30)
        session.flush()
        remover.start()
        wait_until(waits, 30, "the removal waits for the study")
    remover.join()

    assert removed == [0]
    assert len(files(services)) == 4


def test_lists_of_uploaded_files_go_with_what_they_name(services: Services, user: str) -> None:
    read = old_study(services)
    named = {"name": "DOE_JANE.dcm", "reason": ""}
    stored = {"number": 0, "outcome": "stored", "series_id": read.series}
    refused = {"number": 1, "outcome": "refused"}
    with services.database.write() as session:
        for created_at in (now() - OLD, now()):
            rows = [UploadedFile(**named, **stored), UploadedFile(**named, **refused)]
            session.add(Upload(created_at=created_at, files=rows))

    retention.remove_due(services)

    with services.database.read() as session:
        left = session.scalars(select(UploadedFile.outcome)).all()
    assert left == ["refused"]
    assert count(services, Upload) == 1


def test_the_preview_counts_what_would_go(services: Services, user: str) -> None:
    old_study(services)
    claimed(services, old_study(services))
    add_read_study(services)
    with services.database.read() as session:
        found = retention.preview(session, DAYS, 30)

    assert found == retention.Preview(studies=1, unreviewed=1, slices=3, spared=1)
    assert found.in_words() == (
        "1 study (1 never reviewed) with 3 slices would be removed now; 1 in use would be spared."
    )


def _environment(services: Services) -> dict[str, str]:
    settings = services.settings
    return {"FALX_DATA": str(settings.data), "FALX_DATABASE_URL": settings.database_url}


def test_what_is_interrupted_is_whole_or_gone_and_is_ended_later(
    services: Services, user: str
) -> None:
    first, second = old_study(services), old_study(services)
    # A folder in the place of a file: it cannot be unlinked.
    stuck = next((services.settings.data / "files" / HU).rglob(f"{first.slices[1]}.npy"))
    stuck.unlink()
    stuck.mkdir()

    with pytest.raises(OSError, match=stuck.name):
        retention.remove_due(services)

    with services.database.read() as session:
        assert session.scalars(select(Study.id)).all() == [second.study]
        doomed = set(session.scalars(select(DoomedFile.file_id)))
    assert doomed == {*first.slices, first.analysis}
    assert {*second.slices, second.analysis} <= files(services)

    stuck.rmdir()
    assert retention.remove_due(services) == 1
    assert files(services) == set()
    assert count(services, DoomedFile) == 0


def test_a_removal_that_is_killed_leaves_nothing_halved(services: Services, user: str) -> None:
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


def test_the_command_tells_first_and_removes_then(services: Services, user: str) -> None:
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


def test_a_file_that_is_already_gone_is_no_hindrance(services: Services, user: str) -> None:
    read = old_study(services)
    services.storage.remove(HU, read.slices[0])

    assert retention.remove_due(services) == 1
    assert files(services) == set()
