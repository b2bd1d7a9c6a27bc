"""Fit what looks familiar to a calibrated run, and choose from where on a series does not.

``python -m model.fit_familiarity --run runs/x [--heads CACHE ...] [--others FOLDER ...]``

For a run on everybody (``--rotations FOLDER``) the limit comes from the runs of its recipe's
rotations, each with what is familiar to itself, and their own test patients
(`model.cross_validation.judges`); what is no patient of theirs is scored by the run itself.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from model.cross_validation.judges import judges_of
from model.evaluate import load_calibrated
from model.results import UNFAMILIAR
from model.system.device import device_named
from model.system.files import write_json
from model.system.options import add_machine, add_rotations, add_run, at_least

if TYPE_CHECKING:
    from model.architecture.familiarity import Familiarity
    from model.data.cached import CachedSet
    from model.evaluation.unfamiliar_examples import ExampleSeries
    from model.evaluation.unfamiliarity import Scored
    from model.network import HemorrhageNetwork
    from model.training.trained import Trained

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
    add_rotations(parser)
    add("--heads", type=Path, nargs="+", default=[], help="caches of heads from elsewhere")
    add("--others", type=Path, nargs="+", default=[], help="folders of DICOM that shows no heads")
    patients = at_least(2, "--patients")
    add("--patients", type=patients, default=500, help="of each part to look at, at most (500)")
    add_machine(parser)
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Acquainted:
    """A run's network, on its device, with what is familiar to it.

    Parameters
    ----------
    patients
        Of its parts, not more than were asked for.
    train_slices
        How many taught what is familiar.
    """

    network: "HemorrhageNetwork"
    sets: "Sequence[CachedSet]"
    patients: Mapping[str, Sequence[str]]
    familiarity: "Familiarity"
    train_slices: int

    def score(self, examples: "Iterable[ExampleSeries]") -> "list[Scored]":
        """Score examples by this network."""
        from model.evaluation.unfamiliarity import score

        return list(score(self.network, self.familiarity, examples))


@dataclass(frozen=True)
class Limit:
    """From which unfamiliarity on a series is warned of, and how test patients' heads fare.

    Parameters
    ----------
    warn_from
        What is to be served.
    medians
        What it was chosen on.
    chosen_on
        The same in words.
    heads
        Test patients' heads, whole and spoilt.
    of_heads
        Of each, the limit it is held against: chosen without its patient.
    """

    warn_from: float
    medians: Sequence[float]
    chosen_on: str
    heads: "Sequence[Scored]"
    of_heads: Sequence[float]


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `familiarity.pt` and `unfamiliar.json`."""
    from model.architecture.familiarity import (
        FAMILIARITY_FILE,
        FittedFamiliarity,
        write_familiarity,
    )
    from model.evaluation.unfamiliarity import measure_examples

    options = parse_arguments(arguments)
    trained, calibration, facts = load_calibrated(options.run)
    judges, judged_by = judges_of(options.run, trained, options.rotations)
    own = acquaint(trained, options)
    limit = limit_by_rotations(judges, options) if options.rotations else limit_by(own, options)
    scored = own.score(strangers(options))
    limits = [*limit.of_heads, *[limit.warn_from] * len(scored)]
    result = {
        "input_size": calibration["input_size"],
        "warn_from": limit.warn_from,
        "refuse_from": REFUSED_TIMES * limit.warn_from,
        "chosen": f"on the medians of {limit.chosen_on}: a warning where {WARNED_SHARE:.0%} of "
        "such series lie (prediction limit, logarithms taken for normal), no probabilities at "
        f"{REFUSED_TIMES:g} times that distance",
        "train_slices": own.train_slices,
        "calibration": sorted(limit.medians),
        "examples": measure_examples([*limit.heads, *scored], limits, REFUSED_TIMES),
    }
    fitted = FittedFamiliarity(own.familiarity.state_dict(), facts["weights"])
    write_familiarity(options.run / FAMILIARITY_FILE, fitted)
    write_json(options.run / UNFAMILIAR.file, facts | judged_by | result)
    _show(Console(), result, options.run / UNFAMILIAR.file)


def acquaint(trained: "Trained", options: argparse.Namespace) -> Acquainted:
    """Fit what is familiar on a run's train patients."""
    from model.architecture.familiarity import Familiarity
    from model.evaluation.predictions import read_patients
    from model.evaluation.unfamiliarity import slice_statistics
    from model.training.familiarity_fitting import fit_familiarity

    network = trained.network.to(device_named(options.device))
    patients = {name: some[: options.patients] for name, some in trained.content["parts"].items()}
    read = read_patients(trained.sets, patients["train"], options.workers)
    seen = np.concatenate([slice_statistics(network, hu) for _, hu, _ in read])
    familiarity = Familiarity(**fit_familiarity(seen)).eval()
    return Acquainted(network, trained.sets, patients, familiarity, len(seen))


def limit_by(own: Acquainted, options: argparse.Namespace) -> Limit:
    """Choose the limit on a run's calibration patients."""
    from model.evaluation.predictions import read_patients
    from model.evaluation.unfamiliarity import series_unfamiliarity
    from model.training.familiarity_fitting import prediction_limit

    medians = [
        series_unfamiliarity(own.network, own.familiarity, hu)
        for _, hu, _ in read_patients(own.sets, own.patients["calibrate"], options.workers)
    ]
    warn_from = prediction_limit(medians, WARNED_SHARE)
    heads = own.score(heads_of_test_patients(own, options.workers))
    chosen_on = f"{len(medians)} calibration series"
    return Limit(warn_from, medians, chosen_on, heads, [warn_from] * len(heads))


def limit_by_rotations(judges: Sequence["Trained"], options: argparse.Namespace) -> Limit:
    """Choose the limit on all test patients, each under the network that did not learn from him.

    A distance is about 1 where all is as in training, whatever network it is of: so the limit
    carries over to the network that learnt from everybody (docs/unfamiliar.md). Each judge's heads
    are held against the limit that the other judges' heads give.
    """
    from model.evaluation.unfamiliarity import unfamiliarity_of_heads
    from model.training.familiarity_fitting import prediction_limit

    scored = []
    for judge in judges:
        known = acquaint(judge, options)
        scored.append(known.score(heads_of_test_patients(known, options.workers)))
    medians = [unfamiliarity_of_heads(some) for some in scored]
    of_heads = []
    for place, some in enumerate(scored):
        others = chain(*medians[:place], *medians[place + 1 :])
        of_heads += [prediction_limit([*others], WARNED_SHARE)] * len(some)
    everyone = [*chain(*medians)]
    return Limit(
        prediction_limit(everyone, WARNED_SHARE),
        everyone,
        f"{len(everyone)} test series, each under one of {len(judges)} runs of this recipe that "
        "did not learn from the patient (below, held against the limit of the other runs' series)",
        [*chain(*scored)],
        of_heads,
    )


def heads_of_test_patients(own: Acquainted, workers: int) -> Iterator["ExampleSeries"]:
    """Test patients' heads, whole and spoilt."""
    from model.evaluation.predictions import read_patients
    from model.evaluation.unfamiliar_examples import ExampleSeries, spoilt
    from model.evaluation.unfamiliarity import BLEEDING, NOT_BLEEDING

    for rows, hu, _ in read_patients(own.sets, own.patients["test"], workers):
        yield ExampleSeries(BLEEDING if rows["any"].any() else NOT_BLEEDING, hu)
        some = np.unique(np.linspace(0, len(hu) - 1, min(_SPOILT_SLICES, len(hu))).astype(int))
        yield from spoilt([hu[i] for i in some])


def strangers(options: argparse.Namespace) -> Iterator["ExampleSeries"]:
    """Heads from elsewhere, made shapes and other files."""
    from model.data.cached import open_cache
    from model.evaluation.predictions import read_patients
    from model.evaluation.unfamiliar_examples import ExampleSeries, made, other_files
    from model.evaluation.unfamiliarity import ELSEWHERE

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
