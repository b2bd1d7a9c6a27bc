"""The audit log as a page and as CSV: who may read it, and how it is searched."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.audit import log as audit
from app.audit.log import record
from app.audit.page import AuditQuery, audit_csv, audit_page
from app.db.audit import AuditEvent
from app.services import Services
from audit_events import add_event, events, user_id
from clinic import log_in

ON_EVERY_DATABASE = True


def query_for(services: Services, **args: str) -> list[str]:
    with services.database.read() as session:
        page = audit_page(session, AuditQuery.from_address(args))
    return [one.details["n"] for one in page.events]


def test_the_log_is_filtered_by_user_action_study_and_day(app: Flask, services: Services) -> None:
    rita = user_id(services, "rita")
    add_event(services, user_id=rita, n="a")
    add_event(services, audit.LOGOUT, study_id="s", n="b")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with services.database.write() as session:
        session.add(AuditEvent(at=yesterday, action=audit.CLAIMED, details={"n": "c"}))

    assert query_for(services, user=rita) == ["a"]
    assert query_for(services, action=audit.LOGOUT) == ["b"]
    assert query_for(services, study="s") == ["b"]
    assert query_for(services, day=yesterday.date().isoformat()) == ["c"]
    assert query_for(services, user="nobody", action=audit.CLAIMED) == ["c"]


def test_pages_follow_each_other_without_gap_or_repetition(services: Services) -> None:
    with services.database.write() as session:
        for number in range(250):
            record(session, audit.LOGIN, n=number)
    seen: list[int] = []
    before: int | None = None
    for size in (100, 100, 50):
        with services.database.read() as session:
            page = audit_page(session, AuditQuery(before=before))
        assert (len(page.events), page.total) == (size, 250)
        seen += [one.details["n"] for one in page.events]
        before = page.older

    assert before is None
    assert seen == list(range(249, -1, -1))


def test_the_csv_has_every_event_and_no_formula(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.page.CHUNK", 3)
    for number in range(7):
        add_event(services, study_id="=HYPERLINK()", n=number)

    written = "".join(audit_csv(services.database, AuditQuery())).removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(written)))

    assert [row["details"] for row in rows] == [f"n {number}" for number in range(6, -1, -1)]
    assert {row["study_id"] for row in rows} == {"'=HYPERLINK()"}


@pytest.mark.parametrize("path", ["/admin/audit", "/admin/audit.csv"])
def test_only_administrators_read_the_log(app: Flask, path: str) -> None:
    assert log_in(app.test_client(), "rita").get(path).status_code == 403
    assert log_in(app.test_client(), "ada").get(path).status_code == 200
    assert app.test_client().get(path).status_code == 302


def test_the_page_shows_what_happened_and_survives_a_bad_address(
    administrator: FlaskClient, services: Services
) -> None:
    add_event(services, audit.LOGOUT, user_id=user_id(services, "rita"), note="<b>bold</b>")

    shown = administrator.get("/admin/audit").text
    empty = administrator.get("/admin/audit?study=none")
    amiss = administrator.get("/admin/audit?day=x&before=99999999999999999999&action=y&user=%00")

    assert "&lt;b&gt;bold" in shown
    assert re.search(r"<th scope=\"row\">logout</th>", shown)
    assert "No event matches" in empty.text
    assert amiss.status_code == 200


def test_the_download_is_in_the_log(administrator: FlaskClient, services: Services) -> None:
    answer = administrator.get("/admin/audit.csv?action=login")

    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row["action"] for row in rows] == ["login"]
    assert events(services, audit.AUDIT_EXPORTED)[0].details == {"filter": {"action": "login"}}
