"""Write the artefact of a calibrated and measured run: ``python -m model.export --run ...``."""

import argparse
import csv
import hashlib
import io
import json
import os
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console

from model.artifact import CARD_NAME, NETWORK_NAME, load_card, window_facts
from model.calibrate import load_trained
from model.errors import TrainingError
from model.labels import LABELS
from model.network import ARCHITECTURE, HemorrhageNetwork
from model.notice import NOTICE
from model.train import load_checkpoint

VERSION: Final = "0.1.0"

INTENDED_USE: Final = (
    "Research on ordering a worklist of non-contrast head CT of adults by the probability of "
    "intracranial hemorrhage, with a radiologist reading every study."
)

LIMITS: Final = (
    (
        "Never tested on scans of another hospital, nor on the RSNA 2019 set or CQ500: expect "
        "lower figures elsewhere."
    ),
    (
        "Trained on few patients: see the counts. Intraventricular, subarachnoid and subdural "
        "hemorrhage were seen in two to four patients each, and their figures are anecdotes."
    ),
    (
        "All patients had head trauma and came from one hospital: bleeding without trauma is not "
        "represented."
    ),
    "Trained on Hounsfield units recovered from 8-bit JPEG images of 5 mm slices, not on DICOM.",
    "Trained from scratch, without pre-trained weights, for a short time on a small computer.",
    "Not tested on children, with contrast medium, after surgery, or with metal artefacts.",
    "Each slice is judged alone: the network does not yet look at neighbouring slices.",
    (
        "At the alert thresholds few bleeding test studies were flagged (see the thresholds): most "
        "findings are stated as indeterminate."
    ),
    "The attention map is coarse: it shows where the network looked, not the outline of a lesion.",
)

CALIBRATION_METHOD: Final = (
    "exact correction of the head's bias for the share of positives drawn in training, then one "
    "temperature a label, then any >= every subtype"
)

TRAINING_DATA: Final = {
    "data_set": "Computed Tomography Images for Intracranial Hemorrhage Detection and "
    "Segmentation (CT-ICH), PhysioNet, version 1.0.0",
    "authors": "Hssayeni M. D., Croock M. S., Salman A. D., Al-khafaji H. F., Yahya Z. A., "
    "Ghoraani B.; Data 2020, 5(1), 14",
    "doi": "10.13026/w8q8-ky94",
    "licence": "Creative Commons Attribution 4.0",
    "hounsfield_units": "Recovered from the brain (center 40, width 120) and bone (width 3200) "
    "JPEG images; the bone center is fitted for each patient: 700 in 81 of 82 patients, about "
    "790 in patient 50, whose brain window is taken as the true one.",
}

_USED_FOR: Final = {
    "train": "fitting the weights",
    "calibrate": "input size, temperatures and thresholds; the weights were neither fitted to nor "
    "chosen by them",
    "test": "the figures of this card, once",
}


def script(network: HemorrhageNetwork) -> torch.jit.ScriptModule:
    """Compile the network for slices of every number and shape, in half precision.

    Only the elementwise windowing is traced, everything with shapes in it is scripted.
    """
    network.eval()
    with warnings.catch_warnings():
        # Upstream deprecated TorchScript in 2.11; Falx's artefact is TorchScript by request.
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        network.preprocess.windows = torch.jit.trace(  # type: ignore[no-untyped-call]
            network.preprocess.windows, torch.zeros(2, 8, 8)
        )
        scripted: torch.jit.ScriptModule = torch.jit.script(network)
    return scripted.half()


def network_bytes(scripted: torch.jit.ScriptModule) -> bytes:
    """Serialise a TorchScript module; the same module gives the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        torch.jit.save(scripted, buffer)
    return buffer.getvalue()


def read_result(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """Read a run's JSON result.

    Raises
    ------
    TrainingError
        It is missing, damaged or lacks what a card needs: no card without metrics and provenance.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise TrainingError(
            f"{path.name} cannot be read ({problem}): a card needs metrics and provenance; "
            "run model.calibrate and model.evaluate first."
        ) from problem
    missing = [name for name in needed if not content.get(name)]
    if missing:
        raise TrainingError(
            f"{path.name} lacks {', '.join(missing)}: a card needs metrics and provenance."
        )
    return content


def build_card(
    content: Mapping[str, Any],
    calibration: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    *,
    sha256: str,
    parameters: int,
    minutes: float,
    note: str,
) -> dict[str, Any]:
    """Put the card together from a run's checkpoint, its two results and its duration."""
    parts = {
        name: {"used_for": _USED_FOR[name], **facts} for name, facts in evaluation["parts"].items()
    }
    test = parts["test"]
    return {
        "name": "Falx",
        "version": VERSION,
        "created": datetime.now(UTC).date().isoformat(),
        "sha256": sha256,
        "architecture": ARCHITECTURE,
        "parameters": parameters,
        "labels": list(LABELS),
        "windows": window_facts(),
        "input_size": calibration["input_size"],
        "calibration": calibration["temperature"],
        "calibration_method": CALIBRATION_METHOD,
        "thresholds": evaluation["thresholds"],
        "thresholds_chosen": "on the calibration patients' highest slices: screen at sensitivity "
        "0.95, alert at specificity 0.95",
        "thresholds_measured_on": f"{test['patients']} test patients ({test['slices']} slices) of "
        "CT-ICH, one hospital",
        "training": {
            **TRAINING_DATA,
            "parts": parts,
            "recipe": {**content["recipe"], "epochs_done": content["epoch"]},
            "note": note,
            "minutes": minutes,
        },
        "metrics": evaluation["metrics"],
        "intended_use": INTENDED_USE,
        "disclaimer": NOTICE,
        "limits": list(LIMITS),
    }


def training_minutes(log: Path) -> float:
    """Minutes that a run's epochs took, evaluation included, from its CSV log.

    Raises
    ------
    TrainingError
        The log is missing or damaged.
    """
    try:
        with log.open(newline="") as file:
            seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError) as problem:
        raise TrainingError(f"{log.name} cannot be read: {problem}.") from problem
    return round(seconds / 60, 1)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one."""
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Write `falx.pt` and `falx.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--to", type=Path, default=Path("model/weights"), help="where to write")
    parser.add_argument("--note", default="", help="what else the card should say of the run")
    options = parser.parse_args(arguments)
    calibration = read_result(
        options.run / "calibration.json", ("input_size", "temperature", "thresholds")
    )
    evaluation = read_result(options.run / "evaluation.json", ("metrics", "thresholds", "parts"))
    content = load_checkpoint(options.run / "last.pt")
    if content["epoch"] != calibration.get("epoch"):
        raise TrainingError(
            f"The calibration is of epoch {calibration.get('epoch')}, the checkpoint of epoch "
            f"{content['epoch']}: calibrate and evaluate again."
        )
    network = load_trained(content, calibration["input_size"])
    parameters = sum(parameter.numel() for parameter in network.parameters())
    minutes = training_minutes(options.run / "log.csv")
    weights = network_bytes(script(network))
    sha256 = hashlib.sha256(weights).hexdigest()
    card = build_card(
        content,
        calibration,
        evaluation,
        sha256=sha256,
        parameters=parameters,
        minutes=minutes,
        note=options.note,
    )
    options.to.mkdir(parents=True, exist_ok=True)
    write_atomically(options.to / NETWORK_NAME, weights)
    write_atomically(options.to / CARD_NAME, (json.dumps(card, indent=1) + "\n").encode())
    load_card(options.to / CARD_NAME)
    Console().print(f"{options.to / NETWORK_NAME}: {len(weights) / 1e6:.1f} MB, {sha256}")


if __name__ == "__main__":
    main()
