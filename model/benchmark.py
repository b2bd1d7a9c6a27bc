"""Train the proposal's six networks and ours under one budget on one split, and compare them.

``python -m model.benchmark --cache C --to benchmark/ --minutes 30``. Further options go to
`model.train`, the same for all. Run it again, and it goes on where it stopped.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from model import calibrate, train
from model.errors import TrainingError
from model.evaluate import load_evaluated
from model.evaluation.benchmark_report import write_tables
from model.evaluation.bootstrap import (
    AUC,
    WEIGHTED_LOG_LOSS,
    Counts,
    Figure,
    Rows,
    draw_counts,
    estimate,
)
from model.evaluation.cost import cost_in_child
from model.network import ARCHITECTURE, NetworkSpec
from model.system.files import write_json
from model.training.distributed import Processes, joined_processes
from model.training.state import start

RESULT_FILE: Final = "benchmark.json"
_BUDGET_FILE: Final = "budget.json"
_TRIAL_STEPS: Final = 3


@dataclass(frozen=True)
class Entry:
    """A network of the table, at the size of its input in pixels."""

    architecture: str
    size: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.architecture}-{self.size}"


ENTRIES: Final = (
    Entry("resnext101_32x16d", 256),
    Entry("efficientnet_b0", 256),
    Entry("efficientnet_b1", 224),
    Entry("vgg19", 224),
    Entry("resnet50", 256),
    Entry("inception_v3", 224),
    Entry(ARCHITECTURE, 256),
)
"""The proposal's six, and ours."""


# --------------------------------------------------------------------------------- arguments


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what is unknown is for `model.train`."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--cache", required=True, help="that all are trained and measured on")
    add("--to", type=Path, required=True, help="folder for runs and tables")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="of training, for each network")
    budget.add_argument("--slices", type=int, help="that each network is trained on")
    add("--epochs", type=int, default=4, help="in which the budget is parted (4)")
    add("--models", nargs="+", help="other networks, or some of the seven: name or name:size")
    add("--size", type=int, help="of every network's input, for a trial")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--read-workers", type=int, default=1, help="that read the originals (1)")
    add("--draws", type=int, default=1000, help="resamples for intervals (1000)")
    return parser.parse_known_args(arguments)


def chosen(models: Sequence[str] | None, size: int | None) -> list[Entry]:
    """The networks to compare.

    Raises
    ------
    TrainingError
        A size is not a number.
    """
    known = {entry.architecture: entry.size for entry in ENTRIES}
    entries = []
    for text in models or known:
        architecture, _, own = text.partition(":")
        if own and not own.isdecimal():
            raise TrainingError(f"--models {text}: the size after the colon must be a number.")
        usual = known.get(architecture, 256)
        entries.append(Entry(architecture, size or int(own or usual)))
    return entries


# ------------------------------------------------------------------------------------ budget


def slices_for(entry: Entry, options: argparse.Namespace, common: Sequence[str]) -> int:
    """How many slices the budget is for this network; settled once, so that a rerun goes on.

    Minutes are turned into slices by a trial of a few steps: the schedule of the learning rate
    must know its end.
    """
    if options.slices is not None:
        return int(options.slices)
    path = options.to / entry.name / _BUDGET_FILE
    asked = {"minutes": options.minutes, "options": list(common)}
    if path.exists():
        settled: dict[str, Any] = json.loads(path.read_text())
        if {name: settled[name] for name in asked} == asked:
            return int(settled["slices"])
    with joined_processes(options.device) as processes:
        seconds = seconds_a_slice(entry, options, common, processes)
    slices = max(1, int(60 * options.minutes / seconds))
    write_json(path, asked | {"slices": slices, "slices_per_second": 1 / seconds})
    return slices


def seconds_a_slice(
    entry: Entry, options: argparse.Namespace, common: Sequence[str], processes: Processes
) -> float:
    """Time a few steps of training, after one that warms up."""
    arguments = training_arguments(entry, options, common, slices=0)
    job = train.plan(train.parse_arguments(arguments), processes)
    state = start(job, afresh=False)
    state.network.train()
    batches = train.epoch_batches(state, job)
    began = 0.0
    steps = min(_TRIAL_STEPS, job.steps - 1)
    for step in range(steps + 1):
        train.train_one_step(state, job, batches)
        if step == 0:
            began = time.monotonic()
    if steps == 0:
        raise TrainingError("The train part is too small to time a step; use --slices.")
    return (time.monotonic() - began) / (steps * job.slices_a_step)


def training_arguments(
    entry: Entry, options: argparse.Namespace, common: Sequence[str], slices: int
) -> list[str]:
    """The command line of `model.train` for a network."""
    return [
        f"--cache={options.cache}",
        f"--run={options.to / entry.name}",
        f"--architecture={entry.architecture}",
        f"--size={entry.size}",
        f"--epochs={options.epochs}",
        f"--slices-per-epoch={slices // options.epochs}",
        f"--device={options.device}",
        *common,
    ]


# --------------------------------------------------------------------------------- measuring


def compare_one(entry: Entry, options: argparse.Namespace, common: Sequence[str]) -> dict[str, Any]:
    """Train, calibrate and measure a network, or read what was measured before."""
    run = options.to / entry.name
    slices = slices_for(entry, options, common)
    if slices < options.epochs:
        raise TrainingError(f"A budget of {slices} slices cannot fill {options.epochs} epochs.")
    asked = {"slices": slices, "epochs": options.epochs, "options": list(common)}
    if (run / RESULT_FILE).exists():
        result: dict[str, Any] = json.loads((run / RESULT_FILE).read_text())
        if result["asked"] == asked:
            return result
    train.main(training_arguments(entry, options, common, slices))
    device = [f"--device={options.device}", f"--workers={options.read_workers}"]
    calibrate.main([f"--run={run}", *device])
    evaluated, trained, _ = load_evaluated(run, options.device, options.read_workers)
    rows = evaluated.predictions.slice_rows(evaluated.probabilities)
    result = {
        "asked": asked,
        **asdict(entry),
        **figures(rows, options.draws),
        "test_slices": len(rows.targets),
        "test_patients": int(rows.owners.max()) + 1,
        "training_minutes": trained.content["seconds"] / 60,
        **asdict(cost_in_child(NetworkSpec(**trained.content["spec"]))),
    }
    write_json(run / RESULT_FILE, result)
    return result


def figures(rows: Rows, draws: int) -> dict[str, Any]:
    """Weighted log loss, AUC of any and the mean AUC of all labels, with intervals."""
    counts = draw_counts(int(rows.owners.max()) + 1, draws)
    return {
        "weighted_log_loss": estimate(WEIGHTED_LOG_LOSS, rows, counts),
        "auc_any": estimate(AUC, rows.label(0), counts),
        "auc_macro": estimate(macro_auc(rows), rows, counts),
    }


def macro_auc(rows: Rows) -> Figure:
    """The mean AUC of the labels that occur in these rows."""
    occurring = [i for i, column in enumerate(rows.targets.T) if column.min() < column.max()]
    return Figure(partial(_macro, occurring), partial(_macro_resampled, occurring), (1, 0))


def _macro(labels: Sequence[int], targets: NDArray[Any], scores: NDArray[Any]) -> float:
    return float(np.mean([AUC.value(targets[:, i], scores[:, i]) for i in labels] or [np.nan]))


def _macro_resampled(labels: Sequence[int], rows: Rows, counts: Counts) -> NDArray[np.float64]:
    values = np.stack([AUC.resampled(rows.label(i), counts) for i in labels])
    mean: NDArray[np.float64] = values.mean(axis=0)
    return mean


# -------------------------------------------------------------------------------------- main


def main(arguments: list[str] | None = None) -> None:
    """Write `table.csv`, `table.md` and `report.html`, anew after each network."""
    options, common = parse_arguments(arguments)
    console = Console()
    results: list[Mapping[str, Any]] = []
    failures: dict[str, str] = {}
    entries = chosen(options.models, options.size)
    for number, entry in enumerate(entries, start=1):
        console.rule(f"{entry.name} ({number} of {len(entries)})")
        try:
            results.append(compare_one(entry, options, common))
        except TrainingError as problem:
            failures[entry.name] = str(problem)
            console.print(f"left out of the table: {problem}")
        write_tables(options.to, results, failures, budget(options))
    if not results:
        raise TrainingError(f"No network could be measured: {'; '.join(failures.values())}")
    console.print(f"written: {options.to / 'table.md'} and {options.to / 'report.html'}")


def budget(options: argparse.Namespace) -> str:
    """What each network was given, in words."""
    if options.slices is not None:
        return f"{options.slices:,} slices of training"
    return f"{options.minutes:g} minutes of training"


if __name__ == "__main__":
    from model.system.command import run

    run(main)
