"""Runs of one recipe, each on its own test patients, as one: every patient is judged once.

What is fitted to logits (offset, temperature, thresholds) is fitted for each run on the test
patients of the others: nothing that judges a patient has seen him (cross-fitting).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize

from model.calibrate import Wishes, choose_thresholds, count_slices, notes_on, reliability
from model.evaluation.bootstrap import draw_counts
from model.evaluation.measurement import POINTS, confusion, measure_threshold
from model.evaluation.metrics import Truth
from model.evaluation.predictions import Predictions
from model.finding import calibrated
from model.labels import LABELS

UNSCALED: Final = dict.fromkeys(LABELS, 1.0)
_PRIOR_DEVIATION: Final = 0.5
"""Of the offset, and of the logarithm of the temperature, before anything is observed."""


@dataclass(frozen=True)
class Scaling:
    """Label to what is added to its logit, and to what the sum is divided by."""

    offset: Mapping[str, float]
    temperature: Mapping[str, float]

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale logits [S, 6], so that their sigmoid is the calibrated probability."""
        offset = np.array([self.offset[label] for label in LABELS])
        divisors = np.array([self.temperature[label] for label in LABELS])
        scaled: NDArray[np.float32] = ((logits + offset) / divisors).astype(np.float32)
        return scaled


def fit_scaling(logits: NDArray[np.float32], predictions: Predictions) -> Scaling:
    """Fit each label's offset and temperature with the least log loss (Platt 1999).

    Both are held near 0 and 1, as a normal prior would: slices of one patient are not independent,
    so that patients count as what was observed, and a label of four patients moves little. A label
    without positives, or without negatives, is left as it is.

    Parameters
    ----------
    logits
        float32[S, 6], after the series head or of the slices alone.
    predictions
        What they are of.
    """
    targets, patients = predictions.targets, predictions.frame["patient"].nunique()
    prior = 1 / (2 * _PRIOR_DEVIATION**2 * patients)
    fitted = [_fit_label(logits[:, i], targets[:, i], prior) for i in range(len(LABELS))]
    return Scaling(
        {label: round(offset, 4) for label, (offset, _) in zip(LABELS, fitted, strict=True)},
        {label: round(1 / slope, 4) for label, (_, slope) in zip(LABELS, fitted, strict=True)},
    )


def _fit_label(logits: NDArray[np.float32], targets: Truth, prior: float) -> tuple[float, float]:
    if targets.min() == targets.max():
        return 0.0, 1.0
    exact = logits.astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> float:
        offset, log_slope = parameters
        scaled = (exact + offset) * np.exp(log_slope)
        fit = np.mean(np.logaddexp(0, scaled) - targets * scaled)
        return float(fit + prior * (offset**2 + log_slope**2))

    offset, log_slope = minimize(loss, [0.0, 0.0], method="L-BFGS-B").x
    return float(offset), float(np.exp(log_slope))


@dataclass(frozen=True)
class Pooled:
    """What the runs of a recipe say of their test patients together.

    Parameters
    ----------
    predictions
        Of all test patients; the logits are scaled, each run's by what the others taught.
    thresholds
        float[S, 6] of each of `POINTS`: what a slice's run holds its probability against.
    """

    predictions: Predictions
    thresholds: Mapping[str, NDArray[np.float64]]


def pool(runs: Sequence[Predictions], wishes: Wishes) -> Pooled:
    """Scale each run's logits, and choose its thresholds, by the test patients of the others.

    Parameters
    ----------
    runs
        Of the same recipe, of different patients; two or more.
    wishes
        For the thresholds.
    """
    scaled, limits = [], []
    for number, run in enumerate(runs):
        others = joined([other for place, other in enumerate(runs) if place != number])
        scaling, alone = (
            fit_scaling(others.logits, others),
            fit_scaling(others.slice_logits, others),
        )
        fitted = replace(others, logits=scaling.apply(others.logits))
        limits.append(choose_thresholds(fitted, UNSCALED, wishes))
        scaled.append(
            replace(
                run,
                logits=scaling.apply(run.logits),
                slice_logits=alone.apply(run.slice_logits),
            )
        )
    thresholds = {
        point: np.concatenate(
            [
                np.tile([limit[label][point] for label in LABELS], (len(run.frame), 1))
                for run, limit in zip(runs, limits, strict=True)
            ]
        )
        for point in POINTS
    }
    return Pooled(joined(scaled), thresholds)


def calibrate_on_all(predictions: Sequence[Predictions], wishes: Wishes) -> dict[str, Any]:
    """Fit what weights that learnt from everybody are to be served with.

    Parameters
    ----------
    predictions
        Of each run's test patients.
    wishes
        For the thresholds.

    Returns
    -------
    What `calibration.json` holds, but for the checkpoints' identity.
    """
    everybody = joined(predictions)
    scaling = fit_scaling(everybody.logits, everybody)
    slices_alone = fit_scaling(everybody.slice_logits, everybody)
    scaled = replace(everybody, logits=scaling.apply(everybody.logits))
    return {
        "offset": dict(scaling.offset),
        "temperature": dict(scaling.temperature),
        "slice_temperature": dict(slices_alone.temperature),
        "thresholds": choose_thresholds(scaled, UNSCALED, wishes),
        "wishes": vars(wishes),
        "reliability": {
            "before": reliability(everybody, UNSCALED),
            "after": reliability(scaled, UNSCALED),
        },
        "counts": count_slices(everybody),
        "notes": notes_on(everybody),
    }


def joined(parts: Sequence[Predictions]) -> Predictions:
    """One after the other."""
    return Predictions(
        pd.concat([part.frame for part in parts], ignore_index=True),
        np.concatenate([part.slice_logits for part in parts]),
        np.concatenate([part.logits for part in parts]),
    )


def measure_points(pooled: Pooled, final: Mapping[str, Any], draws: int) -> dict[str, Any]:
    """Measure the thresholds that were chosen without the patients whom they judge.

    Parameters
    ----------
    final
        Label to point to the threshold that is to be served: chosen on all, and named beside the
        figures.
    draws
        Bootstrap resamples of each interval.

    Returns
    -------
    `thresholds` and `confusion`, as `model.evaluation.measurement.measure` has them.
    """
    predictions = pooled.predictions
    probabilities = calibrated(predictions.logits, UNSCALED)
    # A probability less its own threshold: one threshold, 0, fits all runs.
    above = {point: probabilities - pooled.thresholds[point] for point in POINTS}
    slices = {point: predictions.slice_rows(scores) for point, scores in above.items()}
    studies = {point: predictions.study_rows(scores) for point, scores in above.items()}
    counts = draw_counts(int(slices[POINTS[0]].owners.max()) + 1, draws)

    def at_points(figure: Callable[[int, str], dict[str, Any]]) -> dict[str, Any]:
        return {
            label: {point: figure(i, point) for point in POINTS} for i, label in enumerate(LABELS)
        }

    return {
        "thresholds": at_points(
            lambda i, point: {
                **measure_threshold(0.0, slices[point].label(i), studies[point].label(i), counts),
                "threshold": final[LABELS[i]][point],
            }
        ),
        "confusion": at_points(
            lambda i, point: {
                "slices": confusion(slices[point].label(i), 0.0),
                "studies": confusion(studies[point].label(i), 0.0),
            }
        ),
    }
