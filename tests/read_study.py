"""A study of three slices with a finding, straight in the database: to test what readers do."""

import re
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.db.models import Analysis, Instance, Series, SliceResult, random_id
from app.services import Services
from app.study_state import refresh_study
from clinic import new_study
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED
from model.labels import LABELS

ROWS, COLUMNS = 64, 80

STATES = dict.fromkeys(LABELS, NOT_FLAGGED) | {
    "any": FLAGGED,
    "subdural": FLAGGED,
    "epidural": INDETERMINATE,
}
"""What the model says, unless a test says otherwise."""

_MEASURED = {"value": 0.9, "interval": [0.8, 1.0]}
_POINT = {"threshold": 0.5, "study_sensitivity": _MEASURED, "study_specificity": _MEASURED}


@dataclass(frozen=True)
class ReadStudy:
    """The ids of what was stored; `slices` from the lowest up."""

    study: str
    series: str
    analysis: str
    slices: list[str]

    @property
    def path(self) -> str:
        """The address of the reading page."""
        return f"/studies/{self.study}"


def add_read_study(
    services: Services, states: dict[str, str] = STATES, **study_facts: Any
) -> ReadStudy:
    """Store a study of one series that the model has judged; the highest slice bleeds most."""
    ids = ReadStudy(random_id(), random_id(), random_id(), [random_id() for _ in range(3)])
    uid = f"1.2.{int(ids.study[:12], 16)}"
    with services.database.write() as session:
        session.add(new_study(id=ids.study, study_instance_uid=uid, **study_facts))
        session.flush()
        session.add(
            Series(
                id=ids.series,
                study_id=ids.study,
                series_instance_uid=f"{uid}.1",
                series_description="",
            )
        )
        session.flush()
        session.add_all(_instance(ids, uid, at) for at in range(3))
        session.add(_analysis(ids, states))
        session.flush()
        session.add_all(
            SliceResult(
                analysis_id=ids.analysis,
                position=at,
                instance_id=ids.slices[at],
                probabilities=dict.fromkeys(LABELS, 0.3 * (at + 1)),
            )
            for at in range(3)
        )
        session.flush()
        refresh_study(session, ids.study)
    return ids


def refuse(services: Services, read: ReadStudy) -> None:
    """Let its analysis have said nothing."""
    with services.database.write() as session:
        said = session.get_one(Analysis, read.analysis)
        said.probabilities = said.states = None
        said.refusal = "No head is seen in the pixels."
        for one in said.slices:
            session.delete(one)
        session.flush()
        refresh_study(session, read.study)


def _instance(ids: ReadStudy, uid: str, at: int) -> Instance:
    return Instance(
        id=ids.slices[at],
        series_id=ids.series,
        sop_instance_uid=f"{uid}.1.{at + 1}",
        sha256="",
        rows=ROWS,
        columns=COLUMNS,
        instance_number=at + 1,
        position_mm=[0.0, 0.0, 5.0 * at],
        orientation=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        pixel_spacing_mm=[0.5, 0.5],
        slice_thickness_mm=5.0,
        attributes={},
        warnings=[],
    )


def _analysis(ids: ReadStudy, states: dict[str, str]) -> Analysis:
    return Analysis(
        id=ids.analysis,
        series_id=ids.series,
        probabilities=dict.fromkeys(LABELS, 0.9),
        states=states,
        thresholds={label: {"screen": _POINT, "alert": _POINT} for label in LABELS},
        warnings=[],
        model_name="test",
        model_version="1",
        model_sha256="0" * 64,
        device="cpu",
        seconds=1.0,
        heat="class activation map",
    )


def token(client: FlaskClient) -> str:
    """A CSRF token of the browser's session."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/account").text)
    assert found
    return found.group(1)


def send(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    """Post a form, with a CSRF token."""
    data = {"csrf_token": token(client), **fields}
    return client.post(path, data=data, follow_redirects=True)


def give_verdict(client: FlaskClient, read: ReadStudy, **fields: str) -> TestResponse:
    """Save a verdict on the series, beside its analysis; `any_here` is the field `any-here`."""
    named = {
        re.sub(r"_(verdict|reason|here)$", r"-\1", name): value for name, value in fields.items()
    }
    address = f"{read.path}/reviews?series={read.series}"
    return send(client, address, analysis=read.analysis, **named)
