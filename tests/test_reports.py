"""A study's report says what the reading page says, and never more than its reader may know."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page
from sqlalchemy import select

from app.db.audit import AuditEvent
from app.db.models import Job, Series
from app.reports.report import MOST_PICTURES
from app.services import Services
from browser_clinic import open_demo_study
from clinic import log_in, turn_on
from model.finding import NOT_FLAGGED
from model.labels import LABELS
from model.notice import NOTICE
from read_study import ReadStudy, add_read_study, give_verdict, refuse, send

HOSTILE = "<b>O'Brien^=cmd</b> & <script>"


@pytest.fixture
def read(services: Services) -> ReadStudy:
    return add_read_study(services, patient_name="Doe^Jane", patient_id="P-7")


def report(client: FlaskClient, read: ReadStudy) -> str:
    answer = client.get(f"{read.path}/report")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_report_has_patient_findings_and_model(reader: FlaskClient, read: ReadStudy) -> None:
    text = report(reader, read)

    for said in (NOTICE, "Doe, Jane", "P-7", "0" * 64, "test 1", "cpu", "0.90 (0.80 to 1.00)"):
        assert said in text
    assert len(re.findall(r'<th scope="row">', text)) == len(LABELS)
    assert "measured on what the card of that model says" in text
    assert "No reader has given a verdict." in text


def test_flagged_slices_are_shown_the_highest_first(reader: FlaskClient, read: ReadStudy) -> None:
    text = report(reader, read)

    assert re.findall(r"<figcaption>Slice (\d) of 3 ", text) == ["3", "2"]
    assert "any 90 %, subdural 90 %" in text
    assert text.count(f"/instances/{read.slices[2]}/brain.png") == 2
    assert text.count(f"/instances/{read.slices[2]}/subdural.png") == 1
    assert f"/analyses/{read.analysis}/heat/2/any.png" in text
    assert text.count("<figcaption>") <= MOST_PICTURES


def test_without_a_flag_the_most_suspicious_slice_is_shown(
    reader: FlaskClient, services: Services
) -> None:
    quiet = add_read_study(services, dict.fromkeys(LABELS, NOT_FLAGGED))

    text = report(reader, quiet)

    assert re.findall(r"<figcaption>Slice (\d)", text) == ["3"]
    assert "Most suspicious slice" in text


def test_what_was_not_analysed_says_why_and_never_looks_negative(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    refuse(services, read)

    text = report(reader, read)

    assert "No head is seen in the pixels." in text
    assert "This says nothing about whether there is a hemorrhage." in text
    assert "not flagged" not in text
    assert "Flagged from" not in text


def test_a_finding_that_is_out_of_date_says_so(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    with services.database.write() as session:
        session.add(Job(series_id=read.series, state="queued"))
    waiting = report(reader, read)
    with services.database.write() as session:
        job = session.get_one(Job, read.series)
        job.state, job.error = "failed", "Out of disk."

    assert "This series is to be analysed again" in waiting
    assert "A later analysis of this series failed: Out of disk." in report(reader, read)


def test_a_series_without_an_analysis_says_how_far_it_is(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    with services.database.write() as session:
        later = Series(study_id=read.study, series_instance_uid="1.9", series_description="Bone")
        session.add(later)
        session.flush()
        session.add(Job(series_id=later.id, state="arriving"))

    text = report(reader, read)

    assert "Series 2: Bone" in text
    assert "The analysis is not done: the job is arriving." in text


def test_verdicts_that_count_are_told_with_reasons_slices_and_comment(
    reader: FlaskClient, app: Flask, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="absent", comment="Withdrawn word.")
    send(reader, f"{read.path}/reviews/undo")
    words = json.dumps({"subdural": {read.slices[2]: "present"}})
    give_verdict(
        reader, read, any_verdict="agree", epidural_verdict="absent", epidural_reason="artefact",
        slice_verdicts=words, comment="Thin\nrim.",
    )  # fmt: skip
    ada = log_in(app.test_client(), "ada")
    give_verdict(ada, read, any_verdict="absent")
    assert "Readers disagree on any" in report(reader, read)
    give_verdict(ada, read, any_verdict="present", kind="adjudication")

    text = report(reader, read)

    for said in (
        "rita, verdict,",
        "any: agree with “flagged”: present",
        "epidural: absent (artefact)",
        "subdural: present on 3",
        "Thin\nrim.",
        "ada, adjudication,",
    ):
        assert said in text
    assert "Withdrawn word." not in text
    assert "Readers disagree" not in text


def test_with_a_second_reader_the_first_ones_words_stay_hidden(
    reader: FlaskClient, app: Flask, services: Services, read: ReadStudy
) -> None:
    give_verdict(reader, read, any_verdict="agree", comment="Mine alone.")
    ada = log_in(app.test_client(), "ada")
    turn_on(services, second_reader=True)

    assert "Mine alone." in report(reader, read)
    assert "Mine alone." not in report(ada, read)
    assert "Another reader has decided." in report(ada, read)


def test_who_opened_a_report_is_kept(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    report(reader, read)

    with services.database.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.study_id == read.study)).one()
    assert event.details["as"] == "report"
    assert [told["analysis"] for told in event.details["analyses"]] == [read.analysis]


def test_a_name_with_markup_stays_text(reader: FlaskClient, services: Services) -> None:
    hostile = add_read_study(services, patient_name=HOSTILE)

    text = report(reader, hostile)

    assert "<script>" not in text.partition("<body>")[2]
    assert "&lt;b&gt;O&#39;Brien" in text


def test_image_first_refuses_the_report_until_the_first_impression(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    turn_on(services, image_first=True)

    refused = reader.get(f"{read.path}/report")
    link_before = "/report" in reader.get(read.path).text
    send(reader, f"{read.path}/impression?series={read.series}", any="probably absent")

    assert refused.status_code == 403
    assert "reads the image first" in refused.text
    assert f'<a href="{read.path}">To the study</a>' in refused.text
    assert "90 %" not in refused.text
    assert not link_before
    assert "90 %" in report(reader, read)
    assert f"{read.path}/report" in reader.get(read.path).text


def test_only_who_is_logged_in_sees_a_report_and_none_is_kept(
    client: FlaskClient, read: ReadStudy
) -> None:
    stranger = client.get(f"{read.path}/report")
    log_in(client, "rita")

    assert stranger.status_code == 302
    assert "/login" in stranger.location
    assert client.get(f"{read.path}/report").headers["Cache-Control"] == "no-store"
    assert client.get("/studies/unknown/report").status_code == 404


def test_the_report_is_accessible(page: Page) -> None:
    open_demo_study(page)
    page.get_by_role("link", name="Report", exact=True).click()

    violations = Axe().run(page).response["violations"]

    assert page.locator("figure svg").count() > 0
    assert [violation["id"] for violation in violations] == []
