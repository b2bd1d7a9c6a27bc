"""The one implementation of every figure Falx reports about its predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from model.labels import METRIC_WEIGHTS

_CLIP: Final = 1e-15
_MIN_PATIENTS: Final = 5

Truth = NDArray[np.int64]
Scores = NDArray[np.floating]
Number = TypeVar("Number", np.int64, np.float32)
Metric = Callable[[Truth, Scores], float]


def weighted_log_loss(targets: Truth, probabilities: Scores) -> float:
    """The RSNA 2019 metric: mean over slices of the label-weighted log loss.

    Parameters
    ----------
    targets
        0 or 1, int[S, 6] in `LABELS` order.
    probabilities
        float[S, 6], 0..1; clipped to 1e-15 from both ends.
    """
    clipped = np.clip(probabilities.astype(np.float64), _CLIP, 1 - _CLIP)
    losses = -np.where(targets == 1, np.log(clipped), np.log1p(-clipped))
    return float(np.average(losses.mean(axis=0), weights=METRIC_WEIGHTS))


def auc(targets: Truth, scores: Scores) -> float:
    """Area under the ROC curve of one label; nan where only one class is present."""
    if targets.min() == targets.max():
        return float("nan")
    return float(roc_auc_score(targets, scores))


def average_precision(targets: Truth, scores: Scores) -> float:
    """Average precision of one label; nan without positives."""
    if not targets.any():
        return float("nan")
    return float(average_precision_score(targets, scores))


def brier(targets: Truth, probabilities: Scores) -> float:
    """Mean squared error of one label's probabilities, 0..1."""
    return float(brier_score_loss(targets, probabilities, pos_label=1))


def expected_calibration_error(targets: Truth, probabilities: Scores, bins: int = 10) -> float:
    """Mean gap between probability and observed share over equal-width bins (Guo et al. 2017).

    Parameters
    ----------
    targets, probabilities
        One label's, of equal length.
    bins
        Number of bins over 0..1; each weighs as many slices as it holds.
    """
    index = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    gaps = np.bincount(index, targets - probabilities.astype(np.float64), minlength=bins)
    return float(np.abs(gaps).sum() / counts.sum())


def sensitivity(targets: Truth, scores: Scores, threshold: float) -> float:
    """Share of positives with a score at or above `threshold`; nan without positives."""
    positive = scores[targets == 1]
    return float((positive >= threshold).mean()) if len(positive) else float("nan")


def specificity(targets: Truth, scores: Scores, threshold: float) -> float:
    """Share of negatives with a score below `threshold`; nan without negatives."""
    negative = scores[targets == 0]
    return float((negative < threshold).mean()) if len(negative) else float("nan")


def threshold_at_sensitivity(targets: Truth, scores: Scores, wanted: float) -> float:
    """The highest threshold that finds at least `wanted` (0..1) of the positives."""
    positive = np.sort(scores[targets == 1])[::-1]
    needed = int(np.ceil(wanted * len(positive) - 1e-9))
    return float(positive[max(needed, 1) - 1])


def threshold_at_specificity(targets: Truth, scores: Scores, wanted: float) -> float:
    """The lowest threshold that leaves at least `wanted` (0..1) of the negatives below it."""
    negative = np.sort(scores[targets == 0])
    below = int(np.ceil(wanted * len(negative) - 1e-9))
    return float(np.nextafter(negative[max(below, 1) - 1], 1))


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, or the reason why there is none."""

    low: float | None
    high: float | None
    reason: str | None = None


def patient_interval(
    metric: Metric,
    targets: Truth,
    scores: Scores,
    patients: NDArray[np.int64],
    *,
    of_class: int = 1,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Bootstrap a metric over patients: slices of one patient are not independent.

    Parameters
    ----------
    metric
        Of targets and scores; may return nan for a draw without one class, which is left out.
    targets, scores
        One label's (or all six, where the metric takes them), first axis slices.
    patients
        Each slice's patient.
    of_class
        The class that the metric is about: 1, or 0 for specificity.
    draws, seed
        Number of resamples and their random seed.

    Returns
    -------
    The 2.5th and 97.5th percentile; none where fewer than five patients have the class, or where
    the patients are too alike for resampling to tell anything.
    """
    column = targets if targets.ndim == 1 else targets[:, 0]
    counted = len(np.unique(patients[column == of_class]))
    if counted < _MIN_PATIENTS:
        reason = f"patients it is measured on: {counted}, too few for an interval"
        return Interval(None, None, reason)
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        chosen = generator.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[index] for index in chosen])
        values.append(metric(targets[rows], scores[rows]))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    if low == high:
        # All right or all wrong in a few patients is no proof of 100 % or 0 %.
        return Interval(None, None, f"the same in every resample of {len(rows_of)} patients")
    return Interval(float(low), float(high))


def per_patient_maximum(values: NDArray[Number], patients: NDArray[np.int64]) -> NDArray[Number]:
    """Greatest value of each patient's slices, patients ascending: a study's score or truth."""
    return np.array([values[patients == patient].max() for patient in np.unique(patients)])
