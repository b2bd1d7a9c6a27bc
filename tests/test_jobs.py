"""No job is lost, none is done twice, and what kills its workers is given up."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from app import jobs
from app.db.models import Job, Series, Study, now
from app.jobs import LeaseLostError
from app.list_version import list_version
from app.services import Services
from clinic import new_study

ON_EVERY_DATABASE = True


@pytest.fixture
def series_id(services: Services) -> str:
    """A series without slices, queued."""
    return add_series(services, "1.2.3")


def add_series(services: Services, uid: str) -> str:
    with services.database.write() as session:
        study = new_study(study_instance_uid=uid)
        session.add(study)
        session.flush()
        series = Series(study_id=study.id, series_instance_uid=uid, series_description="")
        session.add(series)
        session.flush()
        jobs.request_analysis(session, series.id)
        return series.id


def job_of(services: Services, series_id: str) -> Job:
    with services.database.read() as session:
        return session.get_one(Job, series_id)


def study_of(services: Services, series_id: str) -> Study:
    with services.database.read() as session:
        return session.scalars(select(Study).join(Series).where(Series.id == series_id)).one()


def let_lease_run_out(services: Services, series_id: str) -> None:
    with services.database.write() as session:
        session.get_one(Job, series_id).lease_until = now() - timedelta(seconds=1)


def test_a_queued_job_is_claimed_once(services: Services, series_id: str) -> None:
    first = jobs.claim(services.database, "one", 30, 3)
    second = jobs.claim(services.database, "two", 30, 3)

    assert first is not None
    assert first.series_id == series_id
    assert second is None
    assert study_of(services, series_id).state == "analysing"


def test_the_job_that_waits_longest_comes_first(services: Services, series_id: str) -> None:
    add_series(services, "1.2.4")

    lease = jobs.claim(services.database, "one", 30, 3)

    assert lease is not None
    assert lease.series_id == series_id


def test_a_job_whose_worker_fell_silent_goes_to_another(services: Services, series_id: str) -> None:
    lost = jobs.claim(services.database, "one", 30, 3)
    assert lost is not None
    let_lease_run_out(services, series_id)

    found = jobs.claim(services.database, "two", 30, 3)

    assert found is not None
    with pytest.raises(LeaseLostError, match="no longer held by one"):
        jobs.report_progress(services.database, lost, 8, 28)


def test_progress_renews_the_lease(services: Services, series_id: str) -> None:
    lease = jobs.claim(services.database, "one", 30, 3)
    assert lease is not None
    let_lease_run_out(services, series_id)

    jobs.report_progress(services.database, lease, 8, 28)

    assert jobs.claim(services.database, "two", 30, 3) is None
    job = job_of(services, series_id)
    assert (job.slices_done, job.slices_total) == (8, 28)


def test_progress_changes_the_list_four_times_a_series(services: Services, series_id: str) -> None:
    lease = jobs.claim(services.database, "one", 30, 3)
    assert lease is not None
    before, changed_at = version(services), []

    for done in range(28 + 1):
        jobs.report_progress(services.database, lease, done, 28)
        if version(services) != before:
            changed_at.append(done)
            before = version(services)

    assert changed_at == [7, 14, 21, 28]


def version(services: Services) -> int:
    with services.database.read() as session:
        return list_version(session, now(), now(), "").changes


def test_new_slices_take_the_job_from_its_worker(services: Services, series_id: str) -> None:
    lease = jobs.claim(services.database, "one", 30, 3)
    assert lease is not None
    with services.database.write() as session:
        jobs.request_analysis(session, series_id)

    with (
        pytest.raises(LeaseLostError, match="no longer held by one"),
        services.database.write() as session,
    ):
        jobs.finish(session, lease, 28, 28)

    assert job_of(services, series_id).state == "queued"


def test_an_unexpected_failure_is_tried_again_and_then_shown(
    services: Services, series_id: str
) -> None:
    for _ in range(3):
        lease = jobs.claim(services.database, "one", 30, 3)
        assert lease is not None
        jobs.give_up(services.database, lease, "It failed.", 3)

    assert jobs.claim(services.database, "one", 30, 3) is None
    study = study_of(services, series_id)
    assert (study.state, study.state_reason) == ("not analysed", "It failed.")


def test_a_job_that_kills_its_workers_is_given_up(services: Services, series_id: str) -> None:
    for _ in range(3):
        assert jobs.claim(services.database, "one", 30, 3) is not None
        let_lease_run_out(services, series_id)

    assert jobs.claim(services.database, "one", 30, 3) is None
    assert job_of(services, series_id).state == "failed"
    assert study_of(services, series_id).state == "not analysed"


def test_any_due_sees_queued_and_abandoned_jobs(services: Services, series_id: str) -> None:
    assert jobs.any_due(services.database)
    jobs.claim(services.database, "one", 30, 3)
    assert not jobs.any_due(services.database)
    let_lease_run_out(services, series_id)
    assert jobs.any_due(services.database)
