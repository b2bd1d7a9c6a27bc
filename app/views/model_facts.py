"""The model card as a page."""

from flask import Blueprint, render_template
from flask_login import login_required

from model.measured import FIGURE_NAMES, amount_of_blood

blueprint = Blueprint("model_facts", __name__)


@blueprint.get("/model")
@login_required
def index() -> str:
    """What the model is, what it was trained on, how good it is, and where it was never tested."""
    return render_template("model.html", figure_names=FIGURE_NAMES, amount_of_blood=amount_of_blood)
