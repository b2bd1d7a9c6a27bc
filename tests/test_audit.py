"""The audit log: what is written, and that nothing of it can be changed."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.audit import log as audit
from app.audit.log import record
from app.db.models import Analysis, Instance, Series
from app.reports.labels import LabelExportError, export_labels
from app.services import Services
from app.worklist import claims
from audit_events import add_event, events, user_id
from clinic import PASSWORD, csrf_token, log_in, new_study, upload
from model.labels import LABELS

ON_EVERY_DATABASE = True

SHARES = {
    name: {"value": 0.9, "interval": None}
    for name in ("sensitivity", "specificity", "study_sensitivity", "study_specificity")
}
POINTS = {"screen": {"threshold": 0.125, **SHARES}, "alert": {"threshold": 0.5, **SHARES}}


def analysed_study(services: Services) -> str:
    """Id of a study with one series that a model has judged."""
    with services.database.write() as session:
        study = new_study(state="flagged")
        series = Series(series_instance_uid="1.2.3.4", series_description="")
        study.series.append(series)
        shape = {"rows": 512, "columns": 512, "attributes": {}, "warnings": []}
        series.instances.append(Instance(sop_instance_uid="1.2.3.4.5", sha256="", **shape))
        analysis = Analysis(
            probabilities=dict.fromkeys(LABELS, 0.9),
            states=dict.fromkeys(LABELS, "flagged"),
            thresholds=dict.fromkeys(LABELS, POINTS),
            warnings=[],
            model_name="Falx",
            model_version="9.9",
            model_sha256="abc",
            device="cpu",
            seconds=1.0,
            heat="class activation map",
        )
        series.analyses.append(analysis)
        session.add(study)
        session.flush()
        return study.id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET action = 'x'",
        "DELETE FROM audit_event",
        "UPDATE audit_event SET details = '{}' WHERE id = 1",
    ],
)
def test_the_database_refuses_to_change_or_delete_an_event(
    services: Services, statement: str
) -> None:
    add_event(services)

    with (
        pytest.raises(DBAPIError, match="append-only"),
        services.database.write() as session,
    ):
        session.execute(text(statement))

    assert [one.action for one in events(services)] == [audit.LOGIN]


def test_the_database_refuses_to_put_another_event_in_its_place(services: Services) -> None:
    add_event(services)
    sqlite = services.database.engine.dialect.name == "sqlite"
    columns = "audit_event (id, at, action, details) VALUES (1, '2026-01-01', 'x', '{}')"
    statement = f"INSERT OR REPLACE INTO {columns}" if sqlite else "TRUNCATE audit_event"

    with (
        pytest.raises(DBAPIError, match="append-only"),
        services.database.write() as session,
    ):
        session.execute(text(statement))

    assert [one.action for one in events(services)] == [audit.LOGIN]


def test_an_event_of_a_transaction_that_fails_is_not_written(services: Services) -> None:
    def fail() -> None:
        with services.database.write() as session:
            record(session, audit.LOGIN)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()

    assert events(services) == []


def test_login_and_logout_are_written(services: Services, reader: FlaskClient) -> None:
    token = csrf_token(reader, "/upload")
    reader.post("/logout", data={"csrf_token": token})

    found = [(one.action, one.user_id) for one in events(services) if one.user_id]

    rita = user_id(services, "rita")
    assert found == [(audit.LOGIN, rita), (audit.LOGOUT, rita)]


def test_a_failed_login_keeps_no_name_that_is_no_account(
    services: Services, client: FlaskClient
) -> None:
    for name in ("rita", "my secret password"):
        token = csrf_token(client, "/login")
        client.post("/login", data={"csrf_token": token, "username": name, "password": "wrong"})

    known, unknown = events(services, audit.LOGIN_FAILED)

    assert known.user_id == user_id(services, "rita")
    assert (unknown.user_id, unknown.details["account"]) == (None, False)
    assert "secret" not in str(unknown.details)


def test_a_name_with_what_no_database_holds_is_refused_as_any_other(client: FlaskClient) -> None:
    data = {"csrf_token": csrf_token(client, "/login"), "username": "a\0b", "password": "wrong"}

    assert client.post("/login", data=data).status_code == 401


def test_an_address_with_what_no_database_holds_is_not_found(reader: FlaskClient) -> None:
    assert reader.get("/studies/a%00b").status_code == 404


def test_an_opened_study_tells_model_and_thresholds_once(
    services: Services, reader: FlaskClient
) -> None:
    study = analysed_study(services)

    for path in (f"/studies/{study}", f"/studies/{study}?label=subdural", f"/api/studies/{study}"):
        assert reader.get(path).status_code == 200

    page, json = events(services, audit.STUDY_OPENED)
    assert (page.study_id, page.user_id) == (study, user_id(services, "rita"))
    assert (page.details["finding"], page.details["as"]) == ("shown", "page")
    analysis = page.details["analyses"][0]
    assert (analysis["model_version"], analysis["model_sha256"]) == ("9.9", "abc")
    assert analysis["thresholds"]["any"] == [0.125, 0.5]
    assert (json.details["as"], json.details["analyses"]) == ("JSON", [analysis])


def test_image_first_tells_what_was_hidden_and_that_it_was_asked_for(
    app: Flask, services: Services
) -> None:
    administrator, reader = log_in(app.test_client(), "ada"), log_in(app.test_client(), "rita")
    token = csrf_token(administrator, "/admin/settings")
    data = {"csrf_token": token, "seen": "0", "image_first": "y"}
    administrator.post("/admin/settings", data=data)
    study = analysed_study(services)
    token = csrf_token(reader, f"/studies/{study}")
    reader.post(f"/studies/{study}/impression/skip", data={"csrf_token": token})
    reader.get(f"/studies/{study}")

    assert events(services, audit.SETTING_CHANGED)[0].details == {"image_first": True}
    actions = [one.action for one in events(services) if one.study_id == study]
    assert actions == [audit.STUDY_OPENED, audit.FINDING_ASKED_FOR, audit.STUDY_OPENED]
    first, second = events(services, audit.STUDY_OPENED)
    assert (first.details["finding"], first.details["analyses"]) == ("hidden", [])
    assert second.details["finding"] == "shown"


def test_a_verdict_and_its_withdrawal_are_written(services: Services, reader: FlaskClient) -> None:
    study = analysed_study(services)
    token = csrf_token(reader, f"/studies/{study}")
    words = {"any-verdict": "absent", "any-reason": "calcification", "subdural-verdict": "absent"}
    data = {"csrf_token": token, "comment": "Mrs Doe", **words}
    reader.post(f"/studies/{study}/reviews", data=data)
    reader.post(f"/studies/{study}/reviews/undo", data=data)

    saved, undone = (one for one in events(services) if one.details.get("review"))
    assert (saved.action, undone.action) == (audit.VERDICT_SAVED, audit.VERDICT_UNDONE)
    assert saved.details["decided"] == {"any": "absent", "subdural": "absent"}
    assert saved.details["reasons"] == {"any": "calcification"}
    assert undone.details.keys() == {"review"}
    assert "Mrs Doe" not in str(saved.details)


def test_claims_are_written_when_their_holder_changes(services: Services, app: Flask) -> None:
    study = analysed_study(services)
    rita, ada = user_id(services, "rita"), user_id(services, "ada")
    with services.database.write() as session:
        claims.take(session, study, rita, 30)
        claims.take(session, study, rita, 30)
        claims.take(session, study, ada, 30, over_from=rita)
    administrator = log_in(app.test_client(), "ada")
    token = csrf_token(administrator, f"/studies/{study}")
    administrator.post(f"/studies/{study}/release", data={"csrf_token": token})

    found = [one for one in events(services) if one.action in CLAIMS]
    assert [(one.action, one.user_id) for one in found] == list(
        zip(CLAIMS, (rita, ada, ada), strict=True)
    )
    assert found[1].details == {"over_from": "rita"}


CLAIMS = (audit.CLAIMED, audit.TAKEN_OVER, audit.RELEASED)


def test_what_is_done_to_accounts_is_written(
    services: Services, administrator: FlaskClient
) -> None:
    rita = user_id(services, "rita")
    token = csrf_token(administrator, "/admin/users")
    data = {"csrf_token": token, "username": "new", "role": "reader"}
    administrator.post("/admin/users", data=data)
    for path in ("password", "active/no", "active/yes", "role/administrator"):
        administrator.post(f"/admin/users/{rita}/{path}", data=data)

    ada = user_id(services, "ada")
    found = [(one.action, one.details) for one in events(services) if one.user_id == ada][1:]
    assert found == [
        (audit.USER_ADDED, {"added": "new", "role": "reader"}),
        (audit.PASSWORD_RESET, {"account": "rita"}),
        (audit.USER_BLOCKED, {"account": "rita"}),
        (audit.USER_UNBLOCKED, {"account": "rita"}),
        (audit.ROLE_CHANGED, {"account": "rita", "role": "administrator"}),
    ]


def test_a_password_of_ones_own_is_no_reset(services: Services, reader: FlaskClient) -> None:
    new = PASSWORD + "!"
    token = csrf_token(reader, "/account")
    data = {"csrf_token": token, "current": PASSWORD, "new": new, "repeated": new}
    reader.post("/account", data=data)

    assert [one.details for one in events(services, audit.PASSWORD_CHANGED)] == [
        {"account": "rita"}
    ]


def test_an_upload_is_written_even_if_nothing_was_kept(
    services: Services, reader: FlaskClient
) -> None:
    upload(reader, ("notes.txt", b"no DICOM"))

    (event,) = events(services, audit.UPLOADED)
    assert (event.user_id, event.study_id) == (user_id(services, "rita"), None)
    assert sum(event.details["files"].values()) == 1


def test_an_export_that_writes_nothing_is_no_export(services: Services, tmp_path: Any) -> None:
    with pytest.raises(LabelExportError, match="No slice"):
        export_labels(services, tmp_path / "labels")

    assert events(services, audit.LABELS_EXPORTED) == []


def test_every_action_can_be_asked_for() -> None:
    names = {word for name, word in vars(audit).items() if name.isupper() and type(word) is str}

    assert names == set(audit.ACTIONS)
