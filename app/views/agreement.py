"""How far model and readers agree, for administrators: as a page, and as CSV."""

from flask import Blueprint, Response, render_template
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import retention
from app.auth import administrator_required
from app.csv_table import csv_lines
from app.db.models import Review
from app.verdicts.agreement import Comparison, comparisons
from app.views.context import services
from model.labels import LABELS

blueprint = Blueprint("agreement", __name__, url_prefix="/admin")

CSV_HEADER = (
    "raters", "hemorrhage", "judged_by_both", "alike", "alike_low", "alike_high",
    "kappa", "kappa_low", "kappa_high", "kappa_without_interval",
)  # fmt: skip
"""Shares are 0..1, with the ends of their 95 % intervals; the last tells why kappa has none."""


@blueprint.get("/agreement")
@administrator_required
def index() -> str:
    """Model against readers, and readers against each other, over all studies."""
    return render_template("agreement.html", comparisons=_comparisons(), labels=LABELS)


@blueprint.get("/agreement.csv")
@administrator_required
def download() -> Response:
    """The figures of the page."""
    rows = [
        (
            one.raters, label, found.n, found.share, *(found.interval or (None, None)),
            found.kappa.value, *(found.kappa.interval or (None, None)), found.kappa.reason,
        )
        for one in _comparisons()
        for label, found in one.by_label.items()
    ]  # fmt: skip
    return Response(
        csv_lines(CSV_HEADER, rows),
        mimetype="text/csv",
        headers={"Content-Disposition": "attachment; filename=falx-agreement.csv"},
    )


def _comparisons() -> list[Comparison]:
    with services().database.read() as session:
        reviews = session.scalars(
            select(Review).options(joinedload(Review.user), joinedload(Review.analysis))
        )
        every = [*reviews, *retention.kept_reviews(session)]
    return comparisons(sorted(every, key=lambda row: (row.created_at, row.id)))
