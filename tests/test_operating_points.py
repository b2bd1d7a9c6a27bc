"""A site judges at points that its card has measured, and is told where a card has them not."""

import json
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.config import PROJECT_ROOT
from app.db.models import Analysis
from app.operating_points import judged_at, usable_point
from app.services import Services
from clinic import analyse_all, only_study, turn_on, upload_folder
from model.artifact import ModelCard, ThresholdPoint, load_card
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import make_series
from model.finding import INDETERMINATE, finding_state
from model.predictor import Predictor, TorchScriptPredictor


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return load_card(PROJECT_ROOT / "model" / "weights" / "falx.json")


def with_point(card: ModelCard, name: str, point: ThresholdPoint, label: str = "any") -> ModelCard:
    """The card with another point of the label."""
    pair = replace(card.thresholds[label], **{name: point})
    return replace(card, thresholds={**card.thresholds, label: pair})


def test_one_point_divides_without_anything_indeterminate(card: ModelCard) -> None:
    screen = card.thresholds["any"].screen
    between = (screen.threshold + card.thresholds["any"].alert.threshold) / 2

    judged, told = judged_at(card, {"any": "screen"})

    assert told == []
    assert finding_state("any", between, card) == INDETERMINATE
    assert finding_state("any", between, judged) == "flagged"
    assert finding_state("any", screen.threshold - 1e-3, judged) == "not flagged"
    assert judged.thresholds["any"].alert == judged.thresholds["any"].screen == screen
    assert judged.thresholds["epidural"] == card.thresholds["epidural"]


def test_without_a_choice_the_card_holds(card: ModelCard) -> None:
    assert judged_at(card, {"any": "both"}) == (card, [])


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_point_that_divides_nothing_is_not_used_and_said_so(
    card: ModelCard, threshold: float
) -> None:
    useless = replace(card.thresholds["any"].screen, threshold=threshold)
    newer = with_point(card, "screen", useless)

    judged, told = judged_at(newer, {"any": "screen"})

    assert judged == newer
    (sentence,) = told
    assert sentence == (
        f"This site judges any at the screening point, which {card.name} {card.version} has not "
        "measured: the two points of its card were used."
    )


def test_a_point_without_figures_is_not_used(card: ModelCard) -> None:
    point = card.thresholds["any"].alert
    unknown = replace(point.study_sensitivity, value=None, interval=None, reason="no patient")

    newer = with_point(card, "alert", replace(point, study_sensitivity=unknown))

    assert usable_point(card, "any", "alert") == point
    assert usable_point(newer, "any", "alert") is None


def test_a_choice_holds_for_what_is_analysed_from_then_on(
    reader: FlaskClient, services: Services, predictor: Predictor, tmp_path: Path
) -> None:
    in_service = copy(predictor)
    assert isinstance(in_service, TorchScriptPredictor)
    useless = replace(predictor.card.thresholds["subdural"].alert, threshold=1.0)
    in_service.card = with_point(predictor.card, "alert", useless, "subdural")

    def analysed(number: int) -> Analysis:
        folder = tmp_path / str(number)
        write_series(folder, make_series(number, Scan(n_slices=3, spacing_mm=25, pixels=128)))
        upload_folder(reader, folder)
        analyse_all(services, in_service)
        with services.database.read() as session:
            newest = select(Analysis).order_by(Analysis.created_at.desc()).limit(1)
            return session.scalars(newest).one()

    before = analysed(0)
    study = only_study(services)
    turn_on(services, operating_points={"any": "screen", "subdural": "alert"})
    page = reader.get(f"/studies/{study.id}").text
    after = analysed(1)

    points = predictor.card.thresholds["any"]
    assert before.thresholds["any"]["alert"]["threshold"] == points.alert.threshold
    assert after.thresholds["any"]["alert"]["threshold"] == points.screen.threshold
    figures = json.dumps(after.thresholds["any"]["alert"]["study_specificity"])
    assert str(points.screen.study_specificity.value) in figures
    assert "This site judges subdural at the alert point, which" in " ".join(after.warnings)
    assert "This site judges" not in page
