"""Fit what looks familiar to a calibrated run, and choose from where on a series does not.

``python -m model.fit_familiarity --run runs/x [--heads CACHE ...] [--others FOLDER ...]``
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from model.evaluate import load_calibrated
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_machine, add_run, at_least

if TYPE_CHECKING:
    from model.evaluation.unfamiliar_examples import ExampleSeries
    from model.training.trained import Trained

UNFAMILIAR_FILE: Final = "unfamiliar.json"
WARNED_SHARE: Final = 0.01
"""Of familiar series; so many get a warning for nothing."""
REFUSED_TIMES: Final = 1.5
"""How many times the distance that is warned of makes probabilities worthless.

On CT-ICH heads in HU lie below 1.2 times it, however they are turned; heads whose values are no HU
beyond 1.6 (docs/unfamiliar.md).
"""
_SPOILT_SLICES: Final = 12
"""Of a head; the median of as many is near that of all."""


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
    add("--heads", type=Path, nargs="+", default=[], help="caches of heads from elsewhere")
    add("--others", type=Path, nargs="+", default=[], help="folders of DICOM that shows no heads")
    patients = at_least(2, "--patients")
    add("--patients", type=patients, default=500, help="of each part to look at, at most (500)")
    add_machine(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `familiarity.pt` and `unfamiliar.json`."""
    from model.architecture.familiarity import (
        FAMILIARITY_FILE,
        FittedFamiliarity,
        write_familiarity,
    )
    from model.evaluation.predictions import read_patients
    from model.evaluation.unfamiliarity import (
        measure_examples,
        score,
        series_unfamiliarity,
        slice_statistics,
    )
    from model.training.familiarity_fitting import fit_familiarity, prediction_limit

    options = parse_arguments(arguments)
    trained, calibration, facts = load_calibrated(options.run)
    parts = {name: some[: options.patients] for name, some in trained.content["parts"].items()}
    network, sets, workers = trained.network, trained.sets, options.workers
    network.to(device_named(options.device))
    seen = np.concatenate(
        [slice_statistics(network, hu) for _, hu, _ in read_patients(sets, parts["train"], workers)]
    )
    fitted = FittedFamiliarity(fit_familiarity(seen), facts["weights"])
    familiarity = fitted.build()
    medians = [
        series_unfamiliarity(network, familiarity, hu)
        for _, hu, _ in read_patients(sets, parts["calibrate"], workers)
    ]
    warn_from = prediction_limit(medians, WARNED_SHARE)
    refuse_from = REFUSED_TIMES * warn_from
    scored = list(score(network, familiarity, examples(trained, parts["test"], options)))
    result = {
        "input_size": calibration["input_size"],
        "warn_from": warn_from,
        "refuse_from": refuse_from,
        "chosen": f"on the medians of {len(medians)} calibration series: a warning where "
        f"{WARNED_SHARE:.0%} of such series lie (prediction limit, logarithms taken for normal), "
        f"no probabilities at {REFUSED_TIMES:g} times that distance",
        "train_slices": len(seen),
        "calibration": sorted(medians),
        "examples": measure_examples(scored, warn_from, refuse_from),
    }
    write_familiarity(options.run / FAMILIARITY_FILE, fitted)
    write_json(options.run / UNFAMILIAR_FILE, facts | result)
    _show(Console(), result, options.run / UNFAMILIAR_FILE)


def examples(
    trained: "Trained", patients: Sequence[str], options: argparse.Namespace
) -> Iterator["ExampleSeries"]:
    """Test patients' heads, whole and spoilt, heads from elsewhere, made shapes and other files."""
    from model.data.cached import open_cache
    from model.evaluation.predictions import read_patients
    from model.evaluation.unfamiliar_examples import ExampleSeries, made, other_files, spoilt
    from model.evaluation.unfamiliarity import BLEEDING, ELSEWHERE, NOT_BLEEDING

    for rows, hu, _ in read_patients(trained.sets, patients, options.workers):
        yield ExampleSeries(BLEEDING if rows["any"].any() else NOT_BLEEDING, hu)
        some = np.unique(np.linspace(0, len(hu) - 1, min(_SPOILT_SLICES, len(hu))).astype(int))
        yield from spoilt([hu[i] for i in some])
    for folder in options.heads:
        cached = open_cache(folder)
        everyone = cached.frame["patient"].unique().tolist()
        for _, hu, _ in read_patients([cached], everyone, options.workers):
            yield ExampleSeries(ELSEWHERE, hu)
    yield from made()
    for folder in options.others:
        yield from other_files(folder)


def _show(console: Console, result: Mapping[str, Any], path: Path) -> None:
    console.print(
        f"familiar by {result['train_slices']} train slices; a series is warned of from "
        f"{result['warn_from']:.3f} on and refused from {result['refuse_from']:.3f} on"
    )
    table = Table(box=None)
    for name in ("series that show", "number", "median", "AUC", "warned", "refused", "by pixels"):
        table.add_column(name, justify="left" if name == "series that show" else "right")
    for one in result["examples"]:
        table.add_row(
            one["kind"],
            str(one["series"]),
            f"{one['median']:.3f}",
            "familiar" if one["familiar"] else f"{one['auc']:.3f}",
            *(f"{one[share]:.0%}" for share in ("warned", "refused", "refused_before")),
        )
    console.print(table)
    console.print(f"written: {path}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
