"""The results of a study as JSON. The OpenAPI file at /api/openapi.json is made from this code."""

from typing import Any

from flask import abort
from flask_login import login_required
from flask_smorest import Blueprint
from marshmallow import Schema, fields
from sqlalchemy.orm import Session, selectinload

from app.db.models import Analysis, SliceResult, Study
from app.views.context import services
from app.worklist import latest_analyses, load_study
from model.notice import NOTICE

blueprint = Blueprint("api", __name__, url_prefix="/api", description="Results")


class ReviewSchema(Schema):
    """A clinician's verdict; the newest comes first and counts."""

    created_at = fields.AwareDateTime(required=True)
    username = fields.String(required=True, attribute="user.username")
    verdicts = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    reasons = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    comment = fields.String(required=True)


class SliceSchema(Schema):
    """Calibrated probabilities of one slice; position 0 is the lowest."""

    position = fields.Integer(required=True)
    sop_instance_uid = fields.String(required=True, attribute="instance.sop_instance_uid")
    probabilities = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)


class AnalysisSchema(Schema):
    """What the model said, or in `refusal` why it said nothing."""

    created_at = fields.AwareDateTime(required=True)
    refusal = fields.String(required=True)
    probabilities = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        allow_none=True,
        metadata={"description": "Highest over the slices, by label; null if not analysed"},
    )
    states = fields.Dict(keys=fields.String(), values=fields.String(), allow_none=True)
    thresholds = fields.Dict(keys=fields.String(), required=True)
    warnings = fields.List(fields.String(), required=True)
    model_name = fields.String(required=True)
    model_version = fields.String(required=True)
    model_sha256 = fields.String(required=True)
    device = fields.String(required=True)
    seconds = fields.Float(required=True)
    slices = fields.List(fields.Nested(SliceSchema), required=True)


class JobSchema(Schema):
    """How far the analysis is."""

    state = fields.String(required=True)
    slices_done = fields.Integer(required=True)
    slices_total = fields.Integer(required=True)
    error = fields.String(required=True)


class SeriesSchema(Schema):
    """A series with its job and its newest analysis."""

    series_instance_uid = fields.String(required=True)
    series_description = fields.String(required=True)
    job = fields.Nested(JobSchema, allow_none=True)
    analysis = fields.Nested(AnalysisSchema, allow_none=True)


class StudySchema(Schema):
    """A study with all that is known of it."""

    notice = fields.String(required=True)
    id = fields.String(required=True)
    study_instance_uid = fields.String(required=True)
    patient_id = fields.String(required=True)
    simulated = fields.Boolean(required=True)
    received_at = fields.AwareDateTime(required=True)
    state = fields.String(required=True)
    state_reason = fields.String(required=True)
    series = fields.List(fields.Nested(SeriesSchema), required=True)
    reviews = fields.List(fields.Nested(ReviewSchema), required=True)


@blueprint.route("/studies/<study_id>")
@blueprint.response(200, StudySchema)
@blueprint.alt_response(401, description="Not logged in")
@blueprint.alt_response(404, description="No such study")
@login_required
def study(study_id: str) -> dict[str, Any]:
    """The result of a study: every series' probabilities and the verdicts."""
    with services().database.read() as session:
        found = load_study(session, study_id) or abort(404)
        return {
            "notice": NOTICE,
            **{key: getattr(found, key) for key in _STUDY_FACTS},
            "series": _series(session, found),
            "reviews": found.reviews,
        }


_STUDY_FACTS = (
    "id",
    "study_instance_uid",
    "patient_id",
    "simulated",
    "received_at",
    "state",
    "state_reason",
)


def _series(session: Session, found: Study) -> list[dict[str, Any]]:
    analyses = latest_analyses(
        session, found.id, selectinload(Analysis.slices).joinedload(SliceResult.instance)
    )
    return [
        {
            "series_instance_uid": series.series_instance_uid,
            "series_description": series.series_description,
            "job": series.job,
            "analysis": analyses.get(series.id),
        }
        for series in found.series
    ]
