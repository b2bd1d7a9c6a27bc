"""What is measured of a run on its test patients, and of two runs on the same ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.sampling import SHARE_LIMITS
from model.errors import TrainingError
from model.evaluation.bootstrap import (
    AUC,
    OF_LABEL,
    WEIGHTED_LOG_LOSS,
    Counts,
    Rows,
    difference,
    draw_counts,
    estimate,
    sensitivity_at,
    specificity_at,
)
from model.evaluation.metrics import reliability_bins, weighted_log_loss
from model.evaluation.predictions import Predictions
from model.finding import calibrated
from model.labels import LABELS

POINTS: Final = ("screen", "alert")


@dataclass(frozen=True)
class EvaluatedRun:
    """A run's predictions of its test patients, and its calibration."""

    name: str
    predictions: Predictions
    calibration: Mapping[str, Any]

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """float32[S, 6], calibrated."""
        return calibrated(self.predictions.logits, self.calibration["temperature"])

    @property
    def slice_probabilities(self) -> NDArray[np.float32]:
        """float32[S, 6], of the slices alone, calibrated by themselves."""
        return calibrated(self.predictions.slice_logits, self.calibration["slice_temperature"])


# --------------------------------------------------------------------------------------- measuring


def measure(run: EvaluatedRun, prevalence: Sequence[float], draws: int) -> dict[str, Any]:
    """Measure everything that the card and the report say of one run.

    Parameters
    ----------
    run
        With the predictions of the test patients.
    prevalence
        Six shares of the training slices: the yardstick that every network must beat, kept within
        `SHARE_LIMITS`.
    draws
        Bootstrap resamples of each interval.
    """
    slices = run.predictions.slice_rows(run.probabilities)
    studies = run.predictions.study_rows(run.probabilities)
    counts = draw_counts(int(slices.owners.max()) + 1, draws)
    chosen = run.calibration["thresholds"]
    constant = np.broadcast_to(np.clip(prevalence, *SHARE_LIMITS), slices.targets.shape)
    return {
        "thresholds": _at_points(
            chosen,
            lambda i, threshold: measure_threshold(
                threshold, slices.label(i), studies.label(i), counts
            ),
        ),
        "metrics": {
            "per_slice": measure_labels(slices, counts),
            "per_study": measure_labels(studies, counts),
            "weighted_log_loss": estimate(WEIGHTED_LOG_LOSS, slices, counts),
            "prevalence_only_log_loss": round(weighted_log_loss(slices.targets, constant), 4),
            "reliability": {
                label: measure_reliability(slices.label(i)) for i, label in enumerate(LABELS)
            },
            "studies_by_slices_alone": _studies_by_slices_alone(run, studies, counts),
        },
        "confusion": _at_points(
            chosen,
            lambda i, threshold: {
                "slices": confusion(slices.label(i), threshold),
                "studies": confusion(studies.label(i), threshold),
            },
        ),
        "slices_alone": _slices_alone(run, slices, counts),
        "draws": draws,
    }


def _slices_alone(run: EvaluatedRun, slices: Rows, counts: Counts) -> dict[str, Any]:
    alone = run.predictions.slice_rows(run.slice_probabilities)
    return {
        "per_slice": measure_labels(alone, counts),
        "weighted_log_loss": estimate(WEIGHTED_LOG_LOSS, alone, counts),
        "change_by_series_head": differences(alone, slices, counts),
    }


def _studies_by_slices_alone(
    run: EvaluatedRun, studies: Rows, counts: Counts
) -> dict[str, Any] | None:
    """Studies without the series head, and what it changes of them; nothing where there is none."""
    if np.array_equal(run.predictions.logits, run.predictions.slice_logits):
        return None
    alone = run.predictions.study_rows(run.slice_probabilities)
    return {
        "figures": measure_labels(alone, counts),
        "change_by_series_head": label_differences(alone, studies, counts, tuple(OF_LABEL)),
    }


def _at_points(
    chosen: Mapping[str, Mapping[str, float]], figure: Callable[[int, float], dict[str, Any]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Label to point to what a figure says of the label's number and its threshold there."""
    return {
        label: {point: figure(i, chosen[label][point]) for point in POINTS}
        for i, label in enumerate(LABELS)
    }


def measure_labels(slices: Rows, counts: Counts) -> dict[str, Any]:
    """Label to figure to estimate, of rows with all six labels."""
    return {
        label: {
            name: estimate(figure, slices.label(i), counts) for name, figure in OF_LABEL.items()
        }
        for i, label in enumerate(LABELS)
    }


def measure_threshold(
    threshold: float, slices: Rows, studies: Rows, counts: Counts
) -> dict[str, Any]:
    """Sensitivity and specificity of one label's threshold, per slice and per study."""
    found, spared = sensitivity_at(threshold), specificity_at(threshold)
    return {
        "threshold": threshold,
        "sensitivity": estimate(found, slices, counts),
        "specificity": estimate(spared, slices, counts),
        "study_sensitivity": estimate(found, studies, counts),
        "study_specificity": estimate(spared, studies, counts),
    }


def measure_reliability(rows: Rows) -> list[dict[str, float | int]]:
    """One label's reliability diagram: each bin that holds a slice, of `CALIBRATION_BINS`."""
    return [
        {"probability": round(mean, 4), "observed": round(share, 4), "slices": count}
        for mean, share, count in zip(
            *(part.tolist() for part in reliability_bins(rows.targets, rows.scores)), strict=True
        )
        if count
    ]


def confusion(rows: Rows, threshold: float) -> dict[str, int]:
    """How often one label was rightly and wrongly named at a threshold."""
    named, there = rows.scores >= threshold, rows.targets == 1
    return {
        "true_positive": int((named & there).sum()),
        "false_negative": int((~named & there).sum()),
        "false_positive": int((named & ~there).sum()),
        "true_negative": int((~named & ~there).sum()),
    }


def differences(first: Rows, second: Rows, counts: Counts) -> dict[str, Any]:
    """The second's figures less the first's, with paired intervals, of rows with all six labels."""
    return {
        "weighted_log_loss": difference(WEIGHTED_LOG_LOSS, first, second, counts),
        "per_slice": label_differences(
            first, second, counts, ("log_loss", "auc", "average_precision")
        ),
    }


def label_differences(
    first: Rows, second: Rows, counts: Counts, names: Sequence[str]
) -> dict[str, Any]:
    """Label to name of a figure of `OF_LABEL` to the second's less the first's."""
    return {
        label: {
            name: difference(OF_LABEL[name], first.label(i), second.label(i), counts)
            for name in names
        }
        for i, label in enumerate(LABELS)
    }


# --------------------------------------------------------------------------------------- comparing


def compare(run: EvaluatedRun, other: EvaluatedRun, draws: int) -> dict[str, Any]:
    """Compare two runs on the same slices: the other's figures, and its less this run's.

    Raises
    ------
    TrainingError
        They were tested on other patients, slices or labels.
    """
    matched = matched_to(run, other)
    mine = run.predictions.slice_rows(run.probabilities)
    theirs = matched.predictions.slice_rows(matched.probabilities)
    counts = draw_counts(int(mine.owners.max()) + 1, draws)
    my_studies = run.predictions.study_rows(run.probabilities)
    their_studies = matched.predictions.study_rows(matched.probabilities)
    return {
        "run": other.name,
        "weighted_log_loss": estimate(WEIGHTED_LOG_LOSS, theirs, counts),
        "per_slice": measure_labels(theirs, counts),
        "difference": differences(mine, theirs, counts)
        | {
            "study": {
                f"auc_{label}": difference(AUC, my_studies.label(i), their_studies.label(i), counts)
                for i, label in enumerate(LABELS)
            }
        },
    }


def matched_to(run: EvaluatedRun, other: EvaluatedRun) -> EvaluatedRun:
    """Put the other run's slices in the order of this run's."""
    mine, theirs = run.predictions.frame, other.predictions.frame
    for column, what in (("patient", "test patients"), ("name", "test slices")):
        here = set(zip(mine["data_set"], mine[column], strict=True))
        there = set(zip(theirs["data_set"], theirs[column], strict=True))
        if here != there:
            raise TrainingError(
                f"{run.name} and {other.name} cannot be compared: {len(here - there)} {what} of "
                f"the first and {len(there - here)} of the second are not the other's. Train both "
                "with the same --folds file and caches."
            )
    key = ["data_set", "name"]
    place = pd.Series(np.arange(len(theirs)), pd.MultiIndex.from_frame(theirs[key]))
    order = place.loc[pd.MultiIndex.from_frame(mine[key])].to_numpy()
    logits = (other.predictions.slice_logits[order], other.predictions.logits[order])
    matched = Predictions(theirs.iloc[order].reset_index(drop=True), *logits)
    if not np.array_equal(matched.targets, run.predictions.targets):
        raise TrainingError(
            f"{run.name} and {other.name} cannot be compared: their caches hold other labels."
        )
    return EvaluatedRun(other.name, matched, other.calibration)
