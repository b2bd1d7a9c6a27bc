"""The worklist: all studies, most urgent first; what one does with several of them at once."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.db.models import now
from app.heartbeat import alive_from
from app.list_version import ListVersion, list_version
from app.views.context import model_card, services
from app.worklist.actions import ACTIONS
from app.worklist.claims import lapsed_before
from app.worklist.page import Reader, next_study, reader_here, worklist_page
from app.worklist.query import PERIODS, SHOWN_STATES, SIMULATED, WorklistQuery
from app.worklist.saved_views import SavedViewError, delete_view, save_view, views_of

blueprint = Blueprint("worklist", __name__)

LAST_PAGE: Final = 1_000_000
"""No site has more; larger numbers would overflow in the database."""

MOST_PASSED_OVER: Final = 50
"""So many studies "next" keeps out of the way; an address has room for no more."""


@blueprint.get("/")
@login_required
def index() -> str:
    """One page of the worklist, searched and filtered as the address says."""
    with services().database.read() as session:
        version = _version(session)
        facts = _list_facts(session, version)
        views = views_of(session, current_user.id)
    return render_template(
        "worklist.html",
        **facts,
        tag=_tag(version),
        now=now(),
        views=views,
        states=SHOWN_STATES,
        periods=PERIODS,
        simulations=SIMULATED,
    )


@blueprint.get("/worklist")
@login_required
def live() -> ResponseReturnValue:
    """The list alone for an open page: nothing (304) while it is as the page has it."""
    with services().database.read() as session:
        version = _version(session)
        if request.if_none_match.contains_weak(_tag(version)):
            response = Response(status=304)
        else:
            html = render_template("worklist/list.html", **_list_facts(session, version))
            response = Response(html, mimetype="text/html")
    response.set_etag(_tag(version))
    return response


def _version(session: Session) -> ListVersion:
    claims_from = lapsed_before(services().settings.claim_minutes)
    return list_version(session, claims_from, alive_from(), model_card().sha256)


def _tag(version: ListVersion) -> str:
    """Differs whenever the list may differ for this user; by the hour for the filters' periods."""
    parts = (version.changes, version.claims, version.workers, f"{now():%d%H}", current_user.id)
    return "-".join(map(str, parts))


def _reader(session: Session) -> Reader:
    return reader_here(session, current_user.id, services().settings.claim_minutes)


def _list_facts(session: Session, version: ListVersion) -> dict[str, Any]:
    query = WorklistQuery.from_address(request.args)
    number = min(max(1, request.args.get("page", 1, int)), LAST_PAGE)
    return {
        "page": worklist_page(session, query, number, _reader(session)),
        "query": query,
        "served": version.workers > 0,
    }


@blueprint.get("/next")
@login_required
def next_one() -> Response:
    """The most urgent unreviewed study that nobody else reads, but those passed over before."""
    passed_over = request.args.getlist("over")[-MOST_PASSED_OVER:]
    with services().database.read() as session:
        reader = _reader(session)
        found = next_study(session, reader, passed_over)
        if found is None and passed_over:
            # All others were looked at without a verdict: from the start, but for this one.
            passed_over = passed_over[-1:]
            found = next_study(session, reader, passed_over)
    if found is None:
        flash("No other unreviewed study is free.", "info")
        return redirect(url_for("worklist.index"))
    return redirect(url_for("review.study", study_id=found, over=passed_over))


@blueprint.post("/worklist/<action>")
@login_required
def act(action: str) -> Response:
    """Do with all ticked studies what `action` says, and go back to the list."""
    run = ACTIONS.get(action) or abort(404)
    ticked = sorted(set(request.form.getlist("study")))
    if ticked:
        told = run(services(), ticked, current_user)
        flash(told.text, "success" if told.done else "error")
    else:
        flash("No study is ticked.", "error")
    return redirect(url_for("worklist.index", **_back(request.args)), code=303)


@blueprint.post("/views")
@login_required
def save() -> Response:
    """Keep the search under a name."""
    query = WorklistQuery.from_address(request.args)
    try:
        with services().database.write() as session:
            save_view(session, current_user.id, request.form.get("name", ""), query)
    except SavedViewError as error:
        flash(str(error), "error")
    else:
        flash("The view is saved.", "success")
    return redirect(url_for("worklist.index", **_back(request.args)), code=303)


@blueprint.post("/views/<view_id>/delete")
@login_required
def delete(view_id: str) -> Response:
    """Delete one of the user's own views."""
    with services().database.write() as session:
        delete_view(session, current_user.id, id=view_id)
    flash("The view is deleted.", "success")
    return redirect(url_for("worklist.index", **_back(request.args)), code=303)


def _back(args: Mapping[str, str]) -> dict[str, Any]:
    """The part of the address that says where in the list the user was."""
    page = {"page": args["page"]} if "page" in args else {}
    return {**WorklistQuery.from_address(args).address(), **page}
