"""Login, logout and the user's own password."""

import logging
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.wrappers import Response

from app import auth
from app.audit.log import LOGIN, LOGOUT, record
from app.forms import ActionForm, LoginForm, PasswordForm
from app.views.context import limiter, services

logger = logging.getLogger(__name__)

blueprint = Blueprint("account", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
@limiter.limit("10 per minute", methods=["POST"])
def login() -> str | Response | tuple[str, int]:
    """Let a user in."""
    form = LoginForm()
    if not form.validate_on_submit():
        return render_template("login.html", form=form)
    database = services().database
    user = auth.authenticate(database, form.username.data, form.password.data)
    if user is None:
        tried = auth.record_failed_login(database, form.username.data, request.remote_addr)
        # Never the name as it was typed: people type passwords into the wrong field.
        logger.warning("login refused: account %s from %s", tried or "unknown", request.remote_addr)
        flash("Wrong user name or password.", "error")
        return render_template("login.html", form=form), 401
    with database.write() as transaction:
        record(transaction, LOGIN, user_id=user.id, address=request.remote_addr)
    session.permanent = True
    login_user(user)
    return redirect(_local_target(request.args.get("next", "")))


@blueprint.post("/logout")
@login_required
def logout() -> Response:
    """End this session."""
    if ActionForm().validate_on_submit():
        with services().database.write() as transaction:
            record(transaction, LOGOUT, user_id=current_user.id)
        logout_user()
    return redirect(url_for("account.login"))


@blueprint.route("/account", methods=["GET", "POST"])
@login_required
def password() -> str | Response:
    """Change the user's own password; all other sessions of the user end."""
    form = PasswordForm()
    if not form.validate_on_submit():
        return render_template("account.html", form=form)
    database = services().database
    if auth.authenticate(database, current_user.username, form.current.data) is None:
        form.current.errors = ["This is not the present password."]
        return render_template("account.html", form=form)
    login_user(auth.set_password(database, current_user.id, form.new.data, by=current_user.id))
    flash("The password is changed. Your other sessions have ended.", "success")
    return redirect(url_for("worklist.index"))


def _local_target(target: str) -> str:
    """The page asked for before the login, unless it leads to another site."""
    parts = urlsplit(target)
    local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if local and not parts.netloc else url_for("worklist.index")
