"""The worklist over HTTP: saved views, and what a list that stays open asks for."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import jobs
from app.db.models import Series, WorkerHeartbeat, now
from app.db.reading import Claim, SavedView
from app.services import Services
from clinic import add_listed, new_reader, press
from model.predictor import Predictor


@pytest.fixture
def ben(app: Flask) -> FlaskClient:
    """A browser in which ben, a second reader, is logged in."""
    return new_reader(app, "ben")


# ------------------------------------------------------------------------------------- saved views


def test_a_view_is_saved_opened_and_deleted(
    services: Services, reader: FlaskClient, ben: FlaskClient
) -> None:
    add_listed(services, "Anna")
    add_listed(services, "Bert")

    press(reader, "/views?q=Ann&state=flagged&odd=1", name=" <b>Anna's</b>  list ")
    page = reader.get("/").text
    with services.database.read() as session:
        view = session.scalars(select(SavedView)).one()

    assert "&lt;b&gt;Anna&#39;s&lt;/b&gt; list" in page
    assert view.query == "q=Ann&state=flagged"
    opened = reader.get(f"/?{view.query}").text
    assert ">Anna</a>" in opened
    assert ">Bert</a>" not in opened
    assert "&gt; list</a>" not in ben.get("/").text

    press(ben, f"/views/{view.id}/delete")
    assert "&gt; list</a>" in reader.get("/").text
    press(reader, f"/views/{view.id}/delete")
    assert "&gt; list</a>" not in reader.get("/").text


def test_a_name_used_again_replaces_the_view_and_none_is_refused(
    services: Services, reader: FlaskClient
) -> None:
    press(reader, "/views?q=old", name="mine")
    press(reader, "/views?q=new", name="mine")
    press(reader, "/views?q=new", name="  ")

    assert "A view needs a name" in reader.get("/").text
    with services.database.read() as session:
        assert [view.query for view in session.scalars(select(SavedView))] == ["q=new"]


# --------------------------------------------------------------------------- what an open list asks


def asked(client: FlaskClient, tag: str, path: str = "/worklist") -> tuple[int, str]:
    answer = client.get(path, headers={"If-None-Match": tag})
    return answer.status_code, answer.headers["ETag"]


def test_an_open_list_is_sent_again_only_when_it_differs(
    services: Services, reader: FlaskClient
) -> None:
    study_id = add_listed(services, "A")
    tag = reader.get("/worklist").headers["ETag"]
    assert f'data-tag="{tag.strip(chr(34))}"' in reader.get("/").text
    assert asked(reader, tag) == (304, tag)

    press(reader, f"/studies/{study_id}/claim")
    status, claimed = asked(reader, tag)
    assert (status, claimed != tag) == (200, True)
    assert asked(reader, claimed) == (304, claimed)

    with services.database.write() as session:
        session.get_one(Claim, study_id).taken_at = now() - timedelta(minutes=31)
    assert asked(reader, claimed)[0] == 200


def test_an_open_study_learns_who_reads_it(
    services: Services, reader: FlaskClient, ben: FlaskClient
) -> None:
    path = f"/studies/{add_listed(services, 'A')}/claim"
    free = asked(reader, "", path)[1]
    assert asked(reader, free, path) == (304, free)

    press(ben, path)

    assert asked(reader, free, path)[0] == 200
    assert "by <strong>ben</strong>" in reader.get(path).text


def test_a_list_that_nobody_analyses_says_so(
    services: Services, reader: FlaskClient, predictor: Predictor
) -> None:
    silent = reader.get("/worklist")
    assert "Nothing is being analysed" in silent.text

    with services.database.write() as session:
        told = {"model_version": "x", "model_sha256": predictor.card.sha256, "device": "cpu"}
        session.add(WorkerHeartbeat(worker="1", seen_at=now(), **told))

    assert asked(reader, silent.headers["ETag"])[0] == 200
    assert "Nothing is being analysed" not in reader.get("/worklist").text


def test_an_open_list_follows_an_analysis(services: Services, reader: FlaskClient) -> None:
    study_id = add_listed(services, "A")
    with services.database.write() as session:
        series = Series(study_id=study_id, series_instance_uid="1.2", series_description="")
        session.add(series)
        session.flush()
        jobs.request_analysis(session, series.id)
    lease = jobs.claim(services.database, "one", 30, 3)
    assert lease is not None
    jobs.report_progress(services.database, lease, 0, 28)
    begun = reader.get("/worklist")
    assert "0 of 28 slices" in begun.text

    jobs.report_progress(services.database, lease, 6, 28)
    assert asked(reader, begun.headers["ETag"])[0] == 304
    jobs.report_progress(services.database, lease, 14, 28)
    assert asked(reader, begun.headers["ETag"])[0] == 200
    assert "14 of 28 slices" in reader.get("/worklist").text

    with services.database.write() as session:
        jobs.finish(session, lease, 28, 28)
    assert "of 28 slices" not in reader.get("/worklist").text


def test_where_nothing_matches_each_condition_can_be_left_out(
    services: Services, reader: FlaskClient
) -> None:
    add_listed(services, "Anna")

    page = reader.get("/?q=Nobody&state=flagged").text

    assert "No study matches all of this." in page
    assert 'href="/?state=flagged">without “Nobody”' in page
    assert 'href="/?q=Nobody">without flagged' in page
