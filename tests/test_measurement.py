"""What is measured of a run on its test patients, and of two runs on the same ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.calibrate import Wishes, calibrate
from model.errors import TrainingError
from model.evaluation.bootstrap import Rows
from model.evaluation.measurement import (
    EvaluatedRun,
    compare,
    confusion,
    measure,
    measure_reliability,
)
from model.evaluation.metrics import log_loss, weighted_log_loss
from model.evaluation.predictions import Predictions
from model.labels import LABELS
from model.measured import FIGURE_NAMES
from prediction_factory import some_predictions

PREVALENCE = [0.25, 0.2, 0.2, 0.2, 0.2, 0.2]


def some_run(name: str = "x", *, seed: int = 1, noise: float = 1.5) -> EvaluatedRun:
    """A run calibrated on patients that the tested ones only share their numbers with."""
    calibration = calibrate({64: some_predictions(noise=noise)}, Wishes())
    return EvaluatedRun(name, some_predictions(seed=seed, noise=noise), calibration)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return measure(some_run(), PREVALENCE, draws=100)


def test_the_figures_are_those_that_a_card_needs(measured: dict[str, Any]) -> None:
    metrics, run = measured["metrics"], some_run()

    assert set(metrics) == {
        "per_slice",
        "per_study",
        "weighted_log_loss",
        "prevalence_only_log_loss",
        "reliability",
        "studies_by_slices_alone",
    }
    assert set(metrics["per_slice"]) == set(measured["thresholds"]) == set(LABELS)
    assert set(metrics["per_slice"]["any"]) == set(FIGURE_NAMES)
    assert set(metrics["per_study"]["any"]) == set(FIGURE_NAMES)
    for figure in (metrics["weighted_log_loss"], metrics["per_slice"]["subdural"]["auc"]):
        low, high = figure["interval"]
        assert low < figure["value"] < high
    targets = run.predictions.targets
    assert metrics["weighted_log_loss"]["value"] == pytest.approx(
        weighted_log_loss(targets, run.probabilities), abs=1e-4
    )
    assert metrics["per_slice"]["subdural"]["log_loss"]["value"] == pytest.approx(
        log_loss(targets[:, 5], run.probabilities[:, 5]), abs=1e-4
    )


def test_the_yardstick_is_the_loss_of_the_training_prevalence(measured: dict[str, Any]) -> None:
    targets = some_predictions().targets

    yardstick = measured["metrics"]["prevalence_only_log_loss"]

    constant = np.broadcast_to(np.array(PREVALENCE), targets.shape)
    assert yardstick == pytest.approx(weighted_log_loss(targets, constant), abs=1e-4)
    assert measured["metrics"]["weighted_log_loss"]["value"] < yardstick


def test_a_threshold_is_measured_on_slices_and_on_studies(measured: dict[str, Any]) -> None:
    point = measured["thresholds"]["any"]["alert"]

    cells = measured["confusion"]["any"]["alert"]
    assert sum(cells["slices"].values()) == 440
    assert sum(cells["studies"].values()) == 44
    assert point["sensitivity"]["value"] == pytest.approx(
        cells["slices"]["true_positive"] / 110, abs=1e-4
    )
    assert point["study_specificity"]["value"] == pytest.approx(
        cells["studies"]["true_negative"] / 22, abs=1e-4
    )


def test_two_studies_of_a_patient_are_two_studies_and_one_patient() -> None:
    rows = some_predictions().study_rows(some_run().probabilities)

    assert len(rows.targets) == 44
    assert len(np.unique(rows.owners)) == 40


def test_right_and_wrong_are_counted_at_the_threshold() -> None:
    rows = Rows(np.array([1, 1, 1, 0, 0]), np.array([0.9, 0.5, 0.1, 0.5, 0.2]), np.arange(5))

    assert confusion(rows, 0.5) == {
        "true_positive": 2,
        "false_negative": 1,
        "false_positive": 1,
        "true_negative": 1,
    }


def test_the_series_head_is_held_against_the_slices_alone(measured: dict[str, Any]) -> None:
    alone = measured["slices_alone"]

    change = alone["change_by_series_head"]["weighted_log_loss"]

    both = measured["metrics"]["weighted_log_loss"]["value"], alone["weighted_log_loss"]["value"]
    assert change["value"] == pytest.approx(both[0] - both[1], abs=1e-4)
    assert change["value"] < 0
    assert change["interval"][1] < 0


def test_a_studys_figures_stand_beside_those_of_its_slices_alone(measured: dict[str, Any]) -> None:
    run, metrics = some_run(), measured["metrics"]
    alone = metrics["studies_by_slices_alone"]

    change = alone["change_by_series_head"]["any"]["brier"]

    studies = run.predictions.study_rows(run.slice_probabilities).label(0)
    expected = np.mean((studies.scores - studies.targets) ** 2)
    assert alone["figures"]["any"]["brier"]["value"] == pytest.approx(expected, abs=1e-4)
    with_head = metrics["per_study"]["any"]["brier"]["value"]
    assert change["value"] == pytest.approx(with_head - expected, abs=2e-4)
    assert change["interval"][0] < change["value"] < change["interval"][1]


def test_without_a_series_head_studies_have_nothing_to_stand_beside() -> None:
    run = some_run()
    logits = run.predictions.slice_logits
    bare = replace(run, predictions=replace(run.predictions, logits=logits))

    assert measure(bare, PREVALENCE, draws=2)["metrics"]["studies_by_slices_alone"] is None


def test_the_reliability_of_a_label_is_told_by_the_bins_that_hold_slices() -> None:
    rows = Rows(np.array([0, 1, 1]), np.array([0.22, 0.28, 1.0]), np.arange(3))

    assert measure_reliability(rows) == [
        {"probability": 0.25, "observed": 0.5, "slices": 2},
        {"probability": 1.0, "observed": 1.0, "slices": 1},
    ]


def test_runs_are_compared_on_the_same_slices_in_whatever_order_they_stand() -> None:
    run, other = some_run(), some_run("y", seed=2, noise=3)
    order = np.random.default_rng(0).permutation(440)
    shuffled = Predictions(
        other.predictions.frame.iloc[order].reset_index(drop=True),
        other.predictions.slice_logits[order],
        other.predictions.logits[order],
    )

    compared = compare(run, other, draws=100)

    assert compare(run, replace(other, predictions=shuffled), draws=100) == compared
    worse = compared["difference"]["weighted_log_loss"]
    assert compared["run"] == "y"
    assert 0 < worse["interval"][0] < worse["value"] < worse["interval"][1]
    assert compared["difference"]["per_slice"]["any"]["auc"]["value"] < 0
    assert compared["difference"]["study"]["auc_any"]["value"] < 0


def test_runs_of_other_test_patients_are_not_compared() -> None:
    other = some_run("y")
    frame = other.predictions.frame.replace({"patient": {"some:3": "some:99"}})
    elsewhere = replace(other, predictions=replace(other.predictions, frame=frame))

    with pytest.raises(TrainingError, match="x and y cannot be compared: 1 test patients of the"):
        compare(some_run(), elsewhere, draws=10)


def test_runs_of_other_labels_are_not_compared() -> None:
    other = some_run("y")
    frame = other.predictions.frame.assign(epidural=0)
    relabelled = replace(other, predictions=replace(other.predictions, frame=frame))

    with pytest.raises(TrainingError, match="x and y cannot be compared: their caches hold other"):
        compare(some_run(), relabelled, draws=10)
