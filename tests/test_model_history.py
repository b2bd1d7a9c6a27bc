"""Which models judged here: counted with what was removed since, and shown to administrators."""

from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.db.models import Analysis, WorkerHeartbeat, now
from app.db.retention import KeptAnalysis
from app.model_history import ModelUse, model_uses
from app.services import Services
from app.views.context import EXTENSION
from clinic import log_in
from model.artifact import ModelCard
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED
from model.labels import LABELS
from read_study import STATES, add_read_study

ON_EVERY_DATABASE = True

FIRST, LAST = datetime(2026, 1, 2, 3, 4, tzinfo=UTC), datetime(2026, 5, 6, 7, 8, tzinfo=UTC)


def analysed(services: Services, any_state: str | None, **facts: Any) -> None:
    """A series that a model judged, or refused to."""
    read = add_read_study(services, STATES)
    states = None if any_state is None else dict.fromkeys(LABELS, NOT_FLAGGED) | {"any": any_state}
    with services.database.write() as session:
        which = update(Analysis).where(Analysis.id == read.analysis)
        session.execute(which.values(states=states, model_name="Falx", **facts))


def removed(services: Services, any_state: str, **facts: Any) -> None:
    kept = {"id": "k", "series_id": "s", "model_name": "Falx", "states": {"any": any_state}}
    with services.database.write() as session:
        session.add(KeptAnalysis(**kept, **facts))


def test_each_model_is_counted_with_what_was_removed(services: Services) -> None:
    one = {"model_version": "1", "model_sha256": "a" * 64}
    two = {"model_version": "1", "model_sha256": "b" * 64}
    removed(services, FLAGGED, created_at=FIRST, **one)
    analysed(services, NOT_FLAGGED, created_at=LAST, **one)
    analysed(services, None, created_at=FIRST, **one)
    analysed(services, INDETERMINATE, created_at=LAST.replace(month=6), **two)

    with services.database.read() as session:
        newer, older = model_uses(session)

    assert older == ModelUse("Falx", "1", "a" * 64, FIRST, LAST, 3, 2, 1, 1)
    assert older.flag_rate == 0.5
    assert (newer.sha256, newer.series, newer.flag_rate) == ("b" * 64, 1, 0.0)


def test_the_page_tells_which_model_is_in_service_and_whether_it_works(
    app: Flask, administrator: FlaskClient, services: Services
) -> None:
    card: ModelCard = app.extensions["falx-card"]
    analysed(services, FLAGGED, model_version=card.version, model_sha256=card.sha256)
    analysed(services, NOT_FLAGGED, model_version="0.0.9", model_sha256="c" * 64)
    idle = administrator.get("/admin/models").text
    loaded = {"model_version": card.version, "model_sha256": card.sha256, "device": "cpu"}
    opened: Services = app.extensions[EXTENSION]
    with opened.database.write() as session:
        session.add(WorkerHeartbeat(worker="w", seen_at=now(), **loaded))

    page = administrator.get("/admin/models").text

    assert card.sha256 in page
    assert 'href="/model"' in page
    assert page.count("(in service)") == 1
    assert "100 % <small>(1 of 1)" in page
    assert "0 % <small>(0 of 1)" in page
    assert "No living worker has loaded it" in idle
    assert "1 of 1 living worker has loaded it" in page


def test_the_page_is_for_administrators_and_bears_an_empty_history(app: Flask) -> None:
    assert log_in(app.test_client(), "rita").get("/admin/models").status_code == 403
    assert (
        "No series was analysed yet" in log_in(app.test_client(), "ada").get("/admin/models").text
    )
