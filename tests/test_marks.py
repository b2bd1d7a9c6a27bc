"""Regions that readers marked, on the reading page: each where it lies, and by whom."""

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import auth
from app.services import Services
from clinic import PASSWORD, log_in, turn_on
from read_study import ReadStudy, add_read_study, give_verdict

BOX = {"x0": 10.0, "y0": 4.0, "x1": 30.0, "y1": 20.0}


@pytest.fixture
def read(services: Services) -> ReadStudy:
    return add_read_study(services)


@pytest.fixture
def other(app: Flask, services: Services) -> FlaskClient:
    auth.create_user(services.database, "rob", PASSWORD, auth.READER)
    return log_in(app.test_client(), "rob")


def mark(client: FlaskClient, read: ReadStudy) -> None:
    """Mark a subdural region on the second slice."""
    region = {"instance": read.slices[1], "label": "subdural", **BOX}
    give_verdict(client, read, subdural_verdict="present", regions=json.dumps([region]))


def page(client: FlaskClient, read: ReadStudy, number: int) -> str:
    return client.get(f"{read.path}?series={read.series}&slice={number}").text


def test_another_readers_region_is_drawn_on_its_slice_alone(
    reader: FlaskClient, other: FlaskClient, read: ReadStudy
) -> None:
    mark(other, read)

    here, elsewhere = page(reader, read, 2), page(reader, read, 1)

    assert '<ellipse class="others" cx="20.0" cy="12.0" rx="10.0" ry="8.0"/>' in here
    assert "subdural (rob)</text>" in here
    assert "<ellipse" not in elsewhere
    told = elsewhere.split('id="others-marks">')[1].split("</script>")[0]
    assert json.loads(told) == [
        {"instance": read.slices[1], "label": "subdural", **BOX, "who": "rob"}
    ]


def test_ones_own_region_is_told_once_and_can_be_changed(
    reader: FlaskClient, read: ReadStudy
) -> None:
    mark(reader, read)

    told = page(reader, read, 2)

    assert "subdural (you)</text>" in told
    assert 'id="others-marks">[]<' in told


def test_a_withdrawn_region_is_not_drawn(
    reader: FlaskClient, other: FlaskClient, read: ReadStudy
) -> None:
    mark(other, read)
    give_verdict(other, read, subdural_verdict="absent")

    assert "<ellipse" not in page(reader, read, 2)


def test_who_reads_the_image_first_sees_neither_marks_nor_findings(
    reader: FlaskClient, other: FlaskClient, services: Services, read: ReadStudy
) -> None:
    mark(other, read)
    turn_on(services, image_first=True)

    told = page(reader, read, 2)

    assert "<ellipse" not in told
    assert "(rob)" not in told
    assert 'class="concealed"' in told
    assert "not analysed" not in told.lower()
