"""The review page: a study's slices beside the model's probabilities, and the reader's verdict."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from sqlalchemy.orm import joinedload, selectinload
from werkzeug.wrappers import Response

from app.db.models import Analysis, Review, Study, random_id
from app.forms import ReviewForm
from app.study_page import study_page
from app.views.context import services
from app.views.images import PRESETS
from app.worklist import latest_analyses, load_study, refresh_study
from model.labels import LABELS

blueprint = Blueprint("review", __name__)


@blueprint.get("/studies/<study_id>")
@login_required
def study(study_id: str) -> str:
    """A study at one slice of one series."""
    return _render(study_id, ReviewForm(formdata=None))


@blueprint.post("/studies/<study_id>/reviews")
@login_required
def save(study_id: str) -> Response | tuple[str, int]:
    """Keep the reader's verdict; the earlier ones stay."""
    form = ReviewForm()
    if not form.validate_on_submit():
        return _render(study_id, form), 400
    if not form.verdicts() and not form.comment.data:
        flash("Nothing was said: choose a verdict for a label, or write a comment.", "error")
        return _render(study_id, form), 400
    analysis_id = _shown_analysis(study_id)
    with services().database.write() as session:
        found = session.get(Study, study_id) or abort(404)
        session.add(
            Review(
                id=random_id(),
                study_id=found.id,
                analysis_id=analysis_id,
                user_id=current_user.id,
                verdicts=form.verdicts(),
                reasons=form.reasons(),
                comment=form.comment.data or "",
            )
        )
        session.flush()
        refresh_study(session, found.id)
    flash("The verdict is saved.", "success")
    return redirect(url_for("review.study", **_place(study_id)), code=303)


def _render(study_id: str, form: ReviewForm) -> str:
    database = services().database
    with database.read() as session:
        found = load_study(session, study_id) or abort(404)
        analyses = latest_analyses(session, study_id, selectinload(Analysis.slices))
    page = study_page(
        database,
        found,
        analyses,
        series_id=request.args.get("series", ""),
        number=request.args.get("slice", None, int),
        label=_shown_label(),
        heat="heat" in request.args,
    )
    return render_template("review.html", page=page, form=form, labels=LABELS, windows=PRESETS)


def _shown_label() -> str:
    label = request.args.get("label", LABELS[0])
    return label if label in LABELS else LABELS[0]


def _place(study_id: str) -> dict[str, Any]:
    """Where in the study the reader was, so that saving a verdict does not lose it."""
    kept = {key: request.args[key] for key in ("series", "slice", "label") if key in request.args}
    return {"study_id": study_id, **kept}


def _shown_analysis(study_id: str) -> str | None:
    with services().database.read() as session:
        analysis = session.get(
            Analysis, request.form.get("analysis", ""), options=[joinedload(Analysis.series)]
        )
    return analysis.id if analysis and analysis.series.study_id == study_id else None
