"""The worklist: all studies, most urgent first."""

from flask import Blueprint, render_template, request
from flask_login import login_required

from app.db.models import now
from app.views.context import services
from app.worklist import STATES, worklist_page

blueprint = Blueprint("worklist", __name__)

LAST_PAGE = 1_000_000
"""No site has more; larger numbers would overflow in the database."""


@blueprint.get("/")
@login_required
def index() -> str:
    """One page of the worklist, searched and filtered as the address says."""
    search = request.args.get("q", "")[:200]
    state = request.args.get("state", "")
    number = min(max(1, request.args.get("page", 1, int)), LAST_PAGE)
    with services().database.read() as session:
        page = worklist_page(session, search, state, number)
    return render_template(
        "worklist.html",
        page=page,
        search=search,
        state=state,
        states=(*STATES, "reviewed"),
        now=now(),
    )
