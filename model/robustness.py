"""Measure how steady a calibrated run's probabilities are under what may happen to a series.

``python -m model.robustness --run runs/x [--rotations FOLDER]``

A run on everybody is measured by the runs of its recipe's rotations, each on its own test patients
(`model.cross_validation.judges`), with the calibration that it was given.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from model.cross_validation.judges import judges_of
from model.evaluate import load_calibrated
from model.results import ROBUSTNESS
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_draws, add_machine, add_rotations, add_run, at_least

if TYPE_CHECKING:
    from model.evaluation.robustness import Trial
    from model.training.trained import Trained


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add_run(parser)
    add_rotations(parser)
    parser.add_argument(
        "--patients",
        type=at_least(1, "--patients"),
        default=100,
        help="test patients to try, at most (100)",
    )
    add_draws(parser)
    add_machine(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `robustness.json`."""
    from model.evaluation.robustness import measure_robustness

    options = parse_arguments(arguments)
    trained, calibration, facts = load_calibrated(options.run)
    judges, judged_by = judges_of(options.run, trained, options.rotations)
    trial = disturb_test_patients(judges, calibration["temperature"], options)
    thresholds = calibration["thresholds"]["any"]
    result = measure_robustness(trial, thresholds, options.draws)
    facts |= judged_by | {"thresholds": thresholds}
    write_json(options.run / ROBUSTNESS.file, facts | result)
    _show(Console(), result, options.run / ROBUSTNESS.file)


def disturb_test_patients(
    judges: Sequence["Trained"], temperature: Mapping[str, float], options: argparse.Namespace
) -> "Trial":
    """Try each judge on its own test patients, not more than asked for in all."""
    from model.evaluation.robustness import disturb_patients, join_trials

    parts = [set(judge.content["parts"]["test"]) for judge in judges]
    tried = set(sorted(set().union(*parts))[: options.patients])
    return join_trials(
        [
            disturb_patients(
                judge.network.to(device_named(options.device)),
                judge.sets,
                sorted(part & tried),
                temperature,
                workers=options.workers,
            )
            for judge, part in zip(judges, parts, strict=True)
            if part & tried
        ]
    )


def _show(console: Console, result: Mapping[str, Any], path: Path) -> None:
    console.print(
        f"{result['patients']} test patients, {result['slices']} slices; changes of P(any)"
    )
    table = Table(box=None)
    for name in ("disturbance", "mean", "worst", "AUC any", "state changes"):
        table.add_column(name, justify="left" if name == "disturbance" else "right")
    for name, found in result["disturbances"].items():
        change = found["auc_change"]["value"]
        table.add_row(
            name,
            f"{found['mean_change']:.3f}",
            f"{found['worst_change']:.3f}",
            "–" if change is None else f"{change:+.3f}",
            f"{found['state_changed']:.1%}",
        )
    console.print(table)
    console.print(f"written: {path}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
