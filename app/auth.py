"""Who may do what: passwords, login sessions and roles."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import Final, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from flask import abort
from flask_login import UserMixin, current_user, login_required
from sqlalchemy import select

from app.audit.log import (
    LOGIN_FAILED,
    PASSWORD_CHANGED,
    PASSWORD_RESET,
    ROLE_CHANGED,
    USER_ADDED,
    USER_BLOCKED,
    USER_UNBLOCKED,
    record,
)
from app.db.models import User, random_id
from app.db.session import Database

READER: Final = "reader"
ADMINISTRATOR: Final = "administrator"
ROLES: Final = (READER, ADMINISTRATOR)

MIN_PASSWORD_LENGTH: Final = 12

hasher = PasswordHasher()
"""argon2id at the cost that RFC 9106 recommends where memory is scarce, the library's default."""

P = ParamSpec("P")
R = TypeVar("R")


class AccountError(Exception):
    """An account cannot be made or changed as asked; the message says why."""


@dataclass(frozen=True)
class SessionUser(UserMixin):
    """The logged-in user, as pages and views see it."""

    id: str
    username: str
    role: str
    session_key: str

    def get_id(self) -> str:
        """What the cookie carries; a changed session key makes it void."""
        return f"{self.id}:{self.session_key}"

    @property
    def is_administrator(self) -> bool:
        """Whether the user may manage accounts."""
        return self.role == ADMINISTRATOR


def load_user(database: Database, cookie_id: str) -> SessionUser | None:
    """The user of a login cookie, if the account is active and the session was not ended."""
    user_id, _, session_key = cookie_id.partition(":")
    with database.read() as session:
        user = session.get(User, user_id)
    if user is None or not user.active:
        return None
    if not secrets.compare_digest(user.session_key, session_key):
        return None
    return _session_user(user)


def authenticate(database: Database, username: str, password: str) -> SessionUser | None:
    """The user, if name and password are right; takes as long for a name that does not exist."""
    with database.read() as session:
        user = session.scalar(select(User).where(User.username == username))
    known = user is not None and user.active
    try:
        hasher.verify(user.password_hash if user and known else _absent_hash(), password)
    except VerificationError:
        return None
    return _session_user(user) if user and known else None


def record_failed_login(database: Database, username: str, address: str | None) -> str | None:
    """Tell of a failed login; a name that is no account may be a password, and is not kept.

    Returns
    -------
    The id of the account that was tried, if there is one of that name.
    """
    with database.write() as session:
        user_id = session.scalar(select(User.id).where(User.username == username))
        record(session, LOGIN_FAILED, user_id=user_id, address=address, account=user_id is not None)
    return user_id


def create_user(
    database: Database, username: str, password: str, role: str, *, by: str | None = None
) -> None:
    """Add an account; `by` is the id of the administrator who does it, None for a command.

    Raises
    ------
    AccountError
        The name is taken or the password too short.
    """
    _check_password(password)
    with database.write() as session:
        if session.scalar(select(User.id).where(User.username == username)) is not None:
            raise AccountError(f"There is already a user named {username}.")
        session.add(User(username=username, password_hash=hasher.hash(password), role=role))
        record(session, USER_ADDED, user_id=by, added=username, role=role)


def set_password(database: Database, user_id: str, password: str, *, by: str) -> SessionUser:
    """Change a password; every session of the user ends. Returns the user with the new key.

    `by` is the id of who does it: the user, or an administrator.

    Raises
    ------
    AccountError
        The password is too short.
    """
    _check_password(password)
    with database.write() as session:
        user = session.get_one(User, user_id)
        user.password_hash = hasher.hash(password)
        user.session_key = random_id()
        action = PASSWORD_CHANGED if by == user_id else PASSWORD_RESET
        record(session, action, user_id=by, account=user.username)
    return _session_user(user)


def set_active(database: Database, user_id: str, active: bool, *, by: str) -> None:
    """Let an account log in, or no longer; its sessions end either way. `by` is who does it."""
    with database.write() as session:
        user = session.get_one(User, user_id)
        user.active = active
        user.session_key = random_id()
        action = USER_UNBLOCKED if active else USER_BLOCKED
        record(session, action, user_id=by, account=user.username)


def set_role(database: Database, user_id: str, role: str, *, by: str) -> None:
    """Change what an account may do, from its next request on. `by` is who does it."""
    with database.write() as session:
        user = session.get_one(User, user_id)
        user.role = role
        record(session, ROLE_CHANGED, user_id=by, account=user.username, role=role)


def random_password() -> str:
    """A password for a first login, 120 random bits."""
    return secrets.token_urlsafe(15)


def administrator_required(view: Callable[P, R]) -> Callable[P, R]:
    """Refuse everybody but administrators with 403, visitors with the login page."""

    @wraps(view)
    @login_required
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_administrator:
            abort(403)
        return view(*args, **kwargs)

    return guarded


def _session_user(user: User) -> SessionUser:
    return SessionUser(user.id, user.username, user.role, user.session_key)


def _check_password(password: str) -> None:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise AccountError(f"The password needs at least {MIN_PASSWORD_LENGTH} characters.")


@cache
def _absent_hash() -> str:
    """A hash that no password matches, made once, for names that do not exist."""
    return hasher.hash(random_password())
