"""Measure a recipe by cross-validation, and calibrate it on all of its patients.

``python -m model.cross_validation --recipe FOLDER`` takes the runs of a recipe's rotations. Each
patient is judged by the run of which he is a test patient, with an average over neighbouring
slices, offset, temperature and thresholds that were fitted on the other runs' test patients.
`calibration.json` holds what is fitted on all of them, for weights of the same recipe that learnt
from everybody.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from model.calibrate import CALIBRATION_FILE, Wishes
from model.cross_validation.pooling import Pooled, calibrate_on_all, measure_points, pool
from model.cross_validation.rotations import facts_of, runs_of
from model.cross_validation.scaling import UNSCALED
from model.cross_validation.serving import give_to
from model.evaluate import EVALUATION_FILE, REPORT_FILE, count_parts, past_evaluations
from model.evaluation.measurement import EvaluatedRun, compare, measure
from model.evaluation.prediction_store import predict_part
from model.system.files import write_atomically, write_json
from model.system.options import add_draws, add_machine

if TYPE_CHECKING:
    from model.training.trained import Trained


@dataclass(frozen=True)
class CrossValidated:
    """A recipe's test patients of all rotations.

    Parameters
    ----------
    runs
        Folder to run, one a rotation.
    pooled
        What they say, each calibrated on the others.
    calibration
        What is fitted on all of them.
    """

    name: str
    runs: "Mapping[Path, Trained]"
    pooled: Pooled
    calibration: Mapping[str, Any]

    @property
    def evaluated(self) -> EvaluatedRun:
        """What is measured: the pooled logits are scaled already."""
        scaled = {"temperature": UNSCALED, "slice_temperature": UNSCALED}
        return EvaluatedRun(self.name, self.pooled.predictions, {**self.calibration, **scaled})

    @property
    def prevalence(self) -> list[float]:
        """Six shares of positives among training slices, the mean over the runs."""
        shares = [trained.content["prevalence"] for trained in self.runs.values()]
        mean: list[float] = np.mean(shares, axis=0).tolist()
        return mean


def cross_validated(recipe: Path, device: str, workers: int) -> CrossValidated:
    """Predict every test patient of a recipe's runs, and calibrate them on each other.

    Raises
    ------
    TrainingError
        As of `model.cross_validation.rotations.runs_of`.
    """
    runs = runs_of(recipe)
    predictions = []
    for run, trained in runs.items():
        size = trained.network.spec.input_size
        of_size = predict_part(run, {size: trained}, "test", device=device, workers=workers)
        predictions.append(of_size[size])
    calibration = calibrate_on_all(predictions, Wishes()) | facts_of(runs)
    return CrossValidated(recipe.name, runs, pool(predictions, Wishes()), calibration)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--recipe", type=Path, required=True, help="folder with the runs rotation-0, rotation-1 ..")
    add("--compare", type=Path, nargs="+", default=[], help="other such folders, of the same folds")
    add("--give-to", type=Path, help="the run of the same recipe that learnt from everybody")
    add_draws(parser)
    add_machine(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write `calibration.json`, `evaluation.json` and `evaluation.html` into the folder."""
    from model.evaluation.report import evaluation_page

    options = parse_arguments(arguments)
    found = cross_validated(options.recipe, options.device, options.workers)
    others = [
        cross_validated(folder, options.device, options.workers) for folder in options.compare
    ]
    run, sets = found.evaluated, next(iter(found.runs.values())).sets
    with Console().status("measuring, with intervals"):
        result = measure(run, found.prevalence, options.draws)
        result |= measure_points(found.pooled, found.calibration["thresholds"], options.draws)
        result["compared"] = [compare(run, other.evaluated, options.draws) for other in others]
    facts = facts_of(found.runs)
    result["parts"] = count_parts(sets, {"test": facts["patients"]})
    now = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "weights": facts["weights"]}
    path = options.recipe / EVALUATION_FILE
    result |= facts | {"evaluations": [*past_evaluations(path), now]}
    page = evaluation_page(run, result, sets)
    write_json(options.recipe / CALIBRATION_FILE, found.calibration)
    write_json(path, result)
    write_atomically(options.recipe / REPORT_FILE, page.html().encode())
    if options.give_to:
        give_to(options.give_to, found.calibration, result)
    loss = result["metrics"]["weighted_log_loss"]
    Console().print(
        f"{len(found.runs)} runs, {len(facts['patients'])} patients: weighted log loss "
        f"{loss['value']} {loss['interval']}; always the prevalence: "
        f"{result['metrics']['prevalence_only_log_loss']}\n"
        f"written to {options.recipe}: {CALIBRATION_FILE}, {EVALUATION_FILE} and {REPORT_FILE}"
    )


if __name__ == "__main__":
    from model.system.command import run

    run(main)
