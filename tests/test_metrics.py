"""The figures Falx reports, against hand-made cases and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import log_loss as log_loss_of_sklearn

from model.evaluation.metrics import (
    auc,
    average_precision,
    brier,
    expected_calibration_error,
    highest_of_groups,
    log_loss,
    reliability_bins,
    sensitivity,
    sensitivity_at_specificity,
    specificity,
    specificity_at_sensitivity,
    threshold_at_sensitivity,
    threshold_at_specificity,
    weighted_log_loss,
)
from model.labels import METRIC_WEIGHTS


def test_the_weighted_log_loss_is_the_weighted_mean_of_the_labels_losses() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, (50, 6))
    probabilities = generator.random((50, 6))

    loss = weighted_log_loss(targets, probabilities)

    per_label = [log_loss_of_sklearn(targets[:, i], probabilities[:, i]) for i in range(6)]
    assert loss == pytest.approx(np.average(per_label, weights=METRIC_WEIGHTS))
    for i, expected in enumerate(per_label):
        assert log_loss(targets[:, i], probabilities[:, i]) == pytest.approx(expected)


def test_the_weighted_log_loss_of_two_slices_by_hand() -> None:
    targets = np.array([[1, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]])
    probabilities = np.array([[0.8, 0.1, 0.1, 0.1, 0.1, 0.5], [0.2, 0.1, 0.1, 0.1, 0.1, 0.1]])

    loss = weighted_log_loss(targets, probabilities)

    # -ln 0.8 = 0.223144, -ln 0.9 = 0.105361, -ln 0.5 = 0.693147; any weighs twice, of 7.
    first = (2 * 0.223144 + 4 * 0.105361 + 0.693147) / 7
    second = (2 * 0.223144 + 5 * 0.105361) / 7
    assert loss == pytest.approx((first + second) / 2, abs=1e-6)


def test_the_stage_1_prevalence_of_rsna_scores_what_the_leaderboard_knows() -> None:
    prevalence = np.array([0.1440, 0.0041, 0.0482, 0.0352, 0.0476, 0.0630])
    targets = (np.arange(100_000)[:, None] < prevalence * 100_000).astype(np.int64)

    loss = weighted_log_loss(targets, np.broadcast_to(prevalence, targets.shape))

    assert loss == pytest.approx(0.232, abs=0.002)


def test_a_certain_and_wrong_probability_costs_a_finite_loss() -> None:
    loss = weighted_log_loss(np.ones((1, 6), np.int64), np.zeros((1, 6)))

    assert loss == pytest.approx(-np.log(1e-15))


def test_one_class_alone_has_no_auc_and_no_average_precision() -> None:
    nothing = np.zeros(4, np.int64)

    assert np.isnan(auc(nothing, np.arange(4.0)))
    assert np.isnan(average_precision(nothing, np.arange(4.0)))


def test_a_perfect_order_has_auc_and_average_precision_of_one() -> None:
    targets = np.array([0, 0, 1, 1])

    assert auc(targets, np.arange(4.0)) == 1
    assert average_precision(targets, np.arange(4.0)) == 1


def test_probabilities_equal_to_the_observed_share_have_no_calibration_error() -> None:
    targets = np.array([0, 0, 0, 1])
    probabilities = np.full(4, 0.25)

    assert expected_calibration_error(targets, probabilities) == pytest.approx(0)
    assert brier(targets, probabilities) == pytest.approx(0.1875)


def test_overconfidence_shows_as_calibration_error() -> None:
    assert expected_calibration_error(np.array([0, 1]), np.ones(2)) == pytest.approx(0.5)


def test_a_screening_threshold_finds_the_wanted_share_of_positives() -> None:
    targets = np.repeat([0, 1], 100)
    scores = np.random.default_rng(1).random(200)

    threshold = threshold_at_sensitivity(targets, scores, 0.95)

    assert sensitivity(targets, scores, threshold) == pytest.approx(0.95)


def test_an_alert_threshold_spares_the_wanted_share_of_negatives() -> None:
    targets = np.repeat([0, 1], 100)
    scores = np.random.default_rng(2).random(200)

    threshold = threshold_at_specificity(targets, scores, 0.95)

    assert specificity(targets, scores, threshold) == pytest.approx(0.95)


def test_thresholds_without_their_class_measure_nothing() -> None:
    assert np.isnan(sensitivity(np.zeros(3, np.int64), np.ones(3), 0.5))
    assert np.isnan(specificity(np.ones(3, np.int64), np.ones(3), 0.5))


def test_a_wish_without_its_class_is_an_error() -> None:
    with pytest.raises(ValueError, match="a sensitivity needs positives"):
        threshold_at_sensitivity(np.zeros(3, np.int64), np.ones(3), 0.95)
    with pytest.raises(ValueError, match="a specificity needs negatives"):
        threshold_at_specificity(np.ones(3, np.int64), np.ones(3), 0.95)


def test_a_study_scores_as_its_highest_slice() -> None:
    studies = np.array([1, 0, 1, 0])

    highest = highest_of_groups(np.array([0.1, 0.5, 0.4, 0.2], np.float32), studies)

    assert highest == pytest.approx([0.5, 0.4])
    assert highest.dtype == np.float32


def test_all_labels_of_a_study_are_taken_at_once() -> None:
    values = np.array([[0, 1], [1, 0], [0, 0]])

    assert highest_of_groups(values, np.array([0, 0, 1])).tolist() == [[1, 1], [0, 0]]


def test_the_bins_of_a_reliability_diagram_are_shares_of_what_they_hold() -> None:
    targets, probabilities = np.array([0, 1, 1, 1]), np.array([0.22, 0.28, 0.91, 1.0])

    mean, share, count = reliability_bins(targets, probabilities)

    assert count.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 0, 2]
    assert mean[[2, 9]] == pytest.approx([0.25, 0.955])
    assert share[[2, 9]] == pytest.approx([0.5, 1.0])
    assert np.isnan(share[0])


def test_sensitivity_where_a_share_of_the_negatives_is_spared() -> None:
    targets = np.array([0] * 10 + [1] * 4)
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.6, 0.6, 0.7, 0.8, 0.65, 0.75, 0.9, 0.3])

    # At 90 % specificity one negative (0.8) may be named: two of four positives lie above 0.7.
    assert sensitivity_at_specificity(targets, scores, 0.9) == 0.5
    # All four positives need a threshold of 0.3, which spares two of ten.
    assert specificity_at_sensitivity(targets, scores, 0.9) == pytest.approx(0.2)


def test_without_both_classes_no_sensitivity_at_a_specificity_is_made_up() -> None:
    scores = np.array([0.1, 0.2])

    for targets in (np.zeros(2, np.int64), np.ones(2, np.int64)):
        assert np.isnan(sensitivity_at_specificity(targets, scores, 0.9))
        assert np.isnan(specificity_at_sensitivity(targets, scores, 0.9))
