"""Builds the web application from its settings."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

from flask import Flask, Response, abort, redirect, render_template, request, url_for
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user
from flask_smorest import Api
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import Forbidden, HTTPException, NotFound
from werkzeug.middleware.proxy_fix import ProxyFix

from app import auth
from app.config import PROJECT_ROOT, load_settings, secret_key
from app.db.models import random_id
from app.presentation import register_filters
from app.services import Services, open_services
from app.views import (
    account,
    admin,
    agreement,
    api,
    audit,
    claims,
    context,
    dashboard,
    health,
    images,
    model_facts,
    model_history,
    reports,
    review,
    settings,
    upload,
    worklist,
)
from app.views.context import EXTENSION, limiter, page_facts
from model.artifact import load_card

logger = logging.getLogger(__name__)

UPLOAD = "upload.form"
FORM_BYTES = 1024 * 1024
"""Most bytes of a request that uploads nothing."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_app(overrides: Mapping[str, object] | None = None) -> Flask:
    """The web application; `overrides` are settings that win over the environment (tests)."""
    services = open_services(load_settings(overrides=overrides))
    app = Flask(
        __name__,
        template_folder="../templates",
        static_folder="../static",
        static_url_path=f"/static/{_contents_hash(PROJECT_ROOT / 'static')}",
    )
    _configure(app, services)
    if services.settings.https:
        # HTTPS ends at one proxy in front; the rate limit needs the reader's address, not its own.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    app.extensions[EXTENSION] = services
    app.extensions["falx-card"] = load_card(services.settings.model / "falx.json")
    _init_login(app, services)
    app.before_request(_refuse_nul)
    app.before_request(_bound_request)
    # After the bounds: it reads the form, and with it the whole request.
    CSRFProtect(app)
    limiter.init_app(app)
    _register_views(app)
    _register_errors(app)
    register_filters(app)
    app.context_processor(page_facts)
    app.after_request(_secure)
    return app


def _contents_hash(folder: Path) -> str:
    """What is in the folder, as part of an address: browsers keep it until something changes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _configure(app: Flask, services: Services) -> None:
    settings = services.settings
    app.config.update(
        SECRET_KEY=secret_key(settings),
        SEND_FILE_MAX_AGE_DEFAULT=365 * 24 * 3600,
        MAX_CONTENT_LENGTH=settings.max_request_bytes,
        PERMANENT_SESSION_LIFETIME=settings.session_hours * 3600,
        SESSION_COOKIE_NAME="__Host-falx" if settings.https else "falx",
        SESSION_COOKIE_SECURE=settings.https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        RATELIMIT_STORAGE_URI="memory://",
        API_TITLE="Falx",
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.session_interface = _SessionsOfPages()
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


class _SessionsOfPages(SecureCookieSessionInterface):
    """Static files are everybody's: with a cookie, browsers would ask for them again each time."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send the cookie with whatever is not a static file."""
        if request.endpoint != "static":
            super().save_session(app, session, response)


def _init_login(app: Flask, services: Services) -> None:
    manager = LoginManager(app)
    manager.unauthorized_handler(_ask_for_login)
    manager.user_loader(lambda cookie_id: auth.load_user(services.database, cookie_id))


def _refuse_nul() -> None:
    """An address with NUL names nothing here: PostgreSQL cannot even look for it."""
    if "\x00" in request.path:
        abort(404)


def _bound_request() -> ResponseReturnValue | None:
    """Bound what is read of a request: files only in uploads, and only from who may upload."""
    if request.endpoint != UPLOAD:
        request.max_content_length = FORM_BYTES
    elif request.method == "POST" and not current_user.is_authenticated:
        return _ask_for_login()
    else:
        # A folder has more parts than Flask allows by default; a setting bounds them instead.
        request.max_form_parts = context.services().settings.max_files + 10
    return None


def _ask_for_login() -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return _error_page(401, "Unauthorized", "")
    return redirect(url_for("account.login", next=request.full_path.rstrip("?")))


def _register_views(app: Flask) -> None:
    pages = (account, admin, agreement, audit, claims, dashboard, images, model_facts)
    for module in (*pages, model_history, reports, review, settings, upload, worklist):
        app.register_blueprint(module.blueprint)
    interface = Api(app)
    interface.register_blueprint(api.blueprint)
    interface.register_blueprint(health.blueprint)


def _register_errors(app: Flask) -> None:
    app.register_error_handler(HTTPException, _expected_error)
    app.register_error_handler(OperationalError, _database_error)
    app.register_error_handler(Exception, _unexpected_error)


def _expected_error(error: HTTPException) -> ResponseReturnValue:
    return _error_page(error.code or 500, *_in_words(error))


def _in_words(error: HTTPException) -> tuple[str, str]:
    """What went wrong, and what helps; ours where the framework's words would not."""
    if isinstance(error, CSRFError):
        helps = "Nothing was changed. Go back, load the page again, and send the form once more."
        return "The form is out of date", helps
    if error.code == 413 and request.endpoint == UPLOAD:
        return error.name, (
            "The upload is larger, or has more files, than this site accepts in one go. Nothing "
            "was stored. Send it in parts, or ask the administrator to raise "
            "FALX_MAX_REQUEST_BYTES or FALX_MAX_FILES."
        )
    words = {
        NotFound: "There is no such page. Of a study that was removed nothing is left here.",
        Forbidden: "Your role does not open this page. Ask an administrator.",
    }
    usual = error.description == type(error).description
    told = words.get(type(error)) if usual else None
    return error.name, told or error.description or ""


def _database_error(error: OperationalError) -> ResponseReturnValue:
    reference = random_id()[:8]
    logger.error("reference %s: the database does not answer: %s", reference, error)
    return _error_page(
        503,
        "The database is not available",
        f"It is busy or has no room. Try again in a minute. Reference: {reference}.",
    )


def _unexpected_error(error: Exception) -> ResponseReturnValue:
    reference = random_id()[:8]
    logger.error("reference %s: %s %s", reference, request.method, request.path, exc_info=error)
    return _error_page(
        500,
        "Something went wrong",
        f"The failure was recorded with the reference {reference}. Nothing was changed.",
    )


def _error_page(code: int, name: str, description: str) -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return {"code": code, "status": name}, code
    return render_template("error.html", code=code, name=name, description=description), code


def _secure(response: Response) -> Response:
    for header, value in SECURITY_HEADERS.items():
        response.headers.setdefault(header, value)
    # Pages name patients: nothing of them stays in a shared cache. Pictures and static files set
    # their own rule.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
