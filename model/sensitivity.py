"""Measure how large simulated bleeding must be for a calibrated run to find it.

``python -m model.sensitivity --run runs/x [--rotations FOLDER] [--bank B]``

Each slice is judged alone, as a single uploaded one, by weights that did not learn from the patient
whose slice it was (`model.cross_validation.judges`), at the run's own thresholds of any hemorrhage.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from model.cross_validation.judges import judges_of
from model.cross_validation.simulated import add_bank, banks_of
from model.detected import size_of_bleeding
from model.evaluate import load_calibrated
from model.results import SENSITIVITY
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_draws, add_machine, add_rotations, add_run


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_run(parser)
    add_rotations(parser)
    add_bank(parser, slices=2000)
    add_draws(parser)
    add_machine(parser, "simulating")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `sensitivity.json`."""
    from model.evaluation.sensitivity import judge_alone, measure_sensitivity

    options = parse_arguments(arguments)
    trained, calibration, facts = load_calibrated(options.run)
    judges, judged_by = judges_of(options.run, trained, options.rotations)
    device, temperature = device_named(options.device), calibration["temperature"]
    with banks_of(judges, options) as shown:
        judged = [
            judge_alone(judge.network.to(device), temperature, bank, judge.sets[0])
            for judge, bank in shown
        ]
    thresholds = calibration["thresholds"]["any"]
    result = measure_sensitivity(judged, thresholds, options.draws)
    path = options.run / SENSITIVITY.file
    write_json(path, facts | judged_by | {"thresholds": thresholds} | result)
    _show(Console(), result, path)


def _show(console: Console, result: Mapping[str, Any], path: Path) -> None:
    console.print(
        f"{result['patients']} patients, {result['slices']} simulated slices, each judged alone; "
        "share whose probability of any hemorrhage reaches the threshold (intervals: in the file)"
    )
    table = Table(box=None)
    for name in ("slices with", "slices", "patients", "screen", "alert"):
        table.add_column(name, justify="left" if name == "slices with" else "right")
    rows = {
        f"{label}, {size_of_bleeding(one['above_mm2'], one['to_mm2'])}": one
        for label, classes in result["by_size"].items()
        for one in classes
    } | {f"no blood, {one['kind']}": one for one in result["without_blood"]}
    for name, one in rows.items():
        shown = (f"{one[point]['value']:.2f}" for point in ("screen", "alert"))
        table.add_row(name, str(one["slices"]), str(one["patients"]), *shown)
    console.print(table)
    console.print(f"written: {path}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
