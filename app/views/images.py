"""Slices: windows and heat maps as PNG, and Hounsfield units; the browser keeps them."""

from collections.abc import Callable

from flask import Blueprint, Response, abort, request
from flask_login import current_user, login_required

from app.db.models import Analysis, Instance, Series, SliceResult
from app.render import full_heat, heat_png, hu_gzip, window_png
from app.site import site_settings
from app.storage import HEAT, HU
from app.verdicts.record import finding_hidden
from app.views.context import services
from model.labels import LABELS

blueprint = Blueprint("images", __name__)

UNCHANGING = "private, max-age=31536000, immutable"
ASKED_AGAIN = "private, no-cache"
"""For what a site may choose anew: the browser keeps it, and asks whether it still holds."""


@blueprint.get("/instances/<instance_id>/<window>.png")
@login_required
def window_picture(instance_id: str, window: str) -> Response:
    """A slice through one of the site's display windows."""
    with services().database.read() as session:
        presets = {preset.name: preset for preset in site_settings(session).windows}
        preset = presets.get(window) or abort(404)
        instance = session.get(Instance, instance_id) or abort(404)
    return _kept(
        f"{instance.id}-{preset.center}-{preset.width}",
        "image/png",
        lambda: window_png(services().storage.read_array(HU, instance.id), preset),
        rule=ASKED_AGAIN,
    )


@blueprint.get("/instances/<instance_id>/hu")
@login_required
def hounsfield_units(instance_id: str) -> Response:
    """A slice as 16-bit little-endian HU, row after row, for the viewer; compressed by gzip."""
    with services().database.read() as session:
        instance = session.get(Instance, instance_id) or abort(404)
    answer = _kept(
        f"{instance.id}-hu",
        "application/octet-stream",
        lambda: hu_gzip(services().storage.read_array(HU, instance.id)),
    )
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["X-Rows"] = str(instance.rows)
    answer.headers["X-Columns"] = str(instance.columns)
    return answer


@blueprint.get("/analyses/<analysis_id>/heat/<int(max=99999):position>/<label>.png")
@login_required
def heat_picture(analysis_id: str, position: int, label: str) -> Response:
    """The heat map of one slice and label, as an overlay."""
    if label not in LABELS:
        abort(404)
    with services().database.read() as session:
        analysis = session.get(Analysis, analysis_id) or abort(404)
        series = session.get_one(Series, analysis.series_id)
        if finding_hidden(session, series.study_id, current_user.id):
            abort(403)
        result = session.get(SliceResult, (analysis_id, position)) or abort(404)
        instance = session.get_one(Instance, result.instance_id)

    def draw() -> bytes:
        heat = services().storage.read_array(HEAT, analysis.id)[:, LABELS.index(label)]
        full = full_heat(heat, analysis.heat)
        return heat_png(heat[position], full, instance.rows, instance.columns)

    return _kept(f"{analysis.id}-{position}-{label}-opaque", "image/png", draw)


def _kept(tag: str, mimetype: str, make: Callable[[], bytes], rule: str = UNCHANGING) -> Response:
    """What `make` returns, kept by this reader's browser alone; the same as long as `tag` is."""
    response = Response(mimetype=mimetype)
    response.set_etag(tag)
    response.headers["Cache-Control"] = rule
    if request.if_none_match.contains(tag):
        response.status_code = 304
        return response
    response.set_data(make())
    return response
