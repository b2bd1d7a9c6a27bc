"""Calibration finds the temperature and the thresholds, and says what it could not find."""

from dataclasses import replace

import numpy as np
import pytest

from app.config import PROJECT_ROOT
from model.artifact import (
    CARD_NAME,
    LabelThresholds,
    load_card,
)
from model.calibrate import (
    Wishes,
    calibrate,
    choose_thresholds,
    fit_temperature,
    fit_temperatures,
    parse_arguments,
)
from model.errors import TrainingError
from model.evaluation.metrics import weighted_log_loss
from model.evaluation.predictions import Predictions
from model.finding import INDETERMINATE, calibrated, finding_state
from model.labels import LABELS
from prediction_factory import some_predictions


def without_label(label: str) -> Predictions:
    predictions = some_predictions()
    return replace(predictions, frame=predictions.frame.assign(**{label: 0}))


def test_an_overconfident_label_gets_the_temperature_that_was_applied() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, 50_000)
    targets = (generator.random(50_000) < 1 / (1 + np.exp(-logits))).astype(np.int64)

    temperature = fit_temperature((2.5 * logits).astype(np.float32), targets)

    assert temperature == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("only", [0, 1])
def test_a_label_of_one_class_keeps_its_logits(only: int) -> None:
    logits = np.array([5.0, -3.0, 1.0], np.float32)

    assert fit_temperature(logits, np.full(3, only)) == 1


def test_calibration_lowers_the_loss_and_chooses_the_best_input_size() -> None:
    fair, poor = some_predictions(), some_predictions(noise=4)

    result = calibrate({48: poor, 64: fair}, Wishes())

    before, after = result["reliability"]["before"], result["reliability"]["after"]
    assert result["input_size"] == 64
    assert result["loss_by_size"]["64"] < result["loss_by_size"]["48"]
    assert after["weighted_log_loss"] < before["weighted_log_loss"]
    probabilities = calibrated(fair.logits, result["temperature"])
    assert after["weighted_log_loss"] == pytest.approx(
        weighted_log_loss(fair.targets, probabilities), abs=1e-5
    )
    assert set(result["temperature"]) == set(LABELS)
    assert result["notes"] == {}


def test_the_slices_alone_get_temperatures_of_their_own() -> None:
    predictions = some_predictions()

    result = calibrate({64: predictions}, Wishes())

    alone = fit_temperatures(predictions.slice_logits, predictions.targets)
    assert result["slice_temperature"] == alone
    assert alone != result["temperature"]


@pytest.mark.parametrize("wished", [0.8, 0.95])
def test_the_thresholds_reach_on_studies_what_was_wished(wished: float) -> None:
    predictions = some_predictions(noise=4)
    temperature = fit_temperatures(predictions.logits, predictions.targets)

    thresholds = choose_thresholds(predictions, temperature, Wishes(wished, wished))

    probabilities = calibrated(predictions.logits, temperature)
    studies = predictions.frame.assign(probability=0.0).groupby("study")
    for i, label in enumerate(LABELS):
        highest = [probabilities[rows, i].max() for rows in studies.indices.values()]
        there = studies[label].max().to_numpy() == 1
        score = np.array(highest)
        found = score[there] >= thresholds[label]["screen"]
        spared = score[~there] < thresholds[label]["alert"]
        assert wished <= found.mean() < wished + 1.1 / there.sum()
        assert wished <= spared.mean() < wished + 1.1 / (~there).sum()


def test_a_label_that_no_calibration_patient_has_stays_indeterminate_and_says_so() -> None:
    result = calibrate({64: without_label("epidural")}, Wishes())

    assert result["temperature"]["epidural"] == 1
    assert result["thresholds"]["epidural"] == {"screen": 0.0, "alert": 1.0}
    assert result["notes"] == {
        "epidural": "No calibration patient has epidural hemorrhage: its temperature stays 1, and "
        "every finding is indeterminate."
    }
    assert result["counts"]["slices_with"]["epidural"] == 0


def test_without_a_study_free_of_it_a_label_has_no_alert_threshold() -> None:
    predictions = some_predictions()
    bleeding = predictions.frame["patient"].str.removeprefix("some:").astype(int) % 2 == 0
    only = Predictions(
        predictions.frame[bleeding].reset_index(drop=True),
        predictions.slice_logits[bleeding],
        predictions.logits[bleeding],
    )

    result = calibrate({64: only}, Wishes())

    assert result["thresholds"]["any"] == {"screen": 0.0, "alert": 1.0}
    assert result["notes"]["any"].startswith("Every calibration study has any hemorrhage")
    assert result["temperature"]["any"] != 1


def test_patients_studies_and_slices_are_counted() -> None:
    counts = calibrate({64: some_predictions()}, Wishes())["counts"]

    assert (counts["patients"], counts["studies"], counts["slices"]) == (40, 44, 440)
    assert counts["patients_with"]["any"] == 20
    assert counts["studies_with"]["any"] == 22
    assert counts["slices_with"]["any"] == 110


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--screen-sensitivity", "1.5", "--screen-sensitivity must lie between 0 and 1"),
        ("--alert-specificity", "0", "--alert-specificity must lie between 0 and 1"),
        ("--sizes", "8", "--sizes must lie between 32 and 1024"),
    ],
)
def test_an_impossible_wish_is_refused(option: str, value: str, problem: str) -> None:
    with pytest.raises(TrainingError, match=problem):
        parse_arguments(["--run", "runs/x", option, value])


def test_a_card_with_the_thresholds_of_an_unknown_label_neither_flags_nor_clears() -> None:
    card = load_card(PROJECT_ROOT / "model" / "weights" / CARD_NAME)
    chosen = calibrate({64: without_label("epidural")}, Wishes())["thresholds"]["epidural"]
    known = card.thresholds["epidural"]
    unknown = LabelThresholds(
        replace(known.screen, threshold=chosen["screen"]),
        replace(known.alert, threshold=chosen["alert"]),
    )
    card = replace(card, thresholds={**card.thresholds, "epidural": unknown})

    states = {finding_state("epidural", probability, card) for probability in (0.0, 0.5, 0.999)}

    assert states == {INDETERMINATE}
