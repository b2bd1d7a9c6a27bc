"""The dashboard: its figures are those of the studies, and only administrators see them."""

import csv
import io
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page
from sqlalchemy import select

from app.dashboard.drift import LEAST, in_words, stability_index
from app.dashboard.figures import dashboard
from app.dashboard.parts import Period, Section
from app.db.models import Analysis, Instance, Series, Upload, UploadedFile
from app.db.retention import KeptAnalysis
from app.services import Services
from clinic import log_in, new_study, press
from model.labels import LABELS
from model.notice import NOTICE
from read_study import add_read_study, give_verdict

ON_EVERY_DATABASE = True

TODAY = datetime.combine(datetime.now(UTC).date(), time(), UTC)
"""Its first moment, the edge between two columns."""


def add_study(
    services: Services,
    state: str,
    received: datetime,
    seconds: float,
    *,
    model: str = "",
    any_probability: float = 0.5,
    tissue: tuple[float, float] | None = None,
) -> None:
    """A study of one slice with its result after so many seconds; `tissue` is level and noise."""
    shape: dict[str, Any] = {"rows": 512, "columns": 512, "attributes": {}, "warnings": []}
    with services.database.write() as session:
        study = new_study(
            study_instance_uid=f"{received} {state}",
            state=state,
            any_probability=any_probability,
            received_at=received,
        )
        series = Series(series_instance_uid="1.2", series_description="")
        spacing = {"pixel_spacing_mm": [0.5, 0.5], "slice_thickness_mm": 5.0}
        series.instances.append(Instance(sop_instance_uid="1", sha256="", **spacing, **shape))
        result = Analysis(
            created_at=received + timedelta(seconds=seconds),
            refusal="" if state != "not analysed" else "No head.",
            states=dict.fromkeys(LABELS, state),
            thresholds={},
            warnings=[],
            model_name="",
            model_version="",
            model_sha256=model,
            device="",
            seconds=1.0,
            tissue_hu=tissue and tissue[0],
            noise_hu=tissue and tissue[1],
            heat="",
        )
        series.analyses.append(result)
        study.series.append(series)
        session.add(study)


def sections(services: Services, days: int = 7) -> dict[str, Section]:
    with services.database.read() as session:
        return {one.name: one for one in dashboard(session, days)}


def test_studies_are_counted_on_their_day_in_utc_by_state(services: Services) -> None:
    add_study(services, "flagged", TODAY, 10)
    add_study(services, "not flagged", TODAY - timedelta(seconds=1), 10)
    add_study(services, "arriving", TODAY - timedelta(days=6), 10)
    add_study(services, "flagged", TODAY - timedelta(days=6, seconds=1), 10)

    rows = sections(services)["studies"].rows

    assert [row[1] for row in rows] == [1, 0, 0, 0, 0, 1, 1]
    assert rows[-1] == (f"{TODAY:%Y-%m-%d}", 1, 1, 0, 0, 0, 0)
    assert (rows[-2][4], rows[0][6]) == (1, 1)


def test_the_flag_rate_is_that_of_what_was_judged_each_week(services: Services) -> None:
    add_study(services, "not analysed", TODAY, 1)
    for n, state in enumerate(("flagged", "indeterminate", "not flagged", "not flagged")):
        add_study(services, state, TODAY + timedelta(seconds=1 + n), 1)

    found = sections(services)["flag-rate"]

    assert [row[0] for row in found.rows] == Period.last(7).weeks
    assert found.rows[-1] == (f"{TODAY:%G-W%V}", 4, 1, 25.0)
    assert [(bar.kind, bar.low, bar.high) for bar in found.columns[-1]] == [
        ("flagged", 0, 25), ("indeterminate", 25, 50), ("not flagged", 50, 100)
    ]  # fmt: skip
    assert found.note == "Flag rate 25 %: 1 of 4."


def test_weeks_without_a_verdict_have_their_place_and_a_withdrawn_one_has_no_reason(
    administrator: FlaskClient, services: Services
) -> None:
    read = add_read_study(services)
    give_verdict(administrator, read, any_verdict="disagree", any_reason="motion")
    give_verdict(administrator, read, any_verdict="disagree", any_reason="old blood")
    press(administrator, f"{read.path}/reviews/undo")

    found = sections(services, 30)

    weeks = Period.last(30).weeks
    assert len(weeks) in (5, 6)
    assert [row[0] for row in found["agreement"].rows] == weeks
    assert found["agreement"].rows[-1][1:] == (1, 0.0, 0.0)
    assert found["agreement"].columns[0] == []
    assert found["reasons"].note == "motion 1. Of verdicts that hold."
    assert dict(zip(found["reasons"].header, found["reasons"].rows[-1], strict=True))["motion"] == 1


def test_the_time_to_the_first_result_is_told_as_median_and_tail(services: Services) -> None:
    for n, seconds in enumerate((10, 20, 90)):
        add_study(services, "flagged", TODAY + timedelta(seconds=n), seconds)

    row = sections(services)["times"].rows[-1]

    assert row[1:3] == (3, 20.0)
    assert row[3] == pytest.approx(np.percentile([10, 20, 90], 95))


def test_failures_are_counted_by_reason(services: Services) -> None:
    add_study(services, "not analysed", TODAY, 1)
    with services.database.write() as session:
        files = [
            UploadedFile(number=n, name="x", outcome="refused", reason="No CT.") for n in range(2)
        ]
        session.add(Upload(files=files))

    rows = sections(services)["failures"].rows

    assert list(rows) == [("file refused", "No CT.", 2), ("series not analysed", "No head.", 1)]


def test_drift_compares_with_the_period_before(services: Services) -> None:
    add_study(services, "flagged", TODAY, 1)
    add_study(services, "flagged", TODAY - timedelta(days=8), 1)

    rows = sections(services)["drift"].rows

    assert [row[1:5] for row in rows] == [
        (1, 1, 0.5, 0.5), (1, 1, 1.0, 1.0), (1, 1, 5.0, 5.0), (1, 1, 0.5, 0.5),
        (0, 0, None, None), (0, 0, None, None),
    ]  # fmt: skip
    assert {row[5] for row in rows} == {in_words(None)}


def test_a_change_of_level_and_noise_is_seen_in_drift_and_in_its_week(services: Services) -> None:
    for n in range(3):
        add_study(services, "flagged", TODAY + timedelta(seconds=n), 1, tissue=(38.5, 7.25))
    add_study(services, "flagged", TODAY - timedelta(days=30), 1, tissue=(33.0, 4.0))
    add_study(services, "flagged", TODAY - timedelta(days=1), 1)

    found = sections(services, 30)

    assert [row[1:5] for row in found["drift"].rows[-2:]] == [(1, 3, 33.0, 38.5), (1, 3, 4.0, 7.25)]
    for name, value in (("level", 38.5), ("noise", 7.25)):
        weeks = found[name].rows
        assert [row[0] for row in weeks] == Period.last(30).weeks
        assert weeks[-1][1:] == (3, value)
        assert {row[1:] for row in weeks[:-1]} == {(0, None)}
        assert [bar.high for (bar,) in found[name].columns[-2:]] == [0, 100]
        assert found[name].note.startswith("3 series.")


def test_of_a_series_analysed_again_the_newest_measure_counts(services: Services) -> None:
    add_study(services, "flagged", TODAY, 1, tissue=(33.0, 4.0))
    with services.database.write() as session:
        first = session.scalars(select(Analysis)).one()
        kept = {column.key: getattr(first, column.key) for column in Analysis.__table__.columns}
        again = {"id": "2", "created_at": TODAY + timedelta(days=1), "tissue_hu": 35.0}
        session.add(Analysis(**kept | again))

    assert sections(services)["level"].rows[-1][1:] == (1, 35.0)


def test_the_index_is_that_of_a_worked_example() -> None:
    reference = [0.0] * 500 + [1.0] * 500
    moved = [0.0] * 250 + [1.0] * 750

    # Two bins: (0.25 - 0.5) ln(0.25 / 0.5) + (0.75 - 0.5) ln(0.75 / 0.5)
    expected = 0.25 * np.log(2) + 0.25 * np.log(1.5)
    assert stability_index(reference, moved) == pytest.approx(expected, abs=0.002)
    assert stability_index(reference, reference) == 0
    assert stability_index(reference, moved[: LEAST - 1]) is None


def test_what_the_model_says_is_set_against_its_first_months(services: Services) -> None:
    began = TODAY - timedelta(days=120)
    for day, model, probability in (
        (-1, "old", 0.99), (0, "new", 0.02), (1, "new", 0.03), (89, "new", 0.92), (91, "new", 0.7),
        (119, "new", 0.52),
    ):  # fmt: skip
        received = began + timedelta(days=day)
        add_study(services, "flagged", received, 0, model=model, any_probability=probability)

    found = sections(services)["probabilities"]

    assert [row[1] for row in found.rows] == [2, *[0] * 17, 1, 0]
    assert [row[3] for row in found.rows] == [*[0] * 10, 1, *[0] * 9]
    assert found.rows[0][2] == pytest.approx(100 * 2 / 3, abs=0.01)
    assert f"3 studies from {began:%Y-%m-%d}" in found.note
    assert found.columns[20][0].high == found.columns[21][0].low == 0
    assert [bar.high for (bar,) in found.columns if bar.high > 0] == pytest.approx(
        [200 / 3, 100, 100 / 3]
    )


def test_the_study_on_which_a_model_began_counts(services: Services) -> None:
    began = TODAY - timedelta(days=100)
    for day in (0, 1, 99):
        add_study(services, "flagged", began + timedelta(days=day), 10, model="new")

    assert "2 studies from" in sections(services)["probabilities"].note


def test_a_model_that_is_new_here_is_compared_with_nothing(services: Services) -> None:
    add_study(services, "flagged", TODAY, 0)

    found = sections(services)["probabilities"]

    assert "no earlier ones of this model" in found.note
    assert [row[1] for row in found.rows] == [0] * 20
    assert sorted(str(row[3]) for row in found.rows) == [*["0"] * 19, "1"]


def test_what_a_removed_study_began_stays_the_beginning(services: Services) -> None:
    began = TODAY - timedelta(days=200)
    named = {"model_name": "", "model_version": "", "model_sha256": "new"}
    states = dict.fromkeys(LABELS, "flagged")
    with services.database.write() as session:
        session.add(KeptAnalysis(id="1", series_id="1", created_at=began, states=states, **named))
    for days in (30, 0):
        add_study(services, "flagged", TODAY - timedelta(days=days), 0, model="new")

    assert "no earlier ones of this model" in sections(services)["probabilities"].note


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/studies.csv"])
def test_only_administrators_see_it(app: Flask, path: str) -> None:
    assert log_in(app.test_client(), "rita").get(path).status_code == 403
    assert log_in(app.test_client(), "ada").get(path).status_code == 200


def test_an_empty_site_is_told_what_to_do(administrator: FlaskClient) -> None:
    page = administrator.get("/dashboard?days=7").text

    assert "No study came in during the last 7 days" in page


def test_each_table_is_there_as_csv(administrator: FlaskClient, services: Services) -> None:
    add_study(services, "flagged", TODAY, 10)

    answer = administrator.get("/dashboard/studies.csv?days=90")

    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert (len(rows), rows[-1]["flagged"], rows[0]["notice"]) == (90, "1", NOTICE)
    assert administrator.get("/dashboard/nothing.csv").status_code == 404


@pytest.mark.parametrize("name", ["Dashboard", "Audit"])
def test_the_page_is_accessible(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, exact=True).wait_for()

    assert Axe().run(page).response["violations"] == []
