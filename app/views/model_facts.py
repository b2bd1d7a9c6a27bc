"""The model card as a page."""

from flask import Blueprint, Response, abort, render_template
from flask_login import login_required

from app.views.context import model_card, services
from model.detected import size_of_bleeding
from model.failure import PICTURE_NAME, Failures, read_failures
from model.measured import FIGURE_NAMES, amount_of_blood

blueprint = Blueprint("model_facts", __name__)


@blueprint.get("/model")
@login_required
def index() -> str:
    """What the model is, what it was trained on, how good it is, and where it was never tested."""
    return render_template(
        "model.html",
        figure_names=FIGURE_NAMES,
        amount_of_blood=amount_of_blood,
        size_of_bleeding=size_of_bleeding,
        failures=_failures(),
    )


@blueprint.get("/model/failures/<int(max=99):number>.png")
@login_required
def failure_picture(number: int) -> Response:
    """A synthetic slice that these weights judge wrongly."""
    found = _failures()
    path = services().settings.model / PICTURE_NAME.format(number)
    if found is None or not 1 <= number <= len(found.examples) or not path.is_file():
        abort(404)
    return Response(path.read_bytes(), mimetype="image/png")


def _failures() -> Failures | None:
    return read_failures(services().settings.model, model_card().sha256)
