"""What a site chooses, and how far model and readers agree; for administrators."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from app.auth import administrator_required
from app.db.models import Review
from app.forms import SettingsForm
from app.site import NAMES, SiteSettings, choose, setting_history, site_settings
from app.verdicts.agreement import comparisons
from app.views.context import services
from model.labels import LABELS

blueprint = Blueprint("settings", __name__, url_prefix="/admin")


@blueprint.route("/settings", methods=["GET", "POST"])
@administrator_required
def index() -> str | Response:
    """Show and change what the site has chosen."""
    with services().database.read() as session:
        held = site_settings(session)
        history = setting_history(session)
    form = SettingsForm(obj=held)
    if form.validate_on_submit():
        wanted = SiteSettings(**{name: form[name].data for name in NAMES})
        with services().database.write() as session:
            changed = choose(session, wanted, current_user.id)
        flash("The settings are saved." if changed else "Nothing was changed.", "success")
        return redirect(url_for("settings.index"), code=303)
    titles = {name: form[name].label.text for name in NAMES}
    return render_template("settings.html", form=form, history=history, titles=titles)


@blueprint.get("/agreement")
@administrator_required
def agreement() -> str:
    """Model against readers, and readers against each other, over all studies."""
    with services().database.read() as session:
        reviews = session.scalars(
            select(Review)
            .options(joinedload(Review.user), joinedload(Review.analysis))
            .order_by(Review.created_at, Review.id)
        )
        compared = comparisons(list(reviews))
    return render_template("agreement.html", comparisons=compared, labels=LABELS)
