"""Measure a calibrated run on the test patients, and compare it with others.

``python -m model.evaluate --run runs/x [--compare runs/y ...]``
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from rich.console import Console

from model.calibrate import CALIBRATION_FILE, checkpoint_facts
from model.data.cached import CachedSet
from model.errors import TrainingError
from model.evaluation.measurement import EvaluatedRun, compare, measure
from model.evaluation.prediction_store import predict_part
from model.labels import LABELS
from model.system.files import write_atomically, write_json
from model.system.options import add_draws, add_machine, add_run

if TYPE_CHECKING:
    from model.training.trained import Trained

EVALUATION_FILE: Final = "evaluation.json"
REPORT_FILE: Final = "evaluation.html"


def count_parts(
    sets: Sequence[CachedSet], parts: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Patients and slices of each part, in all and with each label."""
    frame = pd.concat([cached.frame[["patient", *LABELS]] for cached in sets])
    counted = {}
    for part, patients in parts.items():
        rows = frame[frame["patient"].isin(patients)]
        of_patients = rows.groupby("patient")[list(LABELS)].max()
        counted[part] = {
            "patients": len(of_patients),
            "slices": len(rows),
            "patients_with": {label: int(of_patients[label].sum()) for label in LABELS},
            "slices_with": {label: int(rows[label].sum()) for label in LABELS},
        }
    return counted


def read_calibration(run: Path) -> dict[str, Any]:
    """Read a run's `calibration.json`.

    Raises
    ------
    TrainingError
        It is missing or damaged.
    """
    path = run / CALIBRATION_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        missing = {"input_size", "temperature", "slice_temperature", "thresholds", "weights"}
        missing -= set(content)
    except (OSError, ValueError, TypeError) as problem:
        raise TrainingError(
            f"{path} cannot be read ({problem}): run `python -m model.calibrate --run {run}` first."
        ) from problem
    if missing:
        raise TrainingError(f"{path} lacks {', '.join(sorted(missing))}: calibrate again.")
    return content


def load_calibrated(run: Path) -> tuple["Trained", dict[str, Any], dict[str, Any]]:
    """Load a calibrated run's network, its calibration, and what ties results to the weights.

    Raises
    ------
    TrainingError
        The run is not calibrated, or its weights or series head have changed since.
    """
    from model.training.trained import load_trained

    calibration = read_calibration(run)
    trained = load_trained(run, calibration["checkpoint"], int(calibration["input_size"]))
    facts = checkpoint_facts(trained, calibration["checkpoint"])
    if facts["weights"] != calibration["weights"]:
        raise TrainingError(
            f"{run / CALIBRATION_FILE} is of epoch {calibration['epoch']}, step "
            f"{calibration['step']}; the weights (or the series head) have changed since, they are "
            f"of epoch {facts['epoch']}, step {facts['step']}: calibrate again."
        )
    return trained, calibration, facts


def load_evaluated(
    run: Path, device: str, workers: int
) -> tuple[EvaluatedRun, "Trained", dict[str, Any]]:
    """Load a calibrated run and predict its test patients.

    Raises
    ------
    TrainingError
        As of `load_calibrated`.
    """
    trained, calibration, facts = load_calibrated(run)
    size = int(calibration["input_size"])
    predictions = predict_part(run, {size: trained}, "test", device=device, workers=workers)[size]
    return EvaluatedRun(run.name, predictions, calibration), trained, facts


def past_evaluations(path: Path) -> list[dict[str, Any]]:
    """When and with which weights the test part was looked at before."""
    try:
        past: list[dict[str, Any]] = json.loads(path.read_text())["evaluations"]
    except (OSError, ValueError, KeyError):
        return []
    return past


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add_run(parser)
    parser.add_argument(
        "--compare", type=Path, nargs="+", default=[], help="other runs, of the same test patients"
    )
    add_draws(parser)
    add_machine(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `evaluation.json` and `evaluation.html`."""
    from model.evaluation.report import evaluation_page

    options = parse_arguments(arguments)
    run, trained, facts = load_evaluated(options.run, options.device, options.workers)
    others = [load_evaluated(path, options.device, options.workers)[0] for path in options.compare]
    console = Console()
    with console.status("measuring, with intervals"):
        result = measure(run, trained.content["prevalence"], options.draws)
        result["compared"] = [compare(run, other, options.draws) for other in others]
    result["parts"] = count_parts(trained.sets, trained.content["parts"])
    path = options.run / EVALUATION_FILE
    now = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "weights": facts["weights"]}
    result |= facts | {"evaluations": [*past_evaluations(path), now]}
    page = evaluation_page(run, result, trained.sets)
    write_json(path, result)
    write_atomically(options.run / REPORT_FILE, page.html().encode())
    loss = result["metrics"]["weighted_log_loss"]
    console.print(
        f"weighted log loss {loss['value']} {loss['interval'] or loss['reason']}; always the "
        f"prevalence: {result['metrics']['prevalence_only_log_loss']}\n"
        f"written: {path} and {options.run / REPORT_FILE}"
    )


if __name__ == "__main__":
    from model.system.command import run

    run(main)
