"""Upload of slices, folders and archives, and the page that says what became of each file."""

from collections.abc import Iterator

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from app.db.models import Series, Upload, random_id
from app.forms import UploadForm
from app.ingest import Incoming, ingest
from app.jobs import OPEN
from app.services import Services
from app.upload_report import report_of
from app.views.context import services
from app.worklist.page import hidden_findings
from model.dicom.sandbox import SandboxedReader
from model.dicom.sources import iter_sources

blueprint = Blueprint("upload", __name__)

COPY_CHUNK_BYTES = 1024 * 1024


@blueprint.route("/upload", methods=["GET", "POST"])
@login_required
def form() -> str | Response | tuple[str, int]:
    """Take files in and show what became of each."""
    upload_form = UploadForm()
    if not upload_form.validate_on_submit():
        return render_template("upload.html", form=upload_form)
    files = [file for name in ("files", "folder") for file in request.files.getlist(name)]
    files = [file for file in files if file.filename]
    if not files:
        flash("No file was chosen: choose slices, an archive or a folder.", "error")
        return render_template("upload.html", form=upload_form), 400
    upload_id = _ingest_uploaded(services(), files, current_user.id)
    return redirect(url_for("upload.outcome", upload_id=upload_id), code=303)


@blueprint.get("/uploads/<upload_id>")
@login_required
def outcome(upload_id: str) -> str:
    """Each file's outcome, and the progress of the analyses that the upload caused."""
    with services().database.read() as session:
        upload = session.get(Upload, upload_id, options=[selectinload(Upload.files)]) or abort(404)
        touched = {file.series_id for file in upload.files if file.series_id}
        series = session.scalars(
            select(Series)
            .where(Series.id.in_(touched))
            .options(selectinload(Series.job), selectinload(Series.study))
            .order_by(Series.received_at)
        ).all()
        hidden = hidden_findings(session, [one.study for one in series], current_user.id)
    pending = any(one.job and one.job.state in OPEN for one in series)
    return render_template(
        "upload_outcome.html",
        report=report_of(upload),
        series=series,
        pending=pending,
        hidden=hidden,
    )


def _ingest_uploaded(opened: Services, files: list[FileStorage], user_id: str) -> str:
    with SandboxedReader(opened.settings.reader_limits) as reader:
        return ingest(opened, reader, _incoming(opened, files), user_id)


def _incoming(opened: Services, files: list[FileStorage]) -> Iterator[Incoming]:
    """Everything that was sent, one file or archive member at a time."""
    for file in files:
        received = opened.storage.incoming / random_id()
        try:
            file.save(received, buffer_size=COPY_CHUNK_BYTES)
            yield from iter_sources(received, opened.settings.source_limits, file.filename)
        finally:
            file.close()
            received.unlink(missing_ok=True)
