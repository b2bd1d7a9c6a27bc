"""Measure a calibrated run on the test patients.

``python -m model.evaluate --data ... --cache ... --run ...``
"""

import argparse
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from model.artifact import calibrated
from model.calibrate import PartPredictions, load_trained, predict_part
from model.labels import LABELS
from model.metrics import (
    Metric,
    Scores,
    Truth,
    auc,
    average_precision,
    brier,
    expected_calibration_error,
    patient_interval,
    per_patient_maximum,
    sensitivity,
    specificity,
    weighted_log_loss,
)
from model.train import load_checkpoint, load_data

DRAWS: Final = 1000

_PER_SLICE: Mapping[str, Metric] = {
    "auc": auc,
    "average_precision": average_precision,
    "brier": brier,
    "ece": expected_calibration_error,
}


def estimate(
    metric: Metric,
    targets: Truth,
    scores: Scores,
    patients: NDArray[np.int64],
    *,
    of_class: int = 1,
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Measure a metric with its interval over patients, as a card records it.

    Parameters
    ----------
    metric, targets, scores, patients
        As in `model.metrics.patient_interval`.
    of_class
        The class whose patients must be enough for an interval: 0 for specificity.
    draws
        Bootstrap resamples.
    """
    value = metric(targets, scores)
    if not np.isfinite(value):
        return {"value": None, "interval": None, "reason": "no test patient to measure it on"}
    interval = patient_interval(metric, targets, scores, patients, of_class=of_class, draws=draws)
    known = interval.low is not None and interval.high is not None
    pair = [round(interval.low or 0.0, 4), round(interval.high or 0.0, 4)] if known else None
    return {"value": round(value, 4), "interval": pair, "reason": interval.reason}


def measure_threshold(
    threshold: float, slices: tuple[Truth, Scores, NDArray[np.int64]], draws: int = DRAWS
) -> dict[str, Any]:
    """Sensitivity and specificity of one label's threshold, per slice and per study."""
    targets, scores, patients = slices
    truth = per_patient_maximum(targets, patients)
    studies = (truth, per_patient_maximum(scores, patients), np.unique(patients))
    found = partial(sensitivity, threshold=threshold)
    spared = partial(specificity, threshold=threshold)
    return {
        "threshold": threshold,
        "sensitivity": estimate(found, *slices, draws=draws),
        "specificity": estimate(spared, *slices, of_class=0, draws=draws),
        "study_sensitivity": estimate(found, *studies, draws=draws),
        "study_specificity": estimate(spared, *studies, of_class=0, draws=draws),
    }


def measure(
    part: PartPredictions,
    calibration: Mapping[str, Any],
    prevalence: NDArray[np.float64],
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Measure everything the card reports.

    Parameters
    ----------
    part
        The test patients' predictions.
    calibration
        What `model.calibrate` wrote.
    prevalence
        float[6] of the training slices: the yardstick that every network must beat.
    draws
        Bootstrap resamples of each interval.
    """
    probabilities = calibrated(part.logits, calibration["temperature"])
    per_slice, study, thresholds = {}, {}, {}
    for i, label in enumerate(LABELS):
        slices = (part.targets[:, i], probabilities[:, i], part.patients)
        per_slice[label] = {
            name: estimate(metric, *slices, draws=draws) for name, metric in _PER_SLICE.items()
        }
        truth = per_patient_maximum(slices[0], part.patients)
        score = per_patient_maximum(slices[1], part.patients)
        study[f"auc_{label}"] = estimate(auc, truth, score, np.unique(part.patients), draws=draws)
        chosen = calibration["thresholds"][label]
        thresholds[label] = {
            name: measure_threshold(value, slices, draws) for name, value in chosen.items()
        }
    constant = np.broadcast_to(prevalence, part.targets.shape)
    loss = estimate(weighted_log_loss, part.targets, probabilities, part.patients, draws=draws)
    return {
        "thresholds": thresholds,
        "metrics": {
            "per_slice": per_slice,
            "study": study,
            "weighted_log_loss": loss,
            "prevalence_only_log_loss": round(weighted_log_loss(part.targets, constant), 4),
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `evaluation.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the CT-ICH folder")
    parser.add_argument("--cache", type=Path, required=True, help="folder for recovered HU")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    options = parser.parse_args(arguments)
    content = load_checkpoint(options.run / "last.pt")
    calibration = json.loads((options.run / "calibration.json").read_text())
    data = load_data(options.data, options.cache)
    size = calibration["input_size"]
    networks = {size: load_trained(content, size)}
    part = predict_part(options.data, content["parts"]["test"], networks)[size]
    prevalence = data.targets[data.of(content["parts"]["train"])].mean(axis=0)
    result = measure(part, calibration, prevalence) | {"parts": {}}
    for name, patients in content["parts"].items():
        result["parts"][name] = count_part(data.targets, data.patients, patients)
    (options.run / "evaluation.json").write_text(json.dumps(result, indent=1))
    Console().print(result["metrics"])


def count_part(
    targets: Truth, patient_of: NDArray[np.int64], patients: list[int]
) -> dict[str, Any]:
    """Patients and slices of a part, in all and with each label."""
    rows = np.isin(patient_of, patients)
    having = [np.unique(patient_of[rows & (targets[:, i] == 1)]) for i in range(len(LABELS))]
    return {
        "patients": len(patients),
        "slices": int(rows.sum()),
        "patients_with": {label: len(having[i]) for i, label in enumerate(LABELS)},
        "slices_with": {label: int(targets[rows, i].sum()) for i, label in enumerate(LABELS)},
    }


if __name__ == "__main__":
    main()
