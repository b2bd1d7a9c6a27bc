"""What a site chooses; for administrators."""

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app import display_windows, retention
from app.auth import administrator_required
from app.display_windows import WindowsError, windows_from
from app.operating_points import CHOICES, NAMES, judged_at, usable_point
from app.site import (
    SettingsChangedError,
    SiteSettings,
    check_unchanged,
    choose,
    in_words,
    newest_choice,
    setting_history,
    site_settings,
)
from app.site_forms import PointsForm, ReadingForm, RetentionForm, SettingsForms, WindowsForm
from app.views.context import model_card, services
from model.labels import LABELS

blueprint = Blueprint("settings", __name__, url_prefix="/admin")

Answer = str | Response | tuple[str, int]


@blueprint.get("/settings")
@administrator_required
def index() -> str:
    """What the site has chosen, and by whom."""
    return _render()


@blueprint.post("/settings")
@administrator_required
def save_reading() -> Answer:
    """Choose how studies are read."""
    form = ReadingForm()
    if not form.validate_on_submit():
        return _refused("reading", form)
    words = {"image_first": form.image_first.data, "second_reader": form.second_reader.data}
    return _save("reading", form, lambda held: replace(held, **words))


@blueprint.post("/settings/windows")
@administrator_required
def save_windows() -> Answer:
    """Choose the display windows."""
    form = WindowsForm()
    if not form.validate_on_submit():
        return _refused("windows", form)
    try:
        usual = form.restore.data
        windows = display_windows.DEFAULTS if usual else windows_from(form.rows)
    except WindowsError as problem:
        return _refused("windows", form, str(problem))
    return _save("windows", form, lambda held: replace(held, windows=windows))


@blueprint.post("/settings/points")
@administrator_required
def save_points() -> Answer:
    """Choose among the operating points that the card in service has measured."""
    form = PointsForm()
    if not form.validate_on_submit():
        return _refused("points", form)
    choices = form.choices()
    for label, name in choices.items():
        if usable_point(model_card(), label, name) is None:
            problem = (
                f"{label}: the model in service has no measured {NAMES[name]} point to judge by; "
                "choose another."
            )
            return _refused("points", form, problem)
    return _save("points", form, lambda held: replace(held, operating_points=choices))


@blueprint.post("/settings/retention")
@administrator_required
def save_retention() -> Answer:
    """Tell what a number of days would remove, or choose it."""
    form = RetentionForm()
    if not form.validate_on_submit():
        return _refused("retention", form)
    if form.preview.data:
        return _render(retention=form)
    if form.wanted and not form.understood.data:
        problem = (
            "Nothing was saved: say that you know that removed studies cannot be brought back."
        )
        return _refused("retention", form, problem)
    return _save("retention", form, lambda held: replace(held, retention_days=form.wanted))


ChoiceForm = ReadingForm | WindowsForm | PointsForm | RetentionForm


def _save(part: str, form: ChoiceForm, change: Callable[[SiteSettings], SiteSettings]) -> Answer:
    try:
        with services().database.write() as session:
            check_unchanged(session, form.seen.data)
            changed = choose(session, change(site_settings(session)), current_user.id)
    except SettingsChangedError as problem:
        return _render(part, str(problem)), 409
    flash("The settings are saved." if changed else "Nothing was changed.", "success")
    return redirect(url_for("settings.index"), code=303)


def _refused(part: str, form: ChoiceForm, problem: str = "") -> tuple[str, int]:
    """The page with what was typed, and the one sentence that says what is wrong with it."""
    told = problem or next((f"{errors[0]}" for errors in form.errors.values()), "")
    return _render(part, told, **{part: form}), 400


def _render(part: str = "", problem: str = "", **sent: ChoiceForm) -> str:
    """The page. `problem` belongs to its `part`; forms in `sent` are shown as they were sent."""
    settings = services().settings
    with services().database.read() as session:
        held = site_settings(session)
        forms = SettingsForms(held, newest_choice(session))
        for name, form in sent.items():
            setattr(forms, name, form)
        days = forms.retention.wanted
        found = retention.preview(session, days, settings.claim_minutes)
        left = retention.files_left(session)
        history = setting_history(session)
    return render_template(
        "settings.html",
        forms=forms,
        part=part,
        problem=problem,
        days=days,
        held=held,
        preview=found,
        files_left=left,
        unserved=judged_at(model_card(), held.operating_points)[1],
        usable={
            (label, name): usable_point(model_card(), label, name) is not None
            for label in LABELS
            for name in CHOICES[1:]
        },
        labels=LABELS,
        side_by_side=display_windows.SIDE_BY_SIDE,
        history=history,
        chosen=in_words,
    )
