"""Where a site wants the images looked at first, nothing tells the finding before."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.db.models import Review, Study
from app.services import Services
from app.study_state import STATES
from clinic import add_listed, new_reader, turn_on
from read_study import ReadStudy, add_read_study, send


@pytest.fixture
def read(services: Services) -> ReadStudy:
    return add_read_study(services)


def stored(services: Services) -> list[Review]:
    with services.database.read() as session:
        return list(session.scalars(select(Review).order_by(Review.created_at)))


def test_image_first_hides_the_finding_everywhere(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    turn_on(services, image_first=True)

    page = reader.get(read.path).text
    answer = reader.get(f"/api/studies/{read.study}").get_json()

    assert "Your first impression" in page
    assert "flagged" not in page
    assert "90 %" not in page
    assert "0.9" not in page
    assert "Slice 2 of 3" in page  # the middle one, not the one that bleeds most
    assert reader.get(f"/analyses/{read.analysis}/heat/2/any.png").status_code == 403
    assert answer["finding_hidden"] is True
    assert answer["state"] is answer["series"][0]["analysis"] is None


def test_a_first_impression_is_kept_and_shows_the_finding(
    reader: FlaskClient, app: Flask, services: Services, read: ReadStudy
) -> None:
    turn_on(services, image_first=True)

    page = send(reader, f"{read.path}/impression", any="probably present").text

    assert "Your first impression is stored." in page
    assert "90 %" in page
    (kept,) = stored(services)
    assert (kept.kind, kept.verdicts) == ("first impression", {"any": "probably present"})
    assert kept.analysis_id == read.analysis
    with services.database.read() as session:
        assert session.get_one(Study, read.study).reviewed_at is None
    assert "Your first impression" in new_reader(app, "rob").get(read.path).text


def test_to_ask_for_the_finding_is_recorded(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    turn_on(services, image_first=True)

    page = send(reader, f"{read.path}/impression/skip").text

    assert "90 %" in page
    assert [row.kind for row in stored(services)] == ["impression skipped"]
    assert reader.get(f"/api/studies/{read.study}").get_json()["finding_hidden"] is False


def test_a_first_impression_says_something(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    turn_on(services, image_first=True)

    for word, told in (("", "Nothing was said"), ("perhaps", "any: Not a valid choice")):
        answer = send(reader, f"{read.path}/impression", any=word)
        assert answer.status_code == 400
        assert told in answer.text
    assert stored(services) == []


def test_where_images_come_first_the_list_keeps_the_finding_back(
    services: Services, reader: FlaskClient
) -> None:
    add_listed(services, "A", any_probability=0.87)
    assert "87 %" in reader.get("/").text

    turn_on(services, image_first=True)

    rows = reader.get("/").text.partition("<tbody>")[2]
    assert "finding after your first impression" in rows
    assert "87 %" not in rows
    assert "flagged" not in rows


def test_a_search_by_state_does_not_tell_what_the_list_keeps_back(
    services: Services, reader: FlaskClient, read: ReadStudy
) -> None:
    add_listed(services, "Again", "analysing", any_probability=0.01)
    add_listed(services, "New", "waiting")
    turn_on(services, image_first=True)

    def listed(state: str) -> list[str]:
        addresses = ("/", "/worklist")
        return [found for path in addresses for found in names_on(reader, f"{path}?state={state}")]

    for state in STATES:
        assert listed(state) == (["New", "New"] if state == "waiting" else [])
    assert "are left out" in reader.get("/?state=flagged").text
    assert "are left out" not in reader.get("/?state=unreviewed").text
    assert len(listed("unreviewed")) == 6
    assert "1.2." not in reader.get("/worklist.csv?state=flagged").text

    send(reader, f"{read.path}/impression/skip")

    assert len(listed("flagged")) == 2


def names_on(client: FlaskClient, path: str) -> list[str]:
    rows = client.get(path).text.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', rows)
