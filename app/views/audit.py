"""The audit log, for administrators: who saw, decided and changed what."""

from flask import Blueprint, Response, render_template, request
from flask_login import current_user
from sqlalchemy import select

from app.audit.log import ACTIONS, AUDIT_EXPORTED, record
from app.audit.page import NOBODY, AuditQuery, audit_csv, audit_page, in_words
from app.auth import administrator_required
from app.db.models import User
from app.views.context import services

blueprint = Blueprint("audit", __name__, url_prefix="/admin")


@blueprint.get("/audit")
@administrator_required
def index() -> str:
    """One page of the log, the newest first."""
    query = AuditQuery.from_address(request.args)
    with services().database.read() as session:
        page = audit_page(session, query)
        users = session.execute(select(User.id, User.username).order_by(User.username)).all()
    return render_template(
        "audit.html",
        page=page,
        query=query,
        users=users,
        nobody=NOBODY,
        actions=ACTIONS,
        in_words=in_words,
    )


@blueprint.get("/audit.csv")
@administrator_required
def download() -> Response:
    """All events that match; the download is one of them from then on."""
    query = AuditQuery.from_address(request.args)
    database = services().database
    with database.write() as session:
        record(session, AUDIT_EXPORTED, user_id=current_user.id, filter=query.address())
    return Response(
        audit_csv(database, query),
        mimetype="text/csv",
        headers={"Content-Disposition": "attachment; filename=falx-audit.csv"},
    )
