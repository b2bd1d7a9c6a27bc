"""What a reader takes along: a study's report, as a page and as PDF; the worklist as data."""

from collections.abc import Callable, Iterator

from flask import Blueprint, Response, abort, render_template, request
from flask_login import current_user, login_required

from app.audit.log import WORKLIST_EXPORTED, record, record_opened
from app.reports.report import SAYS_NOTHING, WINDOWS, FindingHiddenError, Report, study_report
from app.reports.tables import worklist_csv, worklist_json
from app.services import Services
from app.views.context import model_card, services
from app.worklist.query import WorklistQuery

blueprint = Blueprint("reports", __name__)


@blueprint.get("/studies/<study_id>/report")
@login_required
def page(study_id: str) -> str:
    """The report of a study, to be read or printed."""
    return render_template(
        "report.html", report=_report(study_id), windows=WINDOWS, says_nothing=SAYS_NOTHING
    )


@blueprint.get("/worklist.csv")
@login_required
def worklist_as_csv() -> Response:
    """All studies that match the worklist's filters, for a spreadsheet."""
    return _download(worklist_csv, "csv", "text/csv; charset=utf-8")


@blueprint.get("/worklist.json")
@login_required
def worklist_as_json() -> Response:
    """All studies that match the worklist's filters, for a program."""
    return _download(worklist_json, "json", "application/json")


def _download(
    make: Callable[[Services, WorklistQuery, str], Iterator[str]], kind: str, mimetype: str
) -> Response:
    query = WorklistQuery.from_address(request.args)
    with services().database.write() as session:
        # Before the first piece: what was sent of a download that breaks off was seen, too.
        record(
            session,
            WORKLIST_EXPORTED,
            user_id=current_user.id,
            filter=query.address(),
            **{"as": kind.upper()},
        )
    pieces = make(services(), query, current_user.id)
    answer = Response(pieces, content_type=mimetype)
    answer.headers["Content-Disposition"] = (
        f'attachment; filename="falx-worklist-research-use-only.{kind}"'
    )
    return answer


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
