"""What the site did lately, for administrators: as a page, and each table as CSV."""

from flask import Blueprint, Response, abort, render_template, request

from app.auth import administrator_required
from app.csv_table import csv_lines
from app.dashboard.figures import PERIODS, dashboard
from app.dashboard.parts import Section
from app.views.context import services

blueprint = Blueprint("dashboard", __name__)


@blueprint.get("/dashboard")
@administrator_required
def index() -> str:
    """All sections for one of the periods."""
    days = _days()
    return render_template("dashboard.html", sections=_sections(days), days=days, periods=PERIODS)


@blueprint.get("/dashboard/<name>.csv")
@administrator_required
def download(name: str) -> Response:
    """The figures of one section."""
    days = _days()
    found = next((one for one in _sections(days) if one.name == name), None) or abort(404)
    return Response(
        csv_lines(found.header, found.rows),
        mimetype="text/csv",
        headers={"Content-Disposition": f"attachment; filename=falx-{name}-{days}-days.csv"},
    )


def _sections(days: int) -> list[Section]:
    with services().database.read() as session:
        return dashboard(session, days)


def _days() -> int:
    asked = request.args.get("days", PERIODS[1], int)
    return asked if asked in PERIODS else PERIODS[1]
