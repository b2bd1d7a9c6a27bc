"""Intervals by bootstrap over patients: slices of one patient are not independent.

A resample is told by how often each patient was drawn. Figures that are means then are products of
two small matrices, and those of an order need it to be sorted once: 1,000 resamples of 150,000
slices take seconds where drawing the slices would take an hour.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.evaluation.metrics import (
    CALIBRATION_BINS,
    Scores,
    Truth,
    auc,
    average_precision,
    brier,
    calibration_bin,
    expected_calibration_error,
    log_loss,
    log_losses,
    sensitivity,
    sensitivity_at_specificity,
    specificity,
    specificity_at_sensitivity,
    weighted_log_loss,
    weighted_log_losses,
)

_MIN_PATIENTS: Final = 5
_ROUNDING: Final = 1e-9
_WANTED: Final = 0.9

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Slices or studies with their truth and scores.

    Parameters
    ----------
    targets
        0 or 1, int[S] of one label, or int[S, 6].
    scores
        In the shape of `targets`.
    owners
        int[S], the patient of each row, 0..P - 1.
    """

    targets: Truth
    scores: Scores
    owners: NDArray[np.int64]

    def label(self, column: int) -> "Rows":
        """The same rows, of one of the six labels."""
        return Rows(self.targets[:, column], self.scores[:, column], self.owners)


@dataclass(frozen=True)
class Figure:
    """A figure of `model.evaluation.metrics`, and the same figure in many resamples at once.

    Parameters
    ----------
    value
        Of targets and scores.
    resampled
        Of rows and counts [D, P], float64[D]; nan where a resample lacks a class it needs.
    classes
        The classes it is measured on; each needs patients enough for an interval.
    """

    value: Callable[[Truth, Scores], float]
    resampled: Callable[[Rows, Counts], NDArray[np.float64]]
    classes: tuple[int, ...] = (1,)


def draw_counts(patients: int, draws: int = 1000, seed: int = 0) -> Counts:
    """How often each of `patients` is in each resample, float64[draws, patients]."""
    generator = np.random.default_rng(seed)
    counts = np.empty((draws, patients))
    for row in counts:
        row[:] = np.bincount(generator.integers(patients, size=patients), minlength=patients)
    return counts


# ---------------------------------------------------------------------------- figures of resamples


def _ratio(above: NDArray[Any], below: NDArray[Any], owners: NDArray[Any], counts: Counts) -> Any:
    """The sum of `above` over that of `below`, both [S], in every resample."""
    n_patients = counts.shape[1]
    sums = np.stack([np.bincount(owners, part, n_patients) for part in (above, below)], axis=1)
    upper, lower = (counts @ sums).T
    return np.divide(upper, lower, out=np.full(len(counts), np.nan), where=lower > 0)


def _mean_of(losses: Callable[[Truth, Scores], NDArray[Any]], rows: Rows, counts: Counts) -> Any:
    values = losses(rows.targets, rows.scores)
    return _ratio(values, np.ones(len(values)), rows.owners, counts)


def _squares(targets: Truth, probabilities: Scores) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = (probabilities.astype(np.float64) - targets) ** 2
    return squares


def _calibration_error(rows: Rows, counts: Counts) -> NDArray[np.float64]:
    gaps = rows.targets - rows.scores.astype(np.float64)
    cell = rows.owners * CALIBRATION_BINS + calibration_bin(rows.scores)
    n_patients = counts.shape[1]
    sums = np.bincount(cell, gaps, n_patients * CALIBRATION_BINS)
    drawn = counts @ np.bincount(rows.owners, minlength=n_patients)
    total = np.abs(counts @ sums.reshape(n_patients, CALIBRATION_BINS)).sum(axis=1)
    error: NDArray[np.float64] = total / drawn
    return error


def _share_at(threshold: float, of_class: int, rows: Rows, counts: Counts) -> Any:
    """Sensitivity (class 1) or specificity (class 0)."""
    counted = rows.targets == of_class
    right = counted & ((rows.scores >= threshold) == (of_class == 1))
    return _ratio(right, counted, rows.owners, counts)


def _over_order(area: Callable[[Any, Any], float], rows: Rows, counts: Counts) -> Any:
    """A figure of the order: `area` of true positives and of all, cumulated at distinct scores."""
    order = np.argsort(-rows.scores, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(rows.scores[order])), len(order) - 1)
    owners, positive = rows.owners[order], rows.targets[order].astype(np.float64)
    values = np.empty(len(counts))
    for draw, of_patients in enumerate(counts):
        weights = of_patients[owners]
        found = np.cumsum(weights * positive)[last_of_ties]
        values[draw] = area(found, np.cumsum(weights)[last_of_ties])
    return values


def _roc_area(found: NDArray[np.float64], named: NDArray[np.float64]) -> float:
    false = named - found
    if found[-1] == 0 or false[-1] == 0:
        return float("nan")
    heights = found + np.concatenate([[0.0], found[:-1]])
    return float(np.diff(false, prepend=0.0) @ heights / 2 / found[-1] / false[-1])


def _precision_area(found: NDArray[np.float64], named: NDArray[np.float64]) -> float:
    if found[-1] == 0:
        return float("nan")
    precision = found / np.maximum(named, 1)
    return float(np.diff(found, prepend=0.0) @ precision / found[-1])


def _found_at(specificity: float, found: NDArray[np.float64], named: NDArray[np.float64]) -> float:
    """Sensitivity of the lowest score at which this share of the negatives is spared."""
    false = named - found
    if found[-1] == 0 or false[-1] == 0:
        return float("nan")
    spared = np.searchsorted(false, (1 - specificity) * false[-1] + _ROUNDING, side="right")
    return float(found[spared - 1] / found[-1]) if spared else 0.0


def _spared_at(sensitivity: float, found: NDArray[np.float64], named: NDArray[np.float64]) -> float:
    """Specificity of the highest score at which this share of the positives is found."""
    false = named - found
    if found[-1] == 0 or false[-1] == 0:
        return float("nan")
    enough = np.searchsorted(found, sensitivity * found[-1] - _ROUNDING)
    return float(1 - false[enough] / false[-1])


MEAN: Final = Figure(
    lambda _, scores: float(scores.mean()) if len(scores) else float("nan"),
    partial(_mean_of, lambda _, scores: scores),
)
"""Mean of the scores of rows that all count: their targets are 1."""
WEIGHTED_LOG_LOSS: Final = Figure(weighted_log_loss, partial(_mean_of, weighted_log_losses))
AUC: Final = Figure(auc, partial(_over_order, _roc_area), (1, 0))
OF_LABEL: Final[Mapping[str, Figure]] = {
    "auc": AUC,
    "average_precision": Figure(average_precision, partial(_over_order, _precision_area)),
    "log_loss": Figure(log_loss, partial(_mean_of, log_losses)),
    "brier": Figure(brier, partial(_mean_of, _squares)),
    "ece": Figure(expected_calibration_error, _calibration_error),
    "sensitivity_at_90_specificity": Figure(
        partial(sensitivity_at_specificity, wanted=_WANTED),
        partial(_over_order, partial(_found_at, _WANTED)),
        (1, 0),
    ),
    "specificity_at_90_sensitivity": Figure(
        partial(specificity_at_sensitivity, wanted=_WANTED),
        partial(_over_order, partial(_spared_at, _WANTED)),
        (1, 0),
    ),
}
"""What is measured of one label's slices, and of its studies."""


def sensitivity_at(threshold: float) -> Figure:
    """Sensitivity at a threshold."""
    return Figure(partial(sensitivity, threshold=threshold), partial(_share_at, threshold, 1))


def specificity_at(threshold: float) -> Figure:
    """Specificity at a threshold."""
    return Figure(partial(specificity, threshold=threshold), partial(_share_at, threshold, 0), (0,))


# --------------------------------------------------------------------------------------- intervals


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, or the reason why there is none."""

    low: float | None
    high: float | None
    reason: str | None = None


def patient_interval(figure: Figure, rows: Rows, counts: Counts) -> Interval:
    """The interval of a figure.

    Parameters
    ----------
    figure
        What is measured.
    rows
        Slices or studies.
    counts
        From `draw_counts`; a resample that lacks a class is left out.

    Returns
    -------
    The 2.5th and 97.5th percentile; none where fewer than five patients have the class, or where
    the patients are too alike for resampling to tell anything.
    """
    return _too_few(figure, rows) or _percentiles(figure.resampled(rows, counts), counts)


def paired_interval(figure: Figure, first: Rows, second: Rows, counts: Counts) -> Interval:
    """The interval of the second's figure less the first's, both measured in the same resamples.

    Raises
    ------
    ValueError
        The two are not predictions of the same rows.
    """
    same = (
        first.targets.shape == second.targets.shape
        and (first.targets == second.targets).all()
        and (first.owners == second.owners).all()
    )
    if not same:
        raise ValueError("a paired interval needs two predictions of the same rows")
    return _too_few(figure, first) or _percentiles(
        figure.resampled(second, counts) - figure.resampled(first, counts), counts
    )


def _too_few(figure: Figure, rows: Rows) -> Interval | None:
    truth = rows.targets if rows.targets.ndim == 1 else rows.targets[:, 0]
    having = min(len(np.unique(rows.owners[truth == wanted])) for wanted in figure.classes)
    if having >= _MIN_PATIENTS:
        return None
    return Interval(None, None, f"patients it is measured on: {having}, too few for an interval")


def _percentiles(values: NDArray[np.float64], counts: Counts) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    if np.isclose(low, high, rtol=0, atol=1e-12):
        # All right or all wrong in a few patients is no proof of 100 % or 0 %.
        return Interval(None, None, f"the same in every resample of {counts.shape[1]} patients")
    return Interval(float(low), float(high))


def estimate(figure: Figure, rows: Rows, counts: Counts) -> dict[str, Any]:
    """Measure a figure: `value`, `interval` and `reason`, as a card records it."""
    value = figure.value(rows.targets, rows.scores)
    if not np.isfinite(value):
        return {"value": None, "interval": None, "reason": "no test patient to measure it on"}
    return _recorded(value, patient_interval(figure, rows, counts))


def difference(figure: Figure, first: Rows, second: Rows, counts: Counts) -> dict[str, Any]:
    """Measure by how much the second's figure is greater, with its paired interval."""
    value = figure.value(second.targets, second.scores) - figure.value(first.targets, first.scores)
    if not np.isfinite(value):
        return {"value": None, "interval": None, "reason": "no test patient to measure it on"}
    return _recorded(value, paired_interval(figure, first, second, counts))


def _recorded(value: float, interval: Interval) -> dict[str, Any]:
    pair = None
    if interval.low is not None and interval.high is not None:
        pair = [round(interval.low, 4), round(interval.high, 4)]
    return {"value": round(value, 4), "interval": pair, "reason": interval.reason}
