"""Measure whether a run's maps show simulated blood where it is, in test patients.

``python -m model.localise --run runs/x [--bank B] [--rotations FOLDER]``

In the name of a run on everybody, the runs of its recipe's rotations are shown the slices of their
own test patients (`model.cross_validation.judges`).
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from model.cross_validation.judges import judges_of
from model.errors import TrainingError
from model.measured import amount_of_blood
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_draws, add_machine, add_rotations, add_run, at_least
from model.system.progress import counting, progress_bar

if TYPE_CHECKING:
    from model.data.cached import CachedSet
    from model.data.simulated_bank import Bank

LOCALISATION_FILE: Final = "localisation.json"
_FIGURES: Final = {
    "class_activation_map": "class activation map",
    "blood_map": "blood map",
    "gain": "gain",
    "dice": "Dice",
}
_SEED: Final = 1_000_000
"""Of a bank that is made here: no training is likely to have drawn from one of this seed."""


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_run(parser)
    add_rotations(parser)
    add("--checkpoint", choices=("last", "best"), default="last", help="of the run (last)")
    add("--bank", type=Path, help="of another seed than was learnt from; else one is made")
    slices = at_least(1, "--slices")
    add("--slices", type=slices, default=1000, help="of the bank that is made (1000)")
    add_draws(parser)
    add_machine(parser, "simulating")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `localisation.json`."""
    from model.calibrate import checkpoint_facts
    from model.data.simulated_bank import open_bank, read_bank_table
    from model.evaluation.localisation import join_found, locate, measure_localisation
    from model.training.trained import load_trained

    options = parse_arguments(arguments)
    trained = load_trained(options.run, options.checkpoint)
    network, cached = trained.network, trained.sets[0]
    if network.slices_per_input != 1:
        raise TrainingError(
            f"{options.run} looks at {network.slices_per_input} slices at once, and a bank holds "
            "single ones."
        )
    facts = checkpoint_facts(trained, options.checkpoint)
    judges, judged_by = judges_of(options.run, trained, options.rotations)
    parts = [set(judge.content["parts"]["test"]) for judge in judges]
    device = device_named(options.device)
    with tempfile.TemporaryDirectory() as made:
        bank = open_or_make_bank(options, cached, set().union(*parts), Path(made))
        lent = set(read_bank_table(bank.folder)["patient"])
        found = join_found(
            [
                locate(judge.network.to(device), open_bank(bank.folder, cached, part), cached)
                for judge, part in zip(judges, parts, strict=True)
                if part & lent
            ]
        )
    result = measure_localisation(found, options.draws)
    facts |= judged_by | {"input_size": network.spec.input_size}
    write_json(options.run / LOCALISATION_FILE, facts | result)
    _show(Console(), result, options.run / LOCALISATION_FILE)


def open_or_make_bank(
    options: argparse.Namespace, cached: "CachedSet", patients: set[str], folder: Path
) -> "Bank":
    """Open the bank that was named, or make one of these patients in the folder.

    Raises
    ------
    TrainingError
        It does not fit the cache, holds nothing of these patients, or none can be made.
    """
    from model.data.simulate.store import build_store, is_built
    from model.data.simulated_bank import open_bank, write_bank

    if not is_built(cached):
        build_store(cached.folder, options.workers)
    if options.bank:
        return open_bank(options.bank, cached, patients)
    with progress_bar("slices") as bar:
        write_bank(
            cached.folder,
            folder,
            slices=options.slices,
            seed=_SEED,
            patients=patients,
            workers=options.workers,
            on_progress=counting(bar, "simulated slices of test patients"),
        )
    return open_bank(folder, cached, patients)


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
