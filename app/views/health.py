"""Whether the system works: for load balancers, monitoring and the person who installs it."""

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app.db.models import WorkerHeartbeat
from app.heartbeat import alive_from
from app.views.context import model_card, services

blueprint = Blueprint("health", __name__, description="State of the system")


class WorkerSchema(Schema):
    """A worker's last sign of life."""

    alive = fields.Boolean(required=True)
    seen_at = fields.AwareDateTime(required=True)
    device = fields.String(required=True)
    model_version = fields.String(required=True)
    model_sha256 = fields.String(required=True)


class HealthSchema(Schema):
    """State of each part; `status` is ok, or degraded where an upload would not be analysed."""

    status = fields.String(required=True)
    web = fields.String(required=True)
    database = fields.String(required=True)
    model_version = fields.String(required=True)
    model_sha256 = fields.String(
        required=True, metadata={"description": "SHA-256 of the model that this site should serve"}
    )
    workers = fields.List(fields.Nested(WorkerSchema), required=True)


@blueprint.route("/healthz")
@blueprint.response(200, HealthSchema)
@blueprint.alt_response(503, schema=HealthSchema, description="A part does not work")
def healthz() -> tuple[dict[str, Any], int]:
    """State of web, database and workers. Needs no login and names no patient."""
    database, workers = "ok", []
    try:
        with services().database.read() as session:
            workers = list(session.scalars(select(WorkerHeartbeat)))
    except SQLAlchemyError:
        database = "not available"
    seen = [
        {
            "alive": worker.seen_at >= alive_from(),
            "seen_at": worker.seen_at,
            "device": worker.device,
            "model_version": worker.model_version,
            "model_sha256": worker.model_sha256,
        }
        for worker in workers
    ]
    serving = any(w["alive"] and w["model_sha256"] == model_card().sha256 for w in seen)
    healthy = database == "ok" and serving
    facts = {
        "status": "ok" if healthy else "degraded",
        "web": "ok",
        "database": database,
        "model_version": model_card().version,
        "model_sha256": model_card().sha256,
        "workers": seen,
    }
    return facts, 200 if healthy else 503
