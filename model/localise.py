"""Measure whether a run's maps show simulated blood where it is, in test patients.

``python -m model.localise --run runs/x [--bank B] [--rotations FOLDER]``

In the name of a run on everybody, the runs of its recipe's rotations are shown the slices of their
own test patients (`model.cross_validation.judges`).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from model.cross_validation.judges import judges_of
from model.cross_validation.simulated import add_bank, banks_of
from model.measured import amount_of_blood
from model.results import LOCALISATION
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_draws, add_machine, add_rotations, add_run

_FIGURES: Final = {
    "class_activation_map": "class activation map",
    "blood_map": "blood map",
    "gain": "gain",
    "dice": "Dice",
}


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
        "--checkpoint", choices=("last", "best"), default="last", help="of the run (last)"
    )
    add_bank(parser, slices=1000)
    add_draws(parser)
    add_machine(parser, "simulating")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `localisation.json`."""
    from model.calibrate import checkpoint_facts
    from model.evaluation.localisation import join_found, locate, measure_localisation
    from model.training.trained import load_trained

    options = parse_arguments(arguments)
    trained, device = load_trained(options.run, options.checkpoint), device_named(options.device)
    facts = checkpoint_facts(trained, options.checkpoint)
    judges, judged_by = judges_of(options.run, trained, options.rotations)
    with banks_of(judges, options) as shown:
        found = join_found(
            [locate(judge.network.to(device), bank, judge.sets[0]) for judge, bank in shown]
        )
    result = measure_localisation(found, options.draws)
    facts |= judged_by | {"input_size": trained.network.spec.input_size}
    write_json(options.run / LOCALISATION.file, facts | result)
    _show(Console(), result, options.run / LOCALISATION.file)


def _show(console: Console, result: Mapping[str, Any], path: Path) -> None:
    console.print(
        f"{result['patients']} test patients, {result['slices']} simulated slices; share in which "
        "the highest place of the map lies in blood"
    )
    table = Table(box=None)
    for name in ("label", "slices", *_FIGURES.values()):
        table.add_column(name, justify="left" if name == "label" else "right")
    for label, found in result["labels"].items():
        table.add_row(label, str(found["slices"]), *(_shown(found[name]) for name in _FIGURES))
    console.print(table)
    for one in result["volumes"]:
        console.print(
            f"{one['slices']} slices with {amount_of_blood(one['above_ml'], one['to_ml'])}: "
            f"absolute error {_shown(one['absolute_error_ml'])} ml, "
            f"bias {_shown(one['bias_ml'])} ml"
        )
    console.print(f"written: {path}")


def _shown(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    interval = figure["interval"]
    pair = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    return f"{figure['value']:.2f}{pair}"


if __name__ == "__main__":
    from model.system.command import run

    run(main)
