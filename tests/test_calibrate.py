"""Calibration finds the temperature, the thresholds and undoes the sampling."""

import numpy as np
import pytest
import torch

from model.artifact import calibrated
from model.calibrate import (
    PartPredictions,
    choose_thresholds,
    fit_temperature,
    fit_temperatures,
    load_trained,
)
from model.errors import TrainingError
from model.evaluate import count_part, estimate, measure
from model.labels import LABELS
from model.metrics import auc, specificity
from model.network import HemorrhageNetwork


@pytest.fixture(scope="module")
def part() -> PartPredictions:
    """Forty patients of ten slices, half of them bleeding throughout, and a fair network."""
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 10)
    targets = np.repeat((np.arange(40) % 2 == 0).astype(np.int64), 10)[:, None].repeat(6, axis=1)
    logits = (2 * targets - 1 + generator.normal(0, 1.5, targets.shape)).astype(np.float32)
    return PartPredictions(logits, targets, patients)


def test_an_overconfident_label_gets_the_temperature_that_was_applied() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, 50_000)
    targets = (generator.random(50_000) < 1 / (1 + np.exp(-logits))).astype(np.int64)

    temperature = fit_temperature((2.5 * logits).astype(np.float32), targets)

    assert temperature == pytest.approx(2.5, rel=0.05)


def test_without_a_positive_slice_there_is_no_temperature() -> None:
    with pytest.raises(TrainingError, match="without a positive slice"):
        fit_temperature(np.zeros(3, np.float32), np.zeros(3, np.int64))


def test_every_label_gets_a_temperature(part: PartPredictions) -> None:
    assert set(fit_temperatures(part)) == set(LABELS)


def test_the_alert_threshold_spares_studies_and_the_screen_threshold_finds_them(
    part: PartPredictions,
) -> None:
    temperature = fit_temperatures(part)

    thresholds = choose_thresholds(part, temperature)

    highest = calibrated(part.logits, temperature).reshape(40, 10, 6).max(axis=1)
    bleeding = part.targets[::10, 0] == 1
    for i, label in enumerate(LABELS):
        spared = highest[~bleeding, i] < thresholds[label]["alert"]
        found = highest[bleeding, i] >= thresholds[label]["screen"]
        assert spared.mean() >= 0.95
        assert found.mean() >= 0.95


def test_the_head_is_corrected_for_the_share_of_positives_drawn() -> None:
    network = HemorrhageNetwork(32)
    shift = [-1.0, -2.0, 0.0, 0.5, 0.0, 0.0]

    corrected = load_trained({"average": network.state_dict(), "prior_shift": shift}, 48)

    difference = corrected.head.bias - network.head.bias
    assert torch.allclose(difference, torch.tensor(shift), atol=1e-6)
    assert corrected.preprocess.input_size == 48


def test_the_measures_are_those_a_card_needs(part: PartPredictions) -> None:
    temperature = fit_temperatures(part)
    thresholds = choose_thresholds(part, temperature)
    calibration = {"temperature": temperature, "thresholds": thresholds}

    result = measure(part, calibration, np.full(6, 0.5), draws=50)

    metrics = result["metrics"]
    assert set(metrics["per_slice"]["any"]) == {"auc", "average_precision", "brier", "ece"}
    assert metrics["study"]["auc_any"]["value"] > 0.9
    assert metrics["weighted_log_loss"]["value"] < metrics["prevalence_only_log_loss"]
    point = result["thresholds"]["any"]["alert"]
    assert point["threshold"] == thresholds["any"]["alert"]
    assert point["study_specificity"]["value"] >= 0.95
    low, high = point["sensitivity"]["interval"]
    assert low <= point["sensitivity"]["value"] <= high


def test_what_cannot_be_measured_says_so() -> None:
    nothing = np.zeros(4, np.int64)

    figure = estimate(auc, nothing, np.arange(4.0), np.arange(4))

    assert figure["value"] is None
    assert figure["reason"] == "no test patient to measure it on"


def test_specificity_needs_patients_without_the_finding() -> None:
    patients = np.arange(8)
    targets = (patients < 5).astype(np.int64)

    figure = estimate(
        lambda truth, scores: specificity(truth, scores, 0.5),
        targets,
        np.zeros(8),
        patients,
        of_class=0,
    )

    assert figure["interval"] is None
    assert figure["reason"] == "patients it is measured on: 3, too few for an interval"


def test_a_part_is_counted_by_patients_and_slices() -> None:
    targets = np.array([[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6, [1, 0, 0, 0, 0, 1]])

    counts = count_part(targets, np.array([1, 1, 2, 3]), [1, 2])

    assert (counts["patients"], counts["slices"]) == (2, 3)
    assert counts["patients_with"]["epidural"] == 1
    assert counts["slices_with"] == dict.fromkeys(LABELS, 0) | {"any": 2, "epidural": 2}
