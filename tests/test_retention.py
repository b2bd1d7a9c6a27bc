"""Old studies are removed whole, what is in use is spared, and labels and audit stay."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from app import retention
from app.audit.log import STUDY_REMOVED
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
    now,
)
from app.db.reading import Claim, SavedView
from app.db.retention import DoomedFile, KeptAnalysis, KeptReview
from app.services import Services
from app.worklist import claims
from clinic import add_listed, turn_on
from live_clinic import wait_until
from old_study import DAYS, OLD, count, files, keep_for_days, old_study
from read_study import ReadStudy, add_read_study, give_verdict

ON_EVERY_DATABASE = True


@pytest.fixture(autouse=True)
def user(services: Services) -> str:
    """The site keeps studies for 30 days."""
    return keep_for_days(services)


def test_an_old_study_goes_with_rows_and_files_and_is_written_down(services: Services) -> None:
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
    administrator: FlaskClient, services: Services
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
    services: Services, state: Callable[[Services, ReadStudy], None]
) -> None:
    read = old_study(services)
    state(services, read)

    assert retention.remove_due(services) == 0

    assert count(services, Instance) == 3
    assert len(files(services)) == 4


def test_a_claim_that_lapsed_spares_nothing(services: Services) -> None:
    read = old_study(services)
    claimed(services, read)
    with services.database.write() as session:
        session.execute(update(Claim).values(taken_at=now() - timedelta(minutes=31)))

    assert retention.remove_due(services) == 1
    assert count(services, Claim) == 0


def test_who_claims_at_the_last_moment_keeps_the_study(services: Services) -> None:
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


def test_lists_of_uploaded_files_go_with_what_they_name(services: Services) -> None:
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


def test_the_preview_counts_what_would_go(services: Services) -> None:
    old_study(services)
    claimed(services, old_study(services))
    add_read_study(services)
    with services.database.read() as session:
        found = retention.preview(session, DAYS, 30)

    assert found == retention.Preview(studies=1, unreviewed=1, slices=3, spared=1)
    assert found.in_words() == (
        "1 study (1 never reviewed) with 3 slices would be removed now; 1 in use would be spared."
    )


def test_a_saved_search_for_a_patient_goes_with_his_last_study(services: Services) -> None:
    old_study(services)
    add_listed(services, "Roe^Mary", patient_id="P2")
    kept = {"the week": "received=7d", "Roe": "q=roe", "of all": "q=^", "no one": "q=WARD7"}
    gone = {"Doe": "q=jane+doe&state=flagged", "by number": "q=P1"}
    with services.database.write() as session:
        for name, query in (kept | gone).items():
            session.add(SavedView(user_id="rob", name=name, query=query))

    retention.remove_due(services)

    with services.database.read() as session:
        assert set(session.scalars(select(SavedView.name))) == set(kept)
