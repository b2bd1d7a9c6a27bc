"""Runs of one recipe, each on its own test patients, as one: every patient is judged once.

What is fitted to logits (average over neighbours, offset, temperature, thresholds) is fitted for
each run on the test patients of the others: nothing that judges a patient has seen him
(cross-fitting).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from model.architecture.series_head import neighbour_average
from model.calibrate import Wishes, choose_thresholds, count_slices, notes_on, reliability
from model.cross_validation.scaling import UNSCALED, Scaling, fit_scaling
from model.evaluation.bootstrap import draw_counts
from model.evaluation.measurement import POINTS, confusion, measure_threshold
from model.evaluation.metrics import weighted_log_loss
from model.evaluation.neighbour_widths import WIDTHS_MM, choose_widths
from model.evaluation.predictions import Predictions, served_positions
from model.finding import calibrated
from model.labels import LABELS


@dataclass(frozen=True)
class Fit:
    """What is fitted to the logits of slices.

    Parameters
    ----------
    widths_mm
        Six, of the average over neighbours.
    series, alone
        Scaling of the averaged logits, and of each slice's own.
    thresholds
        Label to screen and alert threshold.
    """

    widths_mm: Sequence[float]
    series: Scaling
    alone: Scaling
    thresholds: Mapping[str, Mapping[str, float]]

    def apply(self, predictions: Predictions) -> Predictions:
        """Predictions with logits whose sigmoid is the calibrated probability."""
        return replace(
            predictions,
            logits=self.series.apply(averaged(predictions, self.widths_mm)),
            slice_logits=self.alone.apply(predictions.slice_logits),
        )


def fit(predictions: Predictions, wishes: Wishes) -> Fit:
    """Fit average, scaling and thresholds, in this order.

    Parameters
    ----------
    predictions
        Of patients from whom the weights did not learn.
    wishes
        For the thresholds.
    """
    studies = pd.factorize(predictions.frame["study"])[0]
    scaled_of = {}
    for width in WIDTHS_MM:
        logits = averaged(predictions, [width] * len(LABELS))
        scaled_of[width] = fit_scaling(logits, predictions).apply(logits)
    widths = choose_widths(scaled_of, predictions.targets, studies)
    logits = averaged(predictions, widths)
    series = fit_scaling(logits, predictions)
    return Fit(
        widths,
        series,
        fit_scaling(predictions.slice_logits, predictions),
        choose_thresholds(replace(predictions, logits=series.apply(logits)), UNSCALED, wishes),
    )


def averaged(predictions: Predictions, widths_mm: Sequence[float]) -> NDArray[np.float32]:
    """Average the logits of slices [S, 6] over their neighbours, series by series."""
    logits = predictions.slice_logits.copy()
    for rows in predictions.frame.groupby(["study", "series"], sort=False).indices.values():
        z_mm = predictions.frame["z_mm"].to_numpy(np.float64)[rows]
        positions = served_positions(z_mm, np.full(len(z_mm), np.nan))
        average = neighbour_average(
            torch.from_numpy(logits[rows]), torch.from_numpy(positions), torch.tensor(widths_mm)
        )
        logits[rows] = average.numpy()
    return logits


def _loss(logits: NDArray[np.float32], predictions: Predictions) -> float:
    return round(weighted_log_loss(predictions.targets, calibrated(logits, UNSCALED)), 5)


@dataclass(frozen=True)
class Pooled:
    """What the runs of a recipe say of their test patients together.

    Parameters
    ----------
    predictions
        Of all test patients; each run's logits are averaged and scaled by what the others taught.
    thresholds
        float[S, 6] of each of `POINTS`: what a slice's run holds its probability against.
    """

    predictions: Predictions
    thresholds: Mapping[str, NDArray[np.float64]]


def pool(runs: Sequence[Predictions], wishes: Wishes) -> Pooled:
    """Fit to each run what the test patients of the others teach.

    Parameters
    ----------
    runs
        Of the same recipe, of different patients; two or more.
    wishes
        For the thresholds.
    """
    fits = [
        fit(joined([other for place, other in enumerate(runs) if place != number]), wishes)
        for number in range(len(runs))
    ]
    thresholds = {
        point: np.concatenate(
            [
                np.tile([one.thresholds[label][point] for label in LABELS], (len(run.frame), 1))
                for run, one in zip(runs, fits, strict=True)
            ]
        )
        for point in POINTS
    }
    fitted = [one.apply(run) for run, one in zip(runs, fits, strict=True)]
    return Pooled(joined(fitted), thresholds)


def calibrate_on_all(runs: Sequence[Predictions], wishes: Wishes) -> dict[str, Any]:
    """Fit what weights that learnt from everybody are to be served with.

    Parameters
    ----------
    runs
        Of each run's test patients.
    wishes
        For the thresholds.

    Returns
    -------
    What `calibration.json` holds, but for the checkpoints' identity.
    """
    everybody = joined(runs)
    found = fit(everybody, wishes)
    return {
        "widths_mm": dict(zip(LABELS, found.widths_mm, strict=True)),
        "weighted_alone": _loss(everybody.slice_logits, everybody),
        "weighted_averaged": _loss(averaged(everybody, found.widths_mm), everybody),
        "offset": dict(found.series.offset),
        "temperature": dict(found.series.temperature),
        "slice_temperature": dict(found.alone.temperature),
        "thresholds": found.thresholds,
        "wishes": vars(wishes),
        "reliability": {
            "before": reliability(everybody, UNSCALED),
            "after": reliability(found.apply(everybody), UNSCALED),
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
    return {
        "thresholds": _at_points(
            lambda i, point: {
                **measure_threshold(0.0, slices[point].label(i), studies[point].label(i), counts),
                "threshold": final[LABELS[i]][point],
            }
        ),
        "confusion": _at_points(
            lambda i, point: {
                "slices": confusion(slices[point].label(i), 0.0),
                "studies": confusion(studies[point].label(i), 0.0),
            }
        ),
    }


def _at_points(figure: Callable[[int, str], dict[str, Any]]) -> dict[str, Any]:
    """Label to point to the figure of the label's number and the point."""
    return {label: {point: figure(i, point) for point in POINTS} for i, label in enumerate(LABELS)}
