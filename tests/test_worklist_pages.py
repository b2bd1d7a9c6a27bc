"""Reading together over HTTP: claims, batches, the next study, and the reading page."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, select

from app.db.models import Job, Review, Series, Study, User, now
from app.db.reading import Claim, SavedView
from app.jobs import ARRIVING, DONE, QUEUED
from app.services import Services
from app.worklist.claims import holder_of
from clinic import add_listed, csrf_token, log_in, new_reader, press, upload
from ct_factory import ct_file


@pytest.fixture
def ben(app: Flask) -> FlaskClient:
    """A browser in which ben, a second reader, is logged in."""
    return new_reader(app, "ben")


@pytest.fixture
def ada(app: Flask) -> FlaskClient:
    """A browser in which ada, an administrator, is logged in beside the others."""
    return log_in(app.test_client(), "ada")


def reading(services: Services, study_id: str) -> str | None:
    with services.database.read() as session:
        found = holder_of(session, study_id, 30)
    return found.username if found else None


# ------------------------------------------------------------------------------- one reader a study


def test_who_reads_is_told_and_a_second_reader_refused(
    services: Services, reader: FlaskClient, ben: FlaskClient
) -> None:
    study_id = add_listed(services, "A")

    assert press(reader, f"/studies/{study_id}/claim")[:2] == (303, f"/studies/{study_id}")
    status, _, page = press(ben, f"/studies/{study_id}/claim")

    assert status == 409
    assert "rita is reading this study" in page
    assert reading(services, study_id) == "rita"
    assert "by <strong>rita</strong>" in ben.get("/").text
    assert "by <strong>you</strong>" in reader.get("/").text


def test_a_study_is_taken_over_only_from_whom_one_was_told_of(
    services: Services, reader: FlaskClient, ben: FlaskClient, ada: FlaskClient
) -> None:
    study_id = add_listed(services, "A")
    press(reader, f"/studies/{study_id}/claim")
    ids = user_ids(services)

    assert press(ben, f"/studies/{study_id}/claim", over_from=ids["rita"])[0] == 303
    assert "You took the study over from rita." in ben.get("/").text
    status, _, page = press(ada, f"/studies/{study_id}/claim", over_from=ids["rita"])

    assert status == 409
    assert "ben is reading this study" in page
    assert reading(services, study_id) == "ben"


def user_ids(services: Services) -> dict[str, str]:
    with services.database.read() as session:
        return {user.username: user.id for user in session.scalars(select(User))}


def test_only_its_reader_or_an_administrator_releases_a_study(
    services: Services, reader: FlaskClient, ben: FlaskClient, ada: FlaskClient
) -> None:
    study_id = add_listed(services, "A")
    press(reader, f"/studies/{study_id}/claim")

    assert press(ben, f"/studies/{study_id}/release")[0] == 403
    press(ben, "/worklist/release", study=study_id)
    assert "Not yours to release, read by: rita." in ben.get("/").text
    assert reading(services, study_id) == "rita"

    assert press(ada, f"/studies/{study_id}/release")[0] == 303
    assert reading(services, study_id) is None


ACTIONS = (
    "/studies/{id}/claim",
    "/studies/{id}/release",
    "/worklist/claim",
    "/worklist/release",
    "/worklist/analyse",
    "/views",
    "/views/{id}/delete",
)


def test_nothing_is_done_without_a_token_or_for_visitors(
    services: Services, app: Flask, reader: FlaskClient
) -> None:
    study_id = add_listed(services, "A")
    visitor = app.test_client()
    token = csrf_token(visitor, "/login")

    for action in ACTIONS:
        path = action.format(id=study_id)
        fields = {"study": study_id, "name": "view"}
        assert reader.post(path, data=fields).status_code == 400, path
        asked = visitor.post(path, data={**fields, "csrf_token": token})
        assert asked.location.startswith("/login"), path

    with services.database.read() as session:
        assert session.scalars(select(Claim)).all() == []
        assert session.scalars(select(SavedView)).all() == []


def test_what_does_not_exist_is_not_found(reader: FlaskClient) -> None:
    for path in ("/studies/none/claim", "/worklist/delete"):
        assert press(reader, path, study="none")[0] == 404


# --------------------------------------------------------------------------------- several at once


def test_ticked_studies_are_claimed_but_for_those_of_others(
    services: Services, reader: FlaskClient, ben: FlaskClient
) -> None:
    first, second = add_listed(services, "A"), add_listed(services, "B")
    press(reader, f"/studies/{first}/claim")

    where = press(ben, "/worklist/claim?state=flagged&page=1", study=[first, second, "none"])[1]

    assert where == "/?state=flagged&page=1"
    assert "You are reading 1 study. Left to who reads them: rita." in ben.get("/").text
    assert (reading(services, first), reading(services, second)) == ("rita", "ben")

    press(ben, "/worklist/release", study=[second])
    assert reading(services, second) is None


def test_ticked_studies_are_analysed_again_but_for_those_in_work(
    services: Services, reader: FlaskClient
) -> None:
    done, arriving = add_with_job(services, "A", DONE), add_with_job(services, "B", ARRIVING)

    press(reader, "/worklist/analyse", study=[done, arriving])

    page = reader.get("/").text
    assert "Queued once more: 1 study. Already to be analysed, or without slices: 1 study." in page
    with services.database.read() as session:
        states = {job.series.study_id: job.state for job in session.scalars(select(Job))}
    assert states == {done: QUEUED, arriving: ARRIVING}


def add_with_job(services: Services, name: str, state: str) -> str:
    study_id = add_listed(services, name)
    with services.database.write() as session:
        series = Series(study_id=study_id, series_instance_uid=name, series_description="")
        series.job = Job(state=state)
        session.add(series)
    return study_id


def test_without_a_tick_nothing_is_done_and_that_is_told(reader: FlaskClient) -> None:
    press(reader, "/worklist/claim")

    assert "No study is ticked." in reader.get("/").text


# -------------------------------------------------------------------------------------- next study


def test_next_is_the_most_urgent_that_nobody_else_reads(
    services: Services, reader: FlaskClient, ben: FlaskClient
) -> None:
    add_listed(services, "done", any_probability=0.99, reviewed_at=now())
    add_listed(services, "incomplete", "arriving")
    clear, unread = (
        add_listed(services, "clear", "not flagged"),
        add_listed(services, "unread", "not analysed"),
    )
    worst, second = (
        add_listed(services, "worst", any_probability=0.9),
        add_listed(services, "second"),
    )
    press(ben, f"/studies/{worst}/claim")

    passed_over: list[str] = []
    for expected in (second, unread, clear):
        assert next_of(reader, passed_over) == expected
        passed_over.append(expected)

    assert next_of(reader, passed_over) == second
    assert next_of(ben, []) == worst


def next_of(client: FlaskClient, passed_over: list[str]) -> str:
    where = client.get("/next", query_string={"over": passed_over}).location
    study_id, _, still = where.removeprefix("/studies/").partition("?")
    assert all(f"over={one}" in still for one in passed_over[-1:])
    return study_id


def test_where_none_is_left_next_says_so(services: Services, reader: FlaskClient) -> None:
    add_listed(services, "done", reviewed_at=now())

    assert reader.get("/next").location == "/"
    assert "No other unreviewed study is free." in reader.get("/").text


# -------------------------------------------------------------------------------- the reading page


def test_the_reading_page_tells_its_reader_and_the_patients_other_studies(
    services: Services, reader: FlaskClient, ben: FlaskClient
) -> None:
    first = ct_file(StudyDate="20250101", StudyInstanceUID="1.2.3.1", SeriesInstanceUID="1.2.3.2")
    upload(reader, ("now.dcm", ct_file()), ("then.dcm", first))
    with services.database.read() as session:
        then, latest = session.scalars(select(Study).order_by(Study.study_instance_uid)).all()
    press(reader, f"/studies/{latest.id}/claim?slice=1")

    page = ben.get(f"/studies/{latest.id}").text

    assert "by <strong>rita</strong>" in page
    assert "Same PatientID: 1 other study" in page
    assert f'<a href="/studies/{then.id}">2025-01-01' in page
    assert f'href="/next?over={latest.id}"' in page
    assert "1 other study" in ben.get("/").text


def test_studies_without_a_patient_id_are_of_no_one_patient(
    services: Services, reader: FlaskClient
) -> None:
    add_listed(services, "A", patient_id="")
    add_listed(services, "B", patient_id="")

    assert "other stud" not in reader.get("/").text


def test_a_verdict_where_one_was_wanted_ends_the_claim(
    services: Services, reader: FlaskClient
) -> None:
    upload(reader, ("now.dcm", ct_file()))
    with services.database.read() as session:
        study_id = session.scalars(select(Study.id)).one()
    press(reader, f"/studies/{study_id}/claim")

    press(reader, f"/studies/{study_id}/reviews", comment="Nothing.")

    with services.database.read() as session:
        assert session.scalars(select(Review.comment)).all() == ["Nothing."]
    assert reading(services, study_id) is None


# -------------------------------------------------------------------------------- what a page tells


def test_who_settles_a_dispute_finds_it(services: Services, reader: FlaskClient) -> None:
    add_listed(services, "Alike", reviewed_at=now())
    add_listed(services, "Apart", reviewed_at=now(), disputed=True)

    page = reader.get("/?state=readers+disagree").text

    assert "Apart" in page
    assert "Alike" not in page
    assert 'class="state readers-disagree"' in page


def test_the_site_is_asked_once_for_its_choices(services: Services, reader: FlaskClient) -> None:
    add_listed(services, "A")
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.extend([statement] * statement.startswith("SELECT site_setting"))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert reader.get("/?state=flagged").status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert len(asked) == 1
