"""Accounts, for administrators."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_login import current_user
from sqlalchemy import select
from werkzeug.wrappers import Response

from app import auth
from app.auth import AccountError, administrator_required
from app.db.models import User
from app.forms import ActionForm, UserForm
from app.views.context import services

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


@blueprint.route("/users", methods=["GET", "POST"])
@administrator_required
def users() -> str | Response:
    """List the accounts; add one with a random first password."""
    form = UserForm()
    if form.validate_on_submit():
        password = auth.random_password()
        try:
            auth.create_user(
                services().database,
                form.username.data,
                password,
                form.role.data,
                by=current_user.id,
            )
        except AccountError as error:
            flash(str(error), "error")
        else:
            _tell_password(form.username.data, password)
        return redirect(url_for("admin.users"))
    with services().database.read() as session:
        accounts = list(session.scalars(select(User).order_by(User.username)))
    return render_template("users.html", form=form, accounts=accounts)


@blueprint.post("/users/<user_id>/password")
@administrator_required
def reset_password(user_id: str) -> Response:
    """Give a user a new random password."""
    _checked_user(user_id)
    password = auth.random_password()
    user = auth.set_password(services().database, user_id, password, by=current_user.id)
    _tell_password(user.username, password)
    return redirect(url_for("admin.users"))


@blueprint.post("/users/<user_id>/active/<state>")
@administrator_required
def set_active(user_id: str, state: str) -> Response:
    """Block an account or let it in again; nobody can block himself."""
    user = _checked_user(user_id)
    if user.id == current_user.id:
        flash("You cannot block your own account.", "error")
    else:
        auth.set_active(services().database, user_id, state == "yes", by=current_user.id)
    return redirect(url_for("admin.users"))


@blueprint.post("/users/<user_id>/role/<role>")
@administrator_required
def set_role(user_id: str, role: str) -> Response:
    """Make a user an administrator or a reader; nobody can change his own role."""
    user = _checked_user(user_id)
    if role not in auth.ROLES:
        abort(404)
    if user.id == current_user.id:
        flash("You cannot change your own role: somebody must stay an administrator.", "error")
    else:
        auth.set_role(services().database, user_id, role, by=current_user.id)
        flash(f"{user.username} is {role} from now on.", "success")
    return redirect(url_for("admin.users"))


def _checked_user(user_id: str) -> User:
    if not ActionForm().validate_on_submit():
        abort(400)
    with services().database.read() as session:
        user = session.get(User, user_id)
    return user or abort(404)


def _tell_password(username: str, password: str) -> None:
    flash(f"Password of {username}: {password} (shown only now)", "success")
