"""Measure how large simulated bleeding must be for a calibrated run to find it.

``python -m model.sensitivity --run runs/x [--rotations FOLDER] [--bank B]``

Each slice is judged alone, as a single uploaded one, by weights that did not learn from the patient
whose slice it was (`model.cross_validation.judges`), at the run's own thresholds of any hemorrhage.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from model.cross_validation.judges import judges_of
from model.detected import size_of_bleeding
from model.errors import TrainingError
from model.evaluate import load_calibrated
from model.localise import open_or_make_bank
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_draws, add_machine, add_rotations, add_run, at_least

SENSITIVITY_FILE: Final = "sensitivity.json"
_FACTS: Final = ("patients", "slices", "by_size", "without_blood")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add_run(parser)
    add_rotations(parser)
    add("--bank", type=Path, help="of another seed than was learnt from; else one is made")
    slices = at_least(1, "--slices")
    add("--slices", type=slices, default=2000, help="of the bank that is made (2000)")
    add_draws(parser)
    add_machine(parser, "simulating")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `sensitivity.json`."""
    from model.data.simulated_bank import open_bank, read_bank_table
    from model.evaluation.sensitivity import judge_alone, measure_sensitivity

    options = parse_arguments(arguments)
    trained, calibration, facts = load_calibrated(options.run)
    cached, device = trained.sets[0], device_named(options.device)
    if trained.network.slices_per_input != 1:
        raise TrainingError(
            f"{options.run} looks at {trained.network.slices_per_input} slices at once, and a bank "
            "holds single ones."
        )
    judges, judged_by = judges_of(options.run, trained, options.rotations)
    parts = [set(judge.content["parts"]["test"]) for judge in judges]
    with tempfile.TemporaryDirectory() as made:
        bank = open_or_make_bank(options, cached, set().union(*parts), Path(made))
        lent = set(read_bank_table(bank.folder)["patient"])
        judged = [
            judge_alone(
                judge.network.to(device),
                calibration["temperature"],
                open_bank(bank.folder, cached, part),
                cached,
            )
            for judge, part in zip(judges, parts, strict=True)
            if part & lent
        ]
    thresholds = calibration["thresholds"]["any"]
    result = measure_sensitivity(judged, thresholds, options.draws)
    path = options.run / SENSITIVITY_FILE
    write_json(path, facts | judged_by | {"thresholds": thresholds} | result)
    _show(Console(), result, path)


def read_sensitivity(run: Path, calibration: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the card says of a run (`model.detected.SensitivityBySize`), or None.

    Raises
    ------
    TrainingError
        It is damaged, or was measured of other weights or thresholds, or by other rotations.
    """
    path = run / SENSITIVITY_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        measured_of = (content["weights"], content["thresholds"], content.get("rotations"))
        found = {name: content[name] for name in _FACTS}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise TrainingError(
            f"{path} cannot be read ({problem!r}): run model.sensitivity again."
        ) from problem
    calibrated = (calibration["weights"], calibration["thresholds"]["any"])
    if measured_of != (*calibrated, calibration.get("rotations")):
        raise TrainingError(
            f"{path} is of other weights, thresholds or rotations than were calibrated: run "
            "model.sensitivity again."
        )
    return found | {"runs": content.get("runs", 1)}


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
