"""The results of a study as JSON. The OpenAPI file at /api/openapi.json is made from this code."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import abort
from flask_login import current_user, login_required
from flask_smorest import Blueprint
from marshmallow import Schema, fields, validate
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app.audit.log import record_opened
from app.db.models import Analysis, Instance, Review, SliceResult, Study
from app.study_state import latest_analyses, load_study
from app.verdicts.record import KINDS, finding_hidden, reviews_of, shown_to
from app.views.context import services
from model.notice import NOTICE

blueprint = Blueprint("api", __name__, url_prefix="/api", description="Results")


class RegionSchema(Schema):
    """An ellipse that a reader marked, in the box of these corners; pixels from the upper left."""

    sop_instance_uid = fields.String(required=True)
    label = fields.String(required=True)
    x0 = fields.Float(required=True)
    y0 = fields.Float(required=True)
    x1 = fields.Float(required=True)
    y1 = fields.Float(required=True)


class ReviewSchema(Schema):
    """What a reader stored, the newest first. Of each reader's verdicts the newest counts."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    withdraws = fields.String(
        allow_none=True, metadata={"description": "Id of the verdict that this one takes back"}
    )
    created_at = fields.AwareDateTime(required=True)
    username = fields.String(required=True, attribute="user.username")
    verdicts = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    reasons = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    slice_verdicts = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.String()),
        required=True,
        metadata={"description": "Label to SOP Instance UID to present or absent"},
    )
    regions = fields.List(fields.Nested(RegionSchema), required=True)
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
    finding_hidden = fields.Boolean(
        required=True,
        metadata={
            "description": "Whether this site reads the image first and you have not yet: then "
            "states, analyses and verdicts are left out"
        },
    )
    state = fields.String(required=True, allow_none=True)
    state_reason = fields.String(required=True, allow_none=True)
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
        hidden = finding_hidden(session, study_id, current_user.id)
        reviews = shown_to(session, reviews_of(session, study_id), current_user.id)
        answer = {
            "notice": NOTICE,
            **{key: getattr(found, key) for key in _STUDY_FACTS},
            "finding_hidden": hidden,
            "series": _series(session, found),
            "reviews": _reviews(session, reviews),
        }
    answer = {**answer, **_hidden(answer)} if hidden else answer
    shown = [one["analysis"] for one in answer["series"] if one["analysis"]]
    record_opened(services().database, current_user.id, study_id, shown, hidden=hidden, form="JSON")
    return answer


def _hidden(answer: dict[str, Any]) -> dict[str, Any]:
    """What stands in the place of all that tells the finding."""
    series = [{**one, "analysis": None} for one in answer["series"]]
    return {"state": None, "state_reason": None, "series": series, "reviews": []}


def _reviews(session: Session, reviews: Sequence[Review]) -> list[dict[str, Any]]:
    """The rows, the newest first; slices by the names that they have outside of Falx."""
    named = {i for row in reviews for words in row.slice_verdicts.values() for i in words}
    named |= {region["instance"] for row in reviews for region in row.regions}
    found = session.execute(
        select(Instance.id, Instance.sop_instance_uid).where(Instance.id.in_(named))
    )
    uids = {row.id: row.sop_instance_uid for row in found}
    return [_review(row, uids) for row in reversed(reviews)]


def _review(row: Review, uids: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{key: getattr(row, key) for key in _REVIEW_FACTS},
        "slice_verdicts": {
            label: {uids[instance]: word for instance, word in words.items()}
            for label, words in row.slice_verdicts.items()
        },
        "regions": [{**one, "sop_instance_uid": uids[one["instance"]]} for one in row.regions],
    }


_REVIEW_FACTS = (
    "id",
    "kind",
    "withdraws",
    "created_at",
    "user",
    "verdicts",
    "reasons",
    "comment",
)

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
