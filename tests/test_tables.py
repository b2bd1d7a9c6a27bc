"""The worklist as data: every study that matches, and no cell that a spreadsheet would run."""

import csv
import io
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.audit.log import WORKLIST_EXPORTED
from app.db.audit import AuditEvent
from app.db.models import Analysis, User
from app.reports import tables
from app.services import Services
from app.study_state import refresh_study
from app.worklist import claims
from clinic import log_in, new_study, turn_on
from model.labels import LABELS
from model.notice import NOTICE
from read_study import add_read_study, give_verdict, send

ON_EVERY_DATABASE = True


def as_csv(client: FlaskClient, **query: str) -> list[dict[str, str]]:
    answer = client.get("/worklist.csv", query_string=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def as_json(client: FlaskClient, **query: str) -> list[dict[str, Any]]:
    answer = json.loads(client.get("/worklist.json", query_string=query).data)
    assert answer["notice"] == NOTICE
    assert answer["filters"] == query
    studies: list[dict[str, Any]] = answer["studies"]
    return studies


def a_user(services: Services, name: str) -> str:
    with services.database.read() as session:
        return session.scalars(select(User.id).where(User.username == name)).one()


def test_a_study_has_its_finding_verdict_and_reader(
    reader: FlaskClient, services: Services
) -> None:
    read = add_read_study(services, patient_name="Müller^Ägidius", accession_number="A1")
    give_verdict(reader, read, any_verdict="agree", epidural_verdict="absent")
    with services.database.write() as session:
        claims.take(session, read.study, a_user(services, "ada"), 30)

    (line,) = as_csv(reader)
    (study,) = as_json(reader)

    assert line["notice"] == NOTICE
    assert line["patient_name"] == "Müller^Ägidius"
    assert (line["state"], line["reader"], line["verdict_by"]) == ("flagged", "ada", "rita")
    assert (line["probability_any"], line["threshold_any"]) == ("0.9", "0.5")
    assert (line["verdict_any"], line["verdict_epidural"], line["verdict_subdural"]) == (
        "present",
        "absent",
        "",
    )
    assert line["waiting_minutes"] == ""
    assert study["probability_subdural"] == 0.9
    assert study["verdict_subdural"] is None
    assert [*study] == [*tables.COLUMNS]


def test_both_have_all_that_match_in_the_order_of_the_list(
    reader: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK", 2)
    states = ("not flagged", "flagged", "waiting", "not analysed", "indeterminate")
    with services.database.write() as session:
        session.add_all(
            new_study(study_instance_uid=f"1.{at}", patient_id=f"P{at}", state=state)
            for at, state in enumerate(states)
        )

    assert [one["patient_id"] for one in as_json(reader)] == ["P1", "P4", "P3", "P2", "P0"]
    assert [one["patient_id"] for one in as_csv(reader)] == ["P1", "P4", "P3", "P2", "P0"]
    assert [one["patient_id"] for one in as_json(reader, state="waiting")] == ["P2"]
    assert [one["patient_id"] for one in as_csv(reader, q="P3")] == ["P3"]
    assert as_json(reader, q="nobody") == as_csv(reader, q="nobody") == []


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(reader: FlaskClient, services: Services, sign: str) -> None:
    name = f'{sign}HYPERLINK("http://x";"y"),"\n2'
    add_read_study(services, patient_name=name)

    (line,) = as_csv(reader)
    (study,) = as_json(reader)

    assert line["patient_name"] == f"'{name}"
    assert study["patient_name"] == name


def test_what_was_not_analysed_has_a_reason_and_no_probability(
    reader: FlaskClient, services: Services
) -> None:
    read = add_read_study(services)
    with services.database.write() as session:
        said = session.get_one(Analysis, read.analysis)
        said.probabilities = said.states = None
        said.refusal = "No head."
        refresh_study(session, read.study)

    (line,) = as_csv(reader)

    assert (line["state"], line["state_reason"]) == ("not analysed", "No head.")
    assert {line[f"probability_{label}"] for label in LABELS} == {""}
    assert {line[f"threshold_{label}"] for label in LABELS} == {""}


def test_readers_who_differ_are_told_until_somebody_settles_it(
    reader: FlaskClient, app: Flask, services: Services
) -> None:
    read = add_read_study(services)
    ada = log_in(app.test_client(), "ada")
    give_verdict(reader, read, any_verdict="present")
    give_verdict(ada, read, any_verdict="absent")
    (differing,) = as_json(reader)
    give_verdict(ada, read, any_verdict="present", kind="adjudication")
    (settled,) = as_json(reader)

    assert differing["verdict_any"] == "readers differ"
    assert settled["verdict_any"] == "present"
    assert settled["verdict_by"] == "rita; ada (adjudication)"


def test_image_first_hides_finding_and_verdict(
    reader: FlaskClient, app: Flask, services: Services
) -> None:
    read = add_read_study(services)
    give_verdict(log_in(app.test_client(), "ada"), read, any_verdict="present")
    turn_on(services, image_first=True)

    (before,) = as_json(reader)
    send(reader, f"{read.path}/impression?series={read.series}", any="probably absent")
    (after,) = as_json(reader)

    assert before["state"] == "ready: finding after your first impression"
    told = ("probability_any", "threshold_any", "verdict_any")
    assert [before[name] for name in told] == [None, None, None]
    assert (before["verdict_by"], before["model_version"]) == ("", "")
    assert [after[name] for name in told] == [0.9, 0.5, "present"]


def test_who_took_the_list_along_is_kept_with_filters_and_form_but_no_patient(
    reader: FlaskClient, services: Services
) -> None:
    as_csv(reader, state="flagged", q="Doe")
    as_json(reader)
    as_json(reader)

    with services.database.read() as session:
        wanted = AuditEvent.action == WORKLIST_EXPORTED
        events = session.scalars(select(AuditEvent).where(wanted).order_by(AuditEvent.id)).all()
    assert [event.details for event in events] == [
        {"as": "CSV", "filter": {"state": "flagged", "q": "(not kept)"}},
        {"as": "JSON", "filter": {}},
        {"as": "JSON", "filter": {}},
    ]
    assert {event.user_id for event in events} == {a_user(services, "rita")}


@pytest.mark.parametrize("path", ["/worklist.csv", "/worklist.json"])
def test_only_who_is_logged_in_gets_the_list(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 302
    assert "/login" in answer.location


def test_the_worklist_page_links_to_what_it_shows(reader: FlaskClient) -> None:
    page = reader.get("/?state=flagged").text

    assert 'href="/worklist.csv?state=flagged"' in page
    assert 'href="/worklist.json?state=flagged"' in page
