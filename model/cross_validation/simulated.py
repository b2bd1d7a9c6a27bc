"""Simulated slices that judges are shown, each those of its own test patients."""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from model.errors import TrainingError
from model.system.options import at_least
from model.system.progress import counting, progress_bar

if TYPE_CHECKING:
    from model.data.simulated_bank import Bank
    from model.training.trained import Trained

_SEED: Final = 1_000_000
"""Of a bank that is made here: no training is likely to have drawn from one of this seed."""


def add_bank(parser: argparse.ArgumentParser, slices: int) -> None:
    """Which slices are shown."""
    add, number = parser.add_argument, at_least(1, "--slices")
    add("--bank", type=Path, help="of another seed than was learnt from; else one is made")
    add("--slices", type=number, default=slices, help=f"of the bank that is made ({slices})")


@contextmanager
def banks_of(
    judges: Sequence["Trained"], options: argparse.Namespace
) -> Iterator[list[tuple["Trained", "Bank"]]]:
    """Give each judge the slices of its test patients; judges of whom there are none are left out.

    Parameters
    ----------
    judges
        As of `model.cross_validation.judges.judges_of`.
    options
        `run`, `workers` and those of `add_bank`.

    Raises
    ------
    TrainingError
        The bank does not fit the cache, holds nothing of these patients, or none can be made; or
        the networks look at several slices at once.
    """
    from model.data.simulate.store import build_store, is_built
    from model.data.simulated_bank import open_bank, read_bank_table

    at_once = judges[0].network.slices_per_input
    if at_once != 1:
        raise TrainingError(
            f"{options.run} looks at {at_once} slices at once, and a bank holds single ones."
        )
    parts = [set(judge.content["parts"]["test"]) for judge in judges]
    cached, patients = judges[0].sets[0], set().union(*parts)
    if not is_built(cached):
        build_store(cached.folder, options.workers)
    with tempfile.TemporaryDirectory() as made:
        folder = options.bank or make_bank(options, cached.folder, patients, Path(made))
        bank = open_bank(folder, cached, patients)
        lent = set(read_bank_table(folder)["patient"].iloc[bank.rows])
        yield [
            (judge, open_bank(folder, cached, part))
            for judge, part in zip(judges, parts, strict=True)
            if part & lent
        ]


def make_bank(options: argparse.Namespace, cache: Path, patients: set[str], folder: Path) -> Path:
    """Make a bank of these patients in the folder.

    Raises
    ------
    TrainingError
        None of them lends a slice.
    """
    from model.data.simulated_bank import write_bank

    with progress_bar("slices") as bar:
        write_bank(
            cache,
            folder,
            slices=options.slices,
            seed=_SEED,
            patients=patients,
            workers=options.workers,
            on_progress=counting(bar, "simulated slices of test patients"),
        )
    return folder
