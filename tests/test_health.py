"""`/healthz` is well only while an upload would really be analysed."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from app.db.models import WorkerHeartbeat, now
from app.services import Services
from app.worker import _write_heartbeat
from model.predictor import Predictor


def beat(services: Services, sha256: str, seconds_ago: int) -> None:
    with services.database.write() as session:
        session.add(
            WorkerHeartbeat(
                worker=str(seconds_ago),
                seen_at=now() - timedelta(seconds=seconds_ago),
                model_version="x",
                model_sha256=sha256,
                device="cpu",
            )
        )


def test_without_a_worker_the_system_is_degraded(client: FlaskClient) -> None:
    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.get_json()["status"] == "degraded"
    assert answer.get_json()["database"] == "ok"


def test_with_a_live_worker_on_the_right_model_it_is_well(
    client: FlaskClient, services: Services, predictor: Predictor
) -> None:
    _write_heartbeat(services, predictor, "worker-1")

    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.get_json()["workers"][0]["alive"] is True
    assert answer.get_json()["model_sha256"] == predictor.card.sha256


@pytest.mark.parametrize(("sha256", "seconds_ago"), [("0" * 64, 1), (None, 60)])
def test_a_worker_with_another_model_or_a_silent_one_does_not_count(
    client: FlaskClient,
    services: Services,
    predictor: Predictor,
    sha256: str | None,
    seconds_ago: int,
) -> None:
    beat(services, sha256 or predictor.card.sha256, seconds_ago)

    assert client.get("/healthz").status_code == 503


def test_a_lost_database_is_told_not_thrown(client: FlaskClient, services: Services) -> None:
    with services.database.write() as session:
        session.execute(text("DROP TABLE worker_heartbeat"))

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.get_json()["database"] == "not available"
