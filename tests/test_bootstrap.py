"""Intervals over patients: the quick way gives what drawing the slices gives."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.evaluation.bootstrap import (
    AUC,
    OF_LABEL,
    WEIGHTED_LOG_LOSS,
    Figure,
    Rows,
    difference,
    draw_counts,
    estimate,
    paired_interval,
    patient_interval,
    sensitivity_at,
    specificity_at,
)

FIGURES = {
    **OF_LABEL,
    "sensitivity": sensitivity_at(0.6),
    "specificity": specificity_at(0.6),
}


def some_rows(seed: int = 0, patients: int = 20) -> Rows:
    """Ten slices a patient, half of the patients bleeding in most; scores with many ties."""
    generator = np.random.default_rng(seed)
    owners = np.repeat(np.arange(patients), 10)
    targets = ((owners % 2 == 1) & (generator.random(len(owners)) < 0.7)).astype(np.int64)
    scores = np.clip(0.3 * targets + generator.normal(0.4, 0.2, len(owners)), 0, 1)
    return Rows(targets, np.round(scores, 1).astype(np.float32), owners)


def drawn_one_by_one(figure: Figure, rows: Rows, counts: NDArray[np.float64]) -> list[float]:
    """The straightforward way: put the slices of the drawn patients together, and measure."""
    values = []
    for of_patients in counts:
        chosen = np.repeat(np.arange(len(rows.owners)), of_patients[rows.owners].astype(int))
        values.append(figure.value(rows.targets[chosen], rows.scores[chosen]))
    return values


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_all_resamples_is_that_of_each_resample(name: str) -> None:
    rows, counts = some_rows(), draw_counts(20, 30)

    values = FIGURES[name].resampled(rows, counts)

    assert values == pytest.approx(drawn_one_by_one(FIGURES[name], rows, counts))
    assert len(set(values)) > 1


def test_the_weighted_log_loss_is_resampled_over_all_six_labels() -> None:
    generator = np.random.default_rng(0)
    owners = np.repeat(np.arange(8), 5)
    rows = Rows(generator.integers(0, 2, (40, 6)), generator.random((40, 6)), owners)
    counts = draw_counts(8, 30)

    values = WEIGHTED_LOG_LOSS.resampled(rows, counts)

    assert values == pytest.approx(drawn_one_by_one(WEIGHTED_LOG_LOSS, rows, counts))


@pytest.mark.parametrize("name", ["auc", "average_precision", "sensitivity"])
def test_a_resample_without_positives_measures_nothing(name: str) -> None:
    rows = Rows(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.9]), np.array([0, 1, 2]))

    values = FIGURES[name].resampled(rows, np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0]]))

    assert values == pytest.approx([1.0, np.nan], nan_ok=True)


def test_every_resample_has_as_many_patients_as_there_are() -> None:
    counts = draw_counts(7, 50, seed=1)

    assert counts.shape == (50, 7)
    assert (counts.sum(axis=1) == 7).all()
    assert (counts == draw_counts(7, 50, seed=1)).all()
    assert (counts != draw_counts(7, 50, seed=2)).any()


def test_the_interval_is_that_of_the_middle_95_percent_of_the_resamples() -> None:
    rows, counts = some_rows(), draw_counts(20, 200)

    interval = patient_interval(AUC, rows, counts)

    low, high = np.percentile(drawn_one_by_one(AUC, rows, counts), [2.5, 97.5])
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert low < AUC.value(rows.targets, rows.scores) < high


def test_too_few_patients_get_a_reason_and_no_interval() -> None:
    owners = np.repeat(np.arange(10), 3)
    rows = Rows((owners < 4).astype(np.int64), np.arange(30.0), owners)

    interval = patient_interval(AUC, rows, draw_counts(10))

    assert (interval.low, interval.high) == (None, None)
    assert interval.reason == "patients it is measured on: 4, too few for an interval"


def test_specificity_needs_patients_without_the_finding() -> None:
    owners = np.arange(8)
    rows = Rows((owners < 5).astype(np.int64), np.zeros(8), owners)

    figure = estimate(specificity_at(0.5), rows, draw_counts(8))

    assert figure == {
        "value": 1.0,
        "interval": None,
        "reason": "patients it is measured on: 3, too few for an interval",
    }


def test_a_figure_that_no_resample_changes_has_no_interval() -> None:
    owners = np.arange(12)
    targets = owners % 2

    interval = patient_interval(AUC, Rows(targets, targets.astype(float), owners), draw_counts(12))

    assert (interval.low, interval.high) == (None, None)
    assert interval.reason == "the same in every resample of 12 patients"


def test_what_cannot_be_measured_says_so() -> None:
    rows = Rows(np.zeros(4, np.int64), np.arange(4.0), np.arange(4))

    figure = estimate(AUC, rows, draw_counts(4))

    assert figure["value"] is None
    assert figure["reason"] == "no test patient to measure it on"


def test_two_runs_are_compared_in_the_same_resamples() -> None:
    first = some_rows()
    better = Rows(first.targets, first.scores + 0.05 * first.targets, first.owners)
    counts = draw_counts(20, 200)

    paired = difference(AUC, first, better, counts)

    alone = patient_interval(AUC, better, counts)
    assert paired["value"] > 0
    low, high = paired["interval"]
    assert 0 < low < paired["value"] < high
    assert alone.low is not None
    assert alone.high is not None
    # What the patients have in common cancels out.
    assert high - low < (alone.high - alone.low) / 2


def test_a_run_does_not_differ_from_itself() -> None:
    rows = some_rows()

    paired = difference(AUC, rows, rows, draw_counts(20, 50))

    assert paired["value"] == 0
    assert paired["reason"] == "the same in every resample of 20 patients"


def test_predictions_of_other_rows_are_not_paired() -> None:
    first = some_rows()
    second = Rows(1 - first.targets, first.scores, first.owners)

    with pytest.raises(ValueError, match="two predictions of the same rows"):
        paired_interval(AUC, first, second, draw_counts(20))
