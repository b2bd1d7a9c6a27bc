"""What a person does with the clinic, as the tests do it: log in, upload, wait for the analysis."""

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, stream_encode_multipart

from app import auth
from app.analysis import run_due_jobs
from app.db.models import Study, User
from app.list_version import mark_changed
from app.services import Services
from app.site import SiteSettings, choose
from app.views.context import EXTENSION
from model.predictor import Predictor

PASSWORD = "a long enough password"


def log_in(client: FlaskClient, username: str) -> FlaskClient:
    """Log in through the form, as a browser does."""
    data = {"csrf_token": csrf_token(client, "/login"), "username": username, "password": PASSWORD}
    response = client.post("/login", data=data)
    assert response.status_code == 302, response.text
    return client


def csrf_token(client: FlaskClient, path: str) -> str:
    """The token of the first form on the page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(path).text)
    assert found, f"no form on {path}"
    return found.group(1)


def analyse_all(services: Services, predictor: Predictor) -> None:
    """Do what a worker does, until nothing is left to do."""
    run_due_jobs(services, predictor, "test-worker")


def upload(client: FlaskClient, *files: tuple[str, bytes], field: str = "files") -> TestResponse:
    """Send files through the form; the answer is the page that says what became of them."""
    return post_files(client, files, field, csrf_token(client, "/upload"))


def post_files(
    client: FlaskClient, files: Iterable[tuple[str, bytes]], field: str, token: str
) -> TestResponse:
    """Send files with a CSRF token of one's choice, encoded in memory.

    The test client's own encoder leaves a temporary file open behind a large body.
    """
    parts: MultiDict[str, Any] = MultiDict({"csrf_token": token})
    for name, content in files:
        parts.add(field, FileStorage(io.BytesIO(content), filename=name))
    body, _, boundary = stream_encode_multipart(parts, use_tempfile=False)
    return client.post(
        "/upload",
        data=body.read(),
        content_type=f"multipart/form-data; boundary={boundary}",
        follow_redirects=True,
    )


def upload_folder(client: FlaskClient, folder: Path) -> TestResponse:
    """Send every DICOM file of a folder."""
    return upload(
        client, *((path.name, path.read_bytes()) for path in sorted(folder.glob("*.dcm")))
    )


def only_study(services: Services) -> Study:
    """The one study that is stored."""
    with services.database.read() as session:
        return session.scalars(select(Study)).one()


def new_study(**changes: Any) -> Study:
    """A study row, not yet stored, that says nothing but what `changes` say."""
    facts: dict[str, Any] = {
        "study_instance_uid": "1.2.3",
        "patient_id": "P",
        "patient_name": "",
        "patient_birth_date": "",
        "patient_sex": "",
        "accession_number": "",
        "study_date": "",
        "study_description": "",
        "simulated": False,
    }
    return Study(**{**facts, **changes})


def add_listed(services: Services, name: str, state: str = "flagged", **more: object) -> str:
    """Put a study of that name and state on the worklist; returns its id."""
    with services.database.write() as session:
        study = new_study(study_instance_uid=f"1.2.{name}", patient_name=name, state=state, **more)
        session.add(study)
        session.flush()
        mark_changed(session)
        return study.id


def press(client: FlaskClient, path: str, **fields: object) -> tuple[int, str, str]:
    """A button of the worklist: the answer's status, where it leads, and what it says."""
    data = {"csrf_token": csrf_token(client, "/"), **fields}
    answer = client.post(path, data=data)
    return answer.status_code, answer.location or "", answer.text


def new_reader(app: Flask, name: str) -> FlaskClient:
    """A browser in which a reader of that name, added just now, is logged in."""
    services: Services = app.extensions[EXTENSION]
    auth.create_user(services.database, name, PASSWORD, auth.READER)
    return log_in(app.test_client(), name)


def turn_on(services: Services, **settings: Any) -> list[str]:
    """Choose this for the site, and nothing else; returns the names of what was changed."""
    with services.database.write() as session:
        user = session.scalars(select(User.id)).first()
        assert user
        return choose(session, SiteSettings(**settings), user)
