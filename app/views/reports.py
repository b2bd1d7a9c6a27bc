"""What a reader takes along: a study's report, as a page and as PDF; the worklist as data."""

from flask import Blueprint, abort, render_template
from flask_login import current_user, login_required

from app.audit import record_opened
from app.reports.report import SAYS_NOTHING, WINDOWS, FindingHiddenError, Report, study_report
from app.views.context import model_card, services

blueprint = Blueprint("reports", __name__)


@blueprint.get("/studies/<study_id>/report")
@login_required
def page(study_id: str) -> str:
    """The report of a study, to be read or printed."""
    return render_template(
        "report.html", report=_report(study_id), windows=WINDOWS, says_nothing=SAYS_NOTHING
    )


def _report(study_id: str) -> Report:
    try:
        report = study_report(services(), study_id, current_user, model_card()) or abort(404)
    except FindingHiddenError:
        abort(
            403,
            "This site reads the image first: the report is open to you once you have given "
            "your first impression of the study, or have asked for its finding.",
        )
    told = [part.page.analysis for part in report.series if part.page.analysis]
    record_opened(services().database, current_user.id, study_id, told, form="report")
    return report
