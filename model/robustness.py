"""Measure how steady a calibrated run's probabilities are under what may happen to a series.

``python -m model.robustness --run runs/x``
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from model.evaluate import load_calibrated
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_draws, add_machine, add_run, at_least

ROBUSTNESS_FILE: Final = "robustness.json"


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
    from model.evaluation.robustness import disturb_patients, measure_robustness

    options = parse_arguments(arguments)
    trained, calibration, facts = load_calibrated(options.run)
    trial = disturb_patients(
        trained.network.to(device_named(options.device)),
        trained.sets,
        sorted(trained.content["parts"]["test"])[: options.patients],
        calibration["temperature"],
        workers=options.workers,
    )
    thresholds = calibration["thresholds"]["any"]
    result = measure_robustness(trial, thresholds, options.draws)
    write_json(options.run / ROBUSTNESS_FILE, facts | {"thresholds": thresholds} | result)
    _show(Console(), result, options.run / ROBUSTNESS_FILE)


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
