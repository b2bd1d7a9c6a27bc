"""The most urgent study comes first, and none is ever left out."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.db.models import Analysis, Review, Series, Study, User, now
from app.list_version import list_version
from app.services import Services
from app.study_state import refresh_study
from app.worklist import claims
from app.worklist.page import PAGE_SIZE, reader_here, worklist_page
from app.worklist.query import WorklistQuery
from clinic import new_study
from model.labels import LABELS

ON_EVERY_DATABASE = True
LONG_AGO = date(2020, 2, 29)


def add_study(
    services: Services, name: str, state: str, probability: float | None = None, **more: object
) -> None:
    with services.database.write() as session:
        session.add(
            new_study(
                study_instance_uid=f"1.2.{name}",
                patient_id=f"ID-{name}",
                patient_name=name,
                study_description="Head",
                state=state,
                any_probability=probability,
                **more,
            )
        )


def names(services: Services, text: str = "", number: int = 1, **more: Any) -> list[str]:
    """What somebody who has done nothing yet sees on a page of the list."""
    query = WorklistQuery(text=text, **more)
    with services.database.read() as session:
        page = worklist_page(session, query, number, reader_here(session, "nobody", 30))
    return [row.study.patient_name for row in page.rows]


@pytest.fixture
def mixed(services: Services) -> Services:
    """One study of each state, entered in the wrong order."""
    add_study(services, "clear", "not flagged", 0.01)
    add_study(services, "waiting", "waiting")
    add_study(services, "unread", "not analysed")
    add_study(services, "unsure", "indeterminate", 0.2)
    add_study(services, "flagged-60", "flagged", 0.6)
    add_study(services, "flagged-90", "flagged", 0.9)
    add_study(services, "seen", "flagged", 0.99, reviewed_at=now())
    return services


def test_urgent_before_unsure_before_clear_and_reviewed_last(mixed: Services) -> None:
    assert names(mixed) == [
        "flagged-90",
        "flagged-60",
        "unsure",
        "unread",
        "waiting",
        "clear",
        "seen",
    ]


def test_of_equals_the_one_that_waits_longest_comes_first(services: Services) -> None:
    add_study(services, "first", "waiting")
    add_study(services, "second", "waiting")

    assert names(services) == ["first", "second"]


@pytest.mark.parametrize(
    "search", ["FLAGGED-90", "ID-flagged-90", "head flagged-90", "1.2.flagged-90"]
)
def test_search_finds_by_name_id_description_and_uid(mixed: Services, search: str) -> None:
    assert names(mixed, search) == ["flagged-90"]


def test_every_word_of_an_address_is_understood_again() -> None:
    query = WorklistQuery("two words", "being read", "24h", LONG_AGO, LONG_AGO, "only", mine=True)

    assert WorklistQuery.from_address(query.address()) == query
    assert [wider for _, wider in query.parts() if wider == query] == []
    assert len(query.parts()) == 7


def test_what_an_address_says_amiss_is_left_out() -> None:
    wrong = {
        "state": "odd",
        "received": "ever",
        "from": "2020-13-01",
        "simulated": "2",
        "mine": "x",
    }

    assert WorklistQuery.from_address(wrong) == WorklistQuery()


def test_a_percent_sign_in_the_search_is_a_percent_sign(mixed: Services) -> None:
    assert names(mixed, "%") == []


def test_a_search_with_what_no_database_holds_is_made_without_it(mixed: Services) -> None:
    asked = WorklistQuery.from_address({"q": "FLAGGED\0-90"})

    assert names(mixed, asked.text) == ["flagged-90"]


def test_the_state_filter_leaves_reviewed_studies_out(mixed: Services) -> None:
    assert names(mixed, state="flagged") == ["flagged-90", "flagged-60"]
    assert names(mixed, state="reviewed") == ["seen"]


def test_every_study_is_on_exactly_one_page(services: Services) -> None:
    for number in range(PAGE_SIZE + 10):
        add_study(services, f"{number:03d}", "waiting")

    shown = names(services, number=1) + names(services, number=2)

    assert len(shown) == PAGE_SIZE + 10
    assert len(set(shown)) == PAGE_SIZE + 10


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"state": "unreviewed", "simulated": "only"}, ["waiting"]),
        ({"simulated": "without", "state": "flagged"}, ["flagged-90", "flagged-60"]),
        ({"period": "7d"}, ["flagged-90", "waiting", "seen"]),
        ({"first_day": LONG_AGO, "last_day": LONG_AGO}, ["unsure"]),
        ({"last_day": LONG_AGO - timedelta(days=1)}, []),
        ({"state": "readers disagree"}, ["seen"]),
    ],
)
def test_the_list_can_be_reduced(
    services: Services, asked: dict[str, Any], shown: list[str]
) -> None:
    last_week = now() - timedelta(days=8)
    add_study(services, "waiting", "waiting", simulated=True)
    midnight = datetime.combine(LONG_AGO, time(), UTC)
    add_study(services, "unsure", "indeterminate", 0.2, received_at=midnight)
    add_study(services, "flagged-60", "flagged", 0.6, received_at=last_week)
    add_study(services, "flagged-90", "flagged", 0.9)
    add_study(services, "seen", "flagged", 0.99, reviewed_at=now(), disputed=True)

    assert names(services, **asked) == shown


def test_mine_is_what_i_read_now_or_have_reviewed(mixed: Services) -> None:
    with mixed.database.write() as session:
        session.add(User(id="nobody", username="n", password_hash="", role="reader"))
        found = {study.patient_name: study.id for study in session.scalars(select(Study))}
        review = {"verdicts": {}, "reasons": {}, "comment": ""}
        session.add(Review(study_id=found["seen"], user_id="nobody", **review))
        session.flush()
        claims.take(session, found["unsure"], "nobody", 30)

    assert names(mixed, mine=True) == ["unsure", "seen"]
    assert names(mixed, state="being read") == ["unsure"]


def test_every_change_of_a_study_raises_the_version_once(services: Services) -> None:
    with services.database.write() as session:
        study = new_study()
        session.add(study)
        session.flush()
    before = version(services)

    with services.database.write() as session:
        refresh_study(session, study.id)
        refresh_study(session, study.id)

    assert version(services) == before + 1


def version(services: Services) -> int:
    with services.database.read() as session:
        return list_version(session, now(), now(), "").changes


def test_not_analysed_never_looks_like_negative(mixed: Services, reader: FlaskClient) -> None:
    page = reader.get("/?q=unread").text

    assert "not analysed" in page
    assert "%" not in page.split("<tbody>")[1].split("</tbody>")[0]


def test_markup_in_a_name_stays_text(services: Services, reader: FlaskClient) -> None:
    add_study(services, "<b>Bold</b>", "waiting")

    page = reader.get("/").text

    assert "<b>Bold" not in page
    assert "&lt;b&gt;Bold" in page


def test_an_empty_worklist_says_what_to_do(reader: FlaskClient) -> None:
    assert "No study yet." in reader.get("/").text


@pytest.mark.parametrize("page", ["0", "-3", "two", "9" * 30])
def test_a_page_that_does_not_exist_is_no_failure(reader: FlaskClient, page: str) -> None:
    assert reader.get(f"/?page={page}").status_code == 200


def add_analysed(services: Services, states: dict[str, str]) -> str:
    with services.database.write() as session:
        study = new_study()
        study.series = [Series(series_instance_uid="1.2.3.4", series_description="")]
        session.add(study)
        session.flush()
        session.add(
            Analysis(
                series_id=study.series[0].id,
                probabilities=dict.fromkeys(LABELS, 0.2),
                states={**dict.fromkeys(LABELS, "not flagged"), **states},
                thresholds={},
                warnings=[],
                model_name="",
                model_version="",
                model_sha256="",
                device="",
                seconds=0,
                heat="class activation map",
            )
        )
        session.flush()
        refresh_study(session, study.id)
        return study.state


@pytest.mark.parametrize(
    ("states", "study_state"),
    [
        ({}, "not flagged"),
        ({"any": "flagged"}, "flagged"),
        ({"any": "indeterminate"}, "indeterminate"),
        ({"epidural": "flagged"}, "indeterminate"),
        ({"epidural": "indeterminate"}, "not flagged"),
    ],
)
def test_a_study_is_never_clearer_than_its_flagged_subtype(
    services: Services, states: dict[str, str], study_state: str
) -> None:
    assert add_analysed(services, states) == study_state
