"""The review page: a study's slices beside the model's probabilities, and the reader's verdict."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from sqlalchemy.orm import Session, joinedload, selectinload
from werkzeug.wrappers import Response

from app.audit.log import OF_REVIEW, record, record_opened
from app.db.models import Analysis, Review, Series, Study
from app.forms import ActionForm, ImpressionForm, ReviewForm
from app.reading.slices import ordered_instances
from app.reading.study_page import study_page
from app.reading.verdict_panel import slice_places, verdict_panel
from app.site import site_settings
from app.study_state import latest_analyses, load_study, refresh_study
from app.verdicts.record import (
    ADJUDICATION,
    AGREE,
    DISAGREE,
    FIRST_IMPRESSION,
    IMPRESSION_SKIPPED,
    REASONS,
    VERDICT,
    WITHDRAWAL,
    finding_hidden,
    in_force,
    may_adjudicate,
    reviews_of,
    shown_to,
    standing,
)
from app.verdicts.statement import Statement, StatementError, problems, with_rest_absent
from app.views.context import services
from app.worklist import claims
from model.labels import LABELS

blueprint = Blueprint("review", __name__)

DONE: Final = {
    "saved": "The verdict is saved.",
    "withdrawn": "Your last verdict is withdrawn. It stays in the history.",
    "nothing to withdraw": "There is no verdict of yours to withdraw.",
    "impression": "Your first impression is stored. This is the finding.",
    "skipped": "It is recorded that you asked for the finding.",
}
"""What the page says after a request that changed something."""


@blueprint.get("/studies/<study_id>")
@login_required
def study(study_id: str) -> str:
    """A study at one slice of one series."""
    return _render(study_id)


@blueprint.post("/studies/<study_id>/reviews")
@login_required
def save(study_id: str) -> Response | tuple[str, int]:
    """Keep the reader's verdict; the earlier ones stay."""
    form = ReviewForm()
    if not form.validate_on_submit():
        return _render(study_id, form, _form_problems(form)), 400
    analysis, series = _shown(study_id)
    states = analysis.states if analysis else None
    try:
        statement = _with_shortcut(form.statement(), states)
    except StatementError as problem:
        return _render(study_id, form, [str(problem)]), 400
    if statement.empty:
        wanted = "Nothing was said: choose a verdict for a label, or write a comment."
        return _render(study_id, form, [wanted]), 400
    instances = ordered_instances(services().database, series.id)[0] if series else []
    found = problems(statement, states, slice_places(instances))
    if found:
        return _render(study_id, form, found), 400
    _keep(
        _row(study_id, _wanted_kind(study_id, series), statement, analysis=analysis, series=series)
    )
    return _back(study_id, "saved")


@blueprint.post("/studies/<study_id>/reviews/undo")
@login_required
def undo(study_id: str) -> Response:
    """Withdraw the reader's newest verdict that still holds; both rows stay."""
    _checked()
    with services().database.write() as session:
        _locked(session, study_id)
        mine = [r for r in in_force(reviews_of(session, study_id)) if r.user_id == current_user.id]
        if mine:
            row = _row(study_id, WITHDRAWAL, Statement({}))
            row.withdraws, row.series_id = mine[-1].id, mine[-1].series_id
            _add(session, row)
    return _back(study_id, "withdrawn" if mine else "nothing to withdraw")


@blueprint.post("/studies/<study_id>/impression")
@login_required
def impression(study_id: str) -> Response | tuple[str, int]:
    """Keep what the reader thinks before he has seen the finding, and show it."""
    form = ImpressionForm()
    if not form.validate_on_submit():
        return _render(study_id, problems=_form_problems(form), impression=form), 400
    if not form.words():
        wanted = "Nothing was said: choose a word for a label, or ask for the finding."
        return _render(study_id, problems=[wanted], impression=form), 400
    _keep_impression(study_id, FIRST_IMPRESSION, Statement(form.words()))
    return _back(study_id, "impression")


@blueprint.post("/studies/<study_id>/impression/skip")
@login_required
def skip_impression(study_id: str) -> Response:
    """Show the finding to a reader who asks for it, and record that he did."""
    _checked()
    _keep_impression(study_id, IMPRESSION_SKIPPED, Statement({}))
    return _back(study_id, "skipped")


def _render(
    study_id: str,
    form: ReviewForm | None = None,
    problems: Sequence[str] = (),
    impression: ImpressionForm | None = None,
) -> str:
    database = services().database
    with database.read() as session:
        found = load_study(session, study_id) or abort(404)
        analyses = latest_analyses(session, study_id, selectinload(Analysis.slices))
        reviews = reviews_of(session, study_id)
        shown = shown_to(session, reviews, current_user.id)
        hidden = finding_hidden(session, study_id, current_user.id)
        windows = site_settings(session).windows
    page = study_page(
        database,
        found,
        # Without analyses, neither series nor slice in view tell where the finding is.
        {} if hidden else analyses,
        series_id=request.args.get("series", ""),
        number=request.args.get("slice", None, int),
        label=_shown_label(),
        heat="heat" in request.args,
    )
    shown_analyses = [page.analysis] if page.analysis else []
    record_opened(database, current_user.id, study_id, shown_analyses, hidden=hidden)
    return render_template(
        "review.html",
        page=page,
        hidden=hidden,
        impression=impression or ImpressionForm(formdata=None),
        panel=verdict_panel(page, reviews, shown, current_user, form),
        problems=problems,
        done="" if problems else DONE.get(request.args.get("done", ""), ""),
        labels=LABELS,
        reasons=REASONS,
        windows={window.name: window for window in windows},
    )


def _shown_label() -> str:
    label = request.args.get("label", LABELS[0])
    return label if label in LABELS else LABELS[0]


def _back(study_id: str, done: str) -> Response:
    """To where in the study the reader was, so that saving a verdict does not lose it.

    What was done goes with the address: a message in the session would meet the requests that the
    viewer has under way, and be shown again.
    """
    kept = ("series", "slice", "label", "heat")
    place: dict[str, Any] = {key: request.args[key] for key in kept if key in request.args}
    address = url_for("review.study", study_id=study_id, **place, done=done, _anchor="verdict")
    return redirect(address, code=303)


def _form_problems(form: ReviewForm | ImpressionForm) -> list[str]:
    """The form's errors as sentences, each after its field's name."""
    told = []
    for name, errors in form.errors.items():
        lines = errors.values() if isinstance(errors, dict) else [errors]
        told += [f"{form[name].label.text}: {' '.join(map(str, line))}" for line in lines]
    return told


def _shown(study_id: str) -> tuple[Analysis | None, Series | None]:
    """The analysis and the series that were on the screen, if they belong to the study."""
    with services().database.read() as session:
        analysis = session.get(
            Analysis, request.form.get("analysis", ""), options=[joinedload(Analysis.series)]
        )
        if analysis and analysis.series.study_id != study_id:
            analysis = None
        series = session.get(Series, request.args.get("series", ""))
    if series and series.study_id == study_id:
        return (analysis if analysis and analysis.series_id == series.id else None), series
    return analysis, analysis.series if analysis else None


def _with_shortcut(statement: Statement, states: dict[str, str] | None) -> Statement:
    """The statement after the button or key: agree, disagree (with a reason), the rest absent."""
    action, _, reason = request.form.get("quick", "").partition(":")
    if action == "rest absent":
        return replace(statement, verdicts=with_rest_absent(statement, states))
    if action not in (AGREE, DISAGREE):
        return statement
    label = _shown_label()
    reasons = {name: why for name, why in statement.reasons.items() if name != label}
    if reason in REASONS:
        reasons[label] = reason
    return replace(statement, verdicts={**statement.verdicts, label: action}, reasons=reasons)


def _wanted_kind(study_id: str, series: Series | None) -> str:
    """Verdict, or adjudication where it was asked for; 403 unless the user may settle this."""
    if request.form.get("kind") != ADJUDICATION:
        return VERDICT
    with services().database.read() as session:
        shown = shown_to(session, reviews_of(session, study_id), current_user.id)
    here = standing(shown, series.id if series else None)
    if not may_adjudicate(here, current_user.id, current_user.role):
        abort(403)
    return ADJUDICATION


def _row(
    study_id: str,
    kind: str,
    statement: Statement,
    *,
    analysis: Analysis | None = None,
    series: Series | None = None,
) -> Review:
    reasons = {
        label: why for label, why in statement.reasons.items() if label in statement.verdicts
    }
    return Review(
        study_id=study_id,
        series_id=series.id if series else None,
        analysis_id=analysis.id if analysis else None,
        user_id=current_user.id,
        kind=kind,
        verdicts=statement.verdicts,
        reasons=reasons,
        slice_verdicts=statement.slice_verdicts,
        regions=statement.regions,
        comment=statement.comment,
    )


def _keep(row: Review) -> None:
    with services().database.write() as session:
        _locked(session, row.study_id)
        _add(session, row)
        claims.release(session, row.study_id)


def _keep_impression(study_id: str, kind: str, statement: Statement) -> None:
    """Store it beside the newest analysis of the series, which the reader has not seen."""
    with services().database.read() as session:
        analyses = latest_analyses(session, study_id, joinedload(Analysis.series))
    found = analyses.get(request.args.get("series", "")) or next(iter(analyses.values()), None)
    row = _row(study_id, kind, statement, analysis=found, series=found.series if found else None)
    with services().database.write() as session:
        _locked(session, study_id)
        _add(session, row)


def _add(session: Session, row: Review) -> None:
    session.add(row)
    session.flush()
    action = OF_REVIEW[row.kind]
    # Words on labels alone: a comment may name the patient, and the log outlives the study.
    words = {"decided": row.verdicts, "reasons": row.reasons}
    decided = {name: of_labels for name, of_labels in words.items() if of_labels}
    record(session, action, user_id=row.user_id, study_id=row.study_id, review=row.id, **decided)
    refresh_study(session, row.study_id)


def _locked(session: Session, study_id: str) -> Study:
    """The study, locked until the transaction ends: what was stored of it is read in peace."""
    return session.get(Study, study_id, with_for_update=True) or abort(404)


def _checked() -> None:
    if not ActionForm().validate_on_submit():
        abort(400)
