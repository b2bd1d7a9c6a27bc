"""Choose input size, temperatures and thresholds on patients used for nothing else.

``python -m model.calibrate --run runs/x``
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize_scalar

from model.errors import TrainingError
from model.evaluation.metrics import (
    Truth,
    brier,
    expected_calibration_error,
    log_loss,
    threshold_at_sensitivity,
    threshold_at_specificity,
    weighted_log_loss,
)
from model.evaluation.prediction_store import predict_part, weights_digest
from model.evaluation.predictions import Predictions
from model.finding import calibrated
from model.labels import LABELS
from model.system.files import write_json
from model.system.options import add_machine, add_run

if TYPE_CHECKING:
    from model.training.trained import Trained

CALIBRATION_FILE: Final = "calibration.json"
_TEMPERATURES: Final = (0.3, 4.0)
_UNFITTED: Final = 1.0


@dataclass(frozen=True)
class Wishes:
    """What the thresholds are to reach on studies' highest slices, 0..1."""

    screen_sensitivity: float = 0.95
    alert_specificity: float = 0.95


def fit_temperature(logits: NDArray[np.float32], targets: Truth) -> float:
    """Find the divisor of one label's logits with the least log loss, 0.3..4.

    Parameters
    ----------
    logits, targets
        float32[S] and 0 or 1, int[S].

    Returns
    -------
    1 where there is no positive or no negative slice: nothing can be fitted then.
    """
    if targets.min() == targets.max():
        return _UNFITTED
    exact = logits.astype(np.float64)

    def loss(temperature: float) -> float:
        scaled = exact / temperature
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    return float(minimize_scalar(loss, bounds=_TEMPERATURES, method="bounded").x)


def fit_temperatures(logits: NDArray[np.float32], targets: Truth) -> dict[str, float]:
    """Label to temperature, of logits and targets [S, 6]."""
    return {
        label: round(fit_temperature(logits[:, i], targets[:, i]), 4)
        for i, label in enumerate(LABELS)
    }


def choose_thresholds(
    predictions: Predictions, temperature: Mapping[str, float], wishes: Wishes
) -> dict[str, dict[str, float]]:
    """Choose each label's screen and alert threshold.

    Both are chosen on studies' highest slices, because that is what a finding is stated on: a
    slice-wise specificity of 0.95 would flag most series of 30 slices.

    Without studies of both classes nothing is known of a label: its thresholds 0 and 1 leave every
    finding indeterminate.
    """
    studies = predictions.study_rows(calibrated(predictions.logits, temperature))
    thresholds = {}
    for i, label in enumerate(LABELS):
        truth, score = studies.targets[:, i], studies.scores[:, i]
        if truth.min() == truth.max():
            thresholds[label] = {"screen": 0.0, "alert": 1.0}
            continue
        thresholds[label] = {
            "screen": threshold_at_sensitivity(truth, score, wishes.screen_sensitivity),
            "alert": threshold_at_specificity(truth, score, wishes.alert_specificity),
        }
    return thresholds


def notes_on(predictions: Predictions) -> dict[str, str]:
    """Label to a sentence on what could not be fitted on these patients."""
    slices = predictions.targets
    studies = predictions.study_rows(predictions.logits).targets
    notes = {}
    for i, label in enumerate(LABELS):
        if not slices[:, i].any():
            notes[label] = (
                f"No calibration patient has {label} hemorrhage: its temperature stays 1, and "
                "every finding is indeterminate."
            )
        elif studies[:, i].all():
            notes[label] = (
                f"Every calibration study has {label} hemorrhage: no specificity can be measured, "
                "and every finding is indeterminate."
            )
    return notes


def reliability(predictions: Predictions, temperature: Mapping[str, float]) -> dict[str, Any]:
    """How well probabilities fit: per label, and the weighted log loss."""
    probabilities, targets = calibrated(predictions.logits, temperature), predictions.targets
    figures = {"log_loss": log_loss, "brier": brier, "ece": expected_calibration_error}
    per_label = {
        label: {
            name: round(figure(targets[:, i], probabilities[:, i]), 5)
            for name, figure in figures.items()
        }
        for i, label in enumerate(LABELS)
    }
    return {
        "weighted_log_loss": round(weighted_log_loss(targets, probabilities), 5),
        "per_slice": per_label,
    }


def count_slices(predictions: Predictions) -> dict[str, Any]:
    """Patients, studies and slices, in all and with each label."""
    frame = predictions.frame
    having = {label: frame[frame[label] == 1] for label in LABELS}
    return {
        "patients": frame["patient"].nunique(),
        "studies": frame["study"].nunique(),
        "slices": len(frame),
        "patients_with": {label: rows["patient"].nunique() for label, rows in having.items()},
        "studies_with": {label: rows["study"].nunique() for label, rows in having.items()},
        "slices_with": {label: len(rows) for label, rows in having.items()},
    }


def calibrate(of_size: Mapping[int, Predictions], wishes: Wishes) -> dict[str, Any]:
    """Calibrate on predictions of the calibration patients.

    Parameters
    ----------
    of_size
        Input size to predictions; the size with the least loss after calibration is chosen.
    wishes
        For the thresholds.

    Returns
    -------
    What `calibration.json` holds, but for the checkpoint's identity.
    """
    temperatures = {
        size: fit_temperatures(predictions.logits, predictions.targets)
        for size, predictions in of_size.items()
    }
    after = {
        size: reliability(predictions, temperatures[size]) for size, predictions in of_size.items()
    }
    best = min(after, key=lambda size: float(after[size]["weighted_log_loss"]))
    predictions, temperature = of_size[best], temperatures[best]
    return {
        "input_size": best,
        "loss_by_size": {str(size): after[size]["weighted_log_loss"] for size in after},
        "temperature": temperature,
        # So that the slices alone can be compared with the series head on equal terms.
        "slice_temperature": fit_temperatures(predictions.slice_logits, predictions.targets),
        "thresholds": choose_thresholds(predictions, temperature, wishes),
        "wishes": vars(wishes),
        "reliability": {
            "before": reliability(predictions, dict.fromkeys(LABELS, _UNFITTED)),
            "after": after[best],
        },
        "counts": count_slices(predictions),
        "notes": notes_on(predictions),
    }


def checkpoint_facts(trained: "Trained", checkpoint: str) -> dict[str, Any]:
    """What ties a result to the weights that it is of."""
    return {
        "checkpoint": checkpoint,
        "epoch": trained.content["epoch"],
        "step": trained.content["step"],
        "weights": weights_digest(trained.network),
    }


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    wishes = Wishes()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_run(parser)
    add("--checkpoint", choices=("last", "best"), default="last", help="which weights (last)")
    add("--sizes", type=int, nargs="+", help="input sizes to choose from (the trained one)")
    for name, value in vars(wishes).items():
        what = "wished of the threshold, on studies, 0 to 1"
        add(f"--{name.replace('_', '-')}", type=float, default=value, help=f"{what} ({value})")
    add_machine(parser)
    options = parser.parse_args(arguments)
    for name in vars(wishes):
        if not 0 < getattr(options, name) <= 1:
            raise TrainingError(f"--{name.replace('_', '-')} must lie between 0 and 1.")
    if any(not 32 <= size <= 1024 for size in options.sizes or ()):
        raise TrainingError("--sizes must lie between 32 and 1024.")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `calibration.json`."""
    from model.training.trained import load_trained

    options = parse_arguments(arguments)
    first = load_trained(options.run, options.checkpoint)
    trained = {
        size: load_trained(options.run, options.checkpoint, size)
        for size in options.sizes or [first.network.spec.input_size]
    }
    of_size = predict_part(
        options.run, trained, "calibrate", device=options.device, workers=options.workers
    )
    wishes = Wishes(options.screen_sensitivity, options.alert_specificity)
    result = calibrate(of_size, wishes)
    facts = checkpoint_facts(trained[result["input_size"]], options.checkpoint)
    write_json(options.run / CALIBRATION_FILE, result | facts)
    _show(Console(), result, options.run / CALIBRATION_FILE)


def _show(console: Console, result: Mapping[str, Any], path: Path) -> None:
    counts, before, after = (
        result["counts"],
        result["reliability"]["before"],
        result["reliability"]["after"],
    )
    console.print(
        f"{counts['patients']} patients, {counts['slices']} slices, input size "
        f"{result['input_size']}; ECE is the calibration error, before and after"
    )
    table = Table(box=None)
    for name in ("label", "positives", "temperature", "ECE", "after", "screen", "alert"):
        table.add_column(name, justify="left" if name == "label" else "right", no_wrap=True)
    for label in LABELS:
        table.add_row(
            label,
            str(counts["slices_with"][label]),
            f"{result['temperature'][label]:.3f}",
            f"{before['per_slice'][label]['ece']:.4f}",
            f"{after['per_slice'][label]['ece']:.4f}",
            *(f"{result['thresholds'][label][point]:.4f}" for point in ("screen", "alert")),
        )
    console.print(table)
    console.print(
        f"weighted log loss {before['weighted_log_loss']:.4f} before, "
        f"{after['weighted_log_loss']:.4f} after"
    )
    for note in result["notes"].values():
        console.print(note)
    console.print(f"written: {path}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
