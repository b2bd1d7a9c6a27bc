"""Choose input size, temperatures and thresholds on the calibration patients.

``python -m model.calibrate --data ... --run ...``
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.optimize import minimize_scalar

from model.artifact import calibrated
from model.data.ct_ich import read_labels, recover_patient
from model.errors import TrainingError
from model.labels import LABELS
from model.metrics import (
    per_patient_maximum,
    threshold_at_sensitivity,
    threshold_at_specificity,
    weighted_log_loss,
)
from model.network import HemorrhageNetwork
from model.train import load_checkpoint, predict_logits

SCREEN_SENSITIVITY: Final = 0.95
ALERT_SPECIFICITY: Final = 0.95
_TEMPERATURES: Final = (0.3, 4.0)


@dataclass(frozen=True)
class PartPredictions:
    """A part's slices: logits float32[S, 6], targets int[S, 6], patients int[S]."""

    logits: NDArray[np.float32]
    targets: NDArray[np.int64]
    patients: NDArray[np.int64]


def load_trained(content: Mapping[str, Any], input_size: int) -> HemorrhageNetwork:
    """Build the averaged network of a checkpoint, its head corrected to the true prevalence.

    Training drew positives more often than they occur; the log-odds of that are known exactly and
    are taken off the head's bias, so no later step has to know of it.
    """
    network = HemorrhageNetwork(input_size)
    network.load_state_dict(content["average"])
    shift = np.asarray(content["prior_shift"], dtype=np.float32)
    network.head.bias.data += network.head.bias.new_tensor(shift)
    return network.eval()


def predict_part(
    root: Path, patients: list[int], networks: Mapping[int, HemorrhageNetwork]
) -> dict[int, PartPredictions]:
    """Predict patients' slices at full resolution, through the serving path.

    Parameters
    ----------
    root
        The CT-ICH folder.
    patients
        The part.
    networks
        Input size to network; HU is recovered once for all of them.

    Returns
    -------
    Input size to predictions.
    """
    # In the order of patients, as the logits below.
    slices = [item for item in read_labels(root) if item.patient in set(patients)]
    logits: dict[int, list[NDArray[np.float32]]] = {size: [] for size in networks}
    for patient in sorted(patients):
        hu, _ = recover_patient(root, [item for item in slices if item.patient == patient])
        for size, network in networks.items():
            logits[size].append(predict_logits(network, hu))
    targets = np.array([item.targets for item in slices])
    patient_of = np.array([item.patient for item in slices])
    return {
        size: PartPredictions(np.concatenate(parts), targets, patient_of)
        for size, parts in logits.items()
    }


def fit_temperature(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Find the divisor of one label's logits with the least log loss, 0.3..4.

    Parameters
    ----------
    logits, targets
        float32[S] and 0 or 1, int[S].

    Raises
    ------
    TrainingError
        There is no positive slice to fit on.
    """
    if not targets.any():
        raise TrainingError("A temperature cannot be fitted without a positive slice.")
    exact = logits.astype(np.float64)

    def loss(temperature: float) -> float:
        scaled = exact / temperature
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    return float(minimize_scalar(loss, bounds=_TEMPERATURES, method="bounded").x)


def fit_temperatures(part: PartPredictions) -> dict[str, float]:
    """Label to temperature."""
    return {
        label: round(fit_temperature(part.logits[:, i], part.targets[:, i]), 4)
        for i, label in enumerate(LABELS)
    }


def choose_thresholds(part: PartPredictions, temperature: Mapping[str, float]) -> dict[str, Any]:
    """Label to screen (sensitivity 0.95) and alert (specificity 0.95) threshold.

    Both are chosen on studies' highest slices, because that is what a finding is stated on: a
    slice-wise specificity of 0.95 would flag most series of 30 slices.
    """
    probabilities = calibrated(part.logits, temperature)
    thresholds = {}
    for i, label in enumerate(LABELS):
        truth = per_patient_maximum(part.targets[:, i], part.patients)
        score = per_patient_maximum(probabilities[:, i], part.patients)
        thresholds[label] = {
            "screen": threshold_at_sensitivity(truth, score, SCREEN_SENSITIVITY),
            "alert": threshold_at_specificity(truth, score, ALERT_SPECIFICITY),
        }
    return thresholds


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `calibration.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the CT-ICH folder")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 144, 160])
    options = parser.parse_args(arguments)
    content = load_checkpoint(options.run / "last.pt")
    networks = {size: load_trained(content, size) for size in options.sizes}
    predictions = predict_part(options.data, content["parts"]["calibrate"], networks)
    losses, temperatures = {}, {}
    for size, part in predictions.items():
        temperatures[size] = fit_temperatures(part)
        probabilities = calibrated(part.logits, temperatures[size])
        losses[size] = weighted_log_loss(part.targets, probabilities)
    best = min(losses, key=losses.__getitem__)
    result = {
        "input_size": best,
        "loss_by_size": losses,
        "temperature": temperatures[best],
        "thresholds": choose_thresholds(predictions[best], temperatures[best]),
        "epoch": content["epoch"],
    }
    (options.run / "calibration.json").write_text(json.dumps(result, indent=1))
    Console().print(result)


if __name__ == "__main__":
    main()
