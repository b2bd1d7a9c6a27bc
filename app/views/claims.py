"""Who reads a study: take it, take it over, give it back; and what the reading page shows of it."""

from typing import Any, Final

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from app.audit.log import RELEASED, record
from app.db.models import Study
from app.views.context import services
from app.worklist import claims
from app.worklist.claims import Holder, StudyClaimedError
from app.worklist.page import hidden_findings, others_of_patient

blueprint = Blueprint("claims", __name__)

SHOWN_OTHERS: Final = 10
"""Studies of the same patient that the reading page lists."""

PLACE: Final = ("series", "slice", "label", "heat", "over")
"""What of the reading page's address says where in the study the reader is."""


@blueprint.post("/studies/<study_id>/claim")
@login_required
def take(study_id: str) -> ResponseReturnValue:
    """Claim the study and open it; where another reads it, ask first."""
    over_from = request.form.get("over_from", "")
    with services().database.read() as session:
        found = session.get(Study, study_id) or abort(404)
    try:
        with services().database.write() as session:
            before = claims.holder_of(session, study_id, _minutes())
            claims.take(session, study_id, current_user.id, _minutes(), over_from=over_from)
    except StudyClaimedError as error:
        return render_template("worklist/taken.html", study=found, holder=error.holder), 409
    if before is not None and before.user_id != current_user.id:
        flash(f"You took the study over from {before.username}.", "success")
    return redirect(_reading_page(study_id), code=303)


@blueprint.post("/studies/<study_id>/release")
@login_required
def release(study_id: str) -> ResponseReturnValue:
    """Give the study back to the list."""
    with services().database.write() as session:
        holder = claims.holder_of(session, study_id, _minutes())
        if holder is not None:
            if not claims.may_release(holder, current_user):
                abort(403, "Only its reader or an administrator may release a study.")
            claims.release(session, study_id)
            by, of = current_user.id, holder.username
            record(session, RELEASED, user_id=by, study_id=study_id, of=of)
    return redirect(_reading_page(study_id), code=303)


def _reading_page(study_id: str) -> str:
    """The study's page, where in it the reader was."""
    return url_for("review.study", study_id=study_id, **_place())


def _place() -> dict[str, Any]:
    return {key: request.args.getlist(key) for key in PLACE if key in request.args}


@blueprint.get("/studies/<study_id>/claim")
@login_required
def live(study_id: str) -> ResponseReturnValue:
    """Who reads the study, for an open page: nothing (304) while it is as the page has it."""
    holder = _holder_of(study_id)
    tag = _claim_tag(holder)
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    else:
        html = render_template("review/claim_state.html", study_id=study_id, holder=holder)
        response = Response(html, mimetype="text/html")
    response.set_etag(tag)
    return response


@blueprint.app_context_processor
def _page_facts() -> dict[str, Any]:
    """For the reading page's parts, which ask only where they are shown."""
    functions = (_holder_of, _claim_tag, _others_of, _place)
    return {function.__name__.removeprefix("_"): function for function in functions}


def _holder_of(study_id: str) -> Holder | None:
    with services().database.read() as session:
        return claims.holder_of(session, study_id, _minutes())


def _claim_tag(holder: Holder | None) -> str:
    return f"{holder.user_id}-{holder.since.timestamp()}" if holder else "free"


def _others_of(study: Study) -> tuple[list[Study], int, set[str]]:
    """The patient's other studies, how many there are, and whose finding is hidden."""
    with services().database.read() as session:
        found, total = others_of_patient(session, study, SHOWN_OTHERS)
        return found, total, hidden_findings(session, found, current_user.id)


def _minutes() -> int:
    return services().settings.claim_minutes
