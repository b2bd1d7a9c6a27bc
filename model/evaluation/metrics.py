"""The one implementation of every figure Falx reports about its predictions."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from model.labels import METRIC_WEIGHTS

CALIBRATION_BINS: Final = 10
_CLIP: Final = 1e-15

Truth = NDArray[np.integer]
Scores = NDArray[np.floating]


def log_losses(targets: Truth, probabilities: Scores) -> NDArray[np.float64]:
    """The log loss of every entry, in its shape; probabilities are clipped to 1e-15 from 0 and 1.

    Parameters
    ----------
    targets
        0 or 1, of any shape.
    probabilities
        Of the same shape, 0..1.
    """
    clipped = np.clip(probabilities.astype(np.float64), _CLIP, 1 - _CLIP)
    losses: NDArray[np.float64] = -np.where(targets == 1, np.log(clipped), np.log1p(-clipped))
    return losses


def log_loss(targets: Truth, probabilities: Scores) -> float:
    """Mean log loss of one label."""
    return float(log_losses(targets, probabilities).mean())


def weighted_log_losses(targets: Truth, probabilities: Scores) -> NDArray[np.float64]:
    """Each slice's loss in the RSNA 2019 metric, float64[S], of arrays [S, 6]."""
    losses: NDArray[np.float64] = np.average(
        log_losses(targets, probabilities), axis=1, weights=METRIC_WEIGHTS
    )
    return losses


def weighted_log_loss(targets: Truth, probabilities: Scores) -> float:
    """The RSNA 2019 metric: mean over slices of the label-weighted log loss.

    Parameters
    ----------
    targets
        0 or 1, int[S, 6] in `LABELS` order.
    probabilities
        float[S, 6], 0..1; clipped to 1e-15 from both ends.
    """
    return float(weighted_log_losses(targets, probabilities).mean())


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


def calibration_bin(probabilities: Scores) -> NDArray[np.int64]:
    """The bin 0..9 of equal width that each probability falls in."""
    index = (probabilities * CALIBRATION_BINS).astype(np.int64)
    return np.minimum(index, CALIBRATION_BINS - 1)


def reliability_bins(
    targets: Truth, probabilities: Scores
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean probability and observed share of each bin (nan where it is empty), and its slices."""
    index = calibration_bin(probabilities)
    count = np.bincount(index, minlength=CALIBRATION_BINS)
    filled = np.where(count, count, np.nan)
    mean = np.bincount(index, probabilities, CALIBRATION_BINS) / filled
    share = np.bincount(index, targets, CALIBRATION_BINS) / filled
    return mean, share, count


def expected_calibration_error(targets: Truth, probabilities: Scores) -> float:
    """Mean gap between probability and observed share over equal-width bins (Guo et al. 2017).

    Parameters
    ----------
    targets, probabilities
        One label's, of equal length; each of the ten bins weighs as many slices as it holds.
    """
    gaps = np.bincount(calibration_bin(probabilities), targets - probabilities.astype(np.float64))
    return float(np.abs(gaps).sum() / len(targets))


def sensitivity(targets: Truth, scores: Scores, threshold: float) -> float:
    """Share of positives with a score at or above `threshold`; nan without positives."""
    positive = scores[targets == 1]
    return float((positive >= threshold).mean()) if len(positive) else float("nan")


def specificity(targets: Truth, scores: Scores, threshold: float) -> float:
    """Share of negatives with a score below `threshold`; nan without negatives."""
    negative = scores[targets == 0]
    return float((negative < threshold).mean()) if len(negative) else float("nan")


def sensitivity_at_specificity(targets: Truth, scores: Scores, wanted: float) -> float:
    """Sensitivity where at least `wanted` (0..1) of the negatives are spared; nan without both."""
    if targets.min() == targets.max():
        return float("nan")
    return sensitivity(targets, scores, threshold_at_specificity(targets, scores, wanted))


def specificity_at_sensitivity(targets: Truth, scores: Scores, wanted: float) -> float:
    """Specificity where at least `wanted` (0..1) of the positives are found; nan without both."""
    if targets.min() == targets.max():
        return float("nan")
    return specificity(targets, scores, threshold_at_sensitivity(targets, scores, wanted))


def threshold_at_sensitivity(targets: Truth, scores: Scores, wanted: float) -> float:
    """The highest threshold that finds at least `wanted` (0..1) of the positives.

    Raises
    ------
    ValueError
        There is no positive.
    """
    positive = np.sort(scores[targets == 1])[::-1]
    if not len(positive):
        raise ValueError("a sensitivity needs positives")
    needed = int(np.ceil(wanted * len(positive) - 1e-9))
    return float(positive[max(needed, 1) - 1])


def threshold_at_specificity(targets: Truth, scores: Scores, wanted: float) -> float:
    """The lowest threshold that leaves at least `wanted` (0..1) of the negatives below it.

    Raises
    ------
    ValueError
        There is no negative.
    """
    negative = np.sort(scores[targets == 0])
    if not len(negative):
        raise ValueError("a specificity needs negatives")
    below = int(np.ceil(wanted * len(negative) - 1e-9))
    return float(np.nextafter(negative[max(below, 1) - 1], 1))


def highest_of_groups(values: NDArray[Any], groups: NDArray[np.int64]) -> NDArray[Any]:
    """Greatest value of each group's rows: a study's score or truth from those of its slices.

    Parameters
    ----------
    values
        [S] or [S, 6].
    groups
        int[S], 0..G - 1, each number at least once.

    Returns
    -------
    Of the groups 0..G - 1, [G] or [G, 6], in the type of `values`.
    """
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    highest: NDArray[Any] = np.maximum.reduceat(values[order], starts, axis=0)
    return highest
