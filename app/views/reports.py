"""What a reader takes along: a study's report, as a page and as PDF; the worklist as data."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from flask import Blueprint, Response, abort, render_template, request
from flask_login import current_user, login_required

from app.audit.log import WORKLIST_EXPORTED, record, record_downloaded, record_opened
from app.reports.report import SAYS_NOTHING, FindingHiddenError, Report, study_report
from app.reports.report_json import report_json
from app.reports.tables import worklist_csv, worklist_json
from app.services import Services
from app.views.context import model_card, services
from app.worklist.query import WorklistQuery

blueprint = Blueprint("reports", __name__)

NOT_KEPT = "(not kept)"


@blueprint.get("/studies/<study_id>/report")
@login_required
def page(study_id: str) -> str:
    """The report of a study, to be read or printed."""
    report = _report(study_id)
    record_opened(services().database, current_user.id, study_id, report.told, form="report")
    return render_template("report.html", report=report, says_nothing=SAYS_NOTHING)


@blueprint.get("/studies/<study_id>/report.pdf")
@login_required
def as_pdf(study_id: str) -> Response:
    """The report of a study as PDF, with its pictures."""
    # What draws it takes 25 MB and half a second to import: only where somebody asks for a PDF.
    from app.reports.pdf.document import report_pdf

    report = _report(study_id)
    return _taken_along(report, report_pdf(report, services().storage), "pdf", "application/pdf")


@blueprint.get("/studies/<study_id>/report.json")
@login_required
def as_json(study_id: str) -> Response:
    """The report of a study as data, without pictures."""
    report = _report(study_id)
    return _taken_along(report, report_json(report), "json", "application/json")


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
    # Whoever was looked for stays out of the log, which outlives studies and names no patient.
    kept = replace(query, text=NOT_KEPT) if query.text else query
    with services().database.write() as session:
        # Before the first piece: what was sent of a download that breaks off was seen, too.
        record(
            session,
            WORKLIST_EXPORTED,
            user_id=current_user.id,
            filter=kept.address(),
            **{"as": kind.upper()},
        )
    pieces = make(services(), query, current_user.id)
    return _attached(pieces, f"falx-worklist-research-use-only.{kind}", mimetype)


def _taken_along(report: Report, content: str | bytes, kind: str, mimetype: str) -> Response:
    """The file of a report, once the log has that it was handed out."""
    study_id = report.study.id
    record_downloaded(
        services().database, current_user.id, study_id, report.told, form=kind.upper()
    )
    # No patient in the file's name: it shows in histories and on screens.
    return _attached(content, f"falx-report-research-use-only-{study_id[:8]}.{kind}", mimetype)


def _attached(content: str | bytes | Iterator[str], name: str, mimetype: str) -> Response:
    answer = Response(content, content_type=mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _report(study_id: str) -> Report:
    try:
        return study_report(services(), study_id, current_user, model_card()) or abort(404)
    except FindingHiddenError:
        abort(
            403,
            "This site reads the image first: the report is open to you once you have given "
            "your first impression of the study, or have asked for its finding.",
        )
