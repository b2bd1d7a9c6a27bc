"""The models that judged series here, for administrators."""

from flask import Blueprint, render_template
from sqlalchemy import select

from app.auth import administrator_required
from app.db.models import WorkerHeartbeat
from app.heartbeat import alive_from
from app.model_history import model_uses
from app.views.context import services

blueprint = Blueprint("model_history", __name__, url_prefix="/admin")


@blueprint.get("/models")
@administrator_required
def index() -> str:
    """The model in service, and every model before it with what it did."""
    with services().database.read() as session:
        uses = model_uses(session)
        alive = session.scalars(
            select(WorkerHeartbeat.model_sha256).where(WorkerHeartbeat.seen_at >= alive_from())
        ).all()
    return render_template("model_history.html", uses=uses, alive=alive)
