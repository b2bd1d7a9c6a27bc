"""Train recipes in cross-validation and compare them: which one does best on what it never saw?

``python -m model.experiments --cache C --to F [NAME ...]``. The recipes stand in a plan
(`recipes.toml` beside this file): options of `model.train`, by name. Run it again, and it goes
on where it stopped; `table.md` is written anew after each experiment.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from rich.console import Console

from model.data.cached import open_cache
from model.data.folds import read_or_make_folds
from model.data.simulated_bank import read_bank_description
from model.errors import TrainingError
from model.experiments.figures import (
    COLUMNS,
    FIGURE_HEAD,
    RECIPE_HEAD,
    figures_of,
    gain,
    line_of,
    markdown_table,
)
from model.experiments.judging import Judgement, judge_run
from model.experiments.plan import PLAN, Experiment, chosen, read_plan
from model.system.files import write_atomically, write_json

TABLE_FILE: Final = "table.md"
RESULT_FILE: Final = "experiment.json"
_RUN_LOG: Final = "output.txt"


# ---------------------------------------------------------------------------------- arguments


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", help="experiments of the plan (all)")
    add("--cache", type=Path, required=True, help="that all are trained and measured on")
    add("--to", type=Path, required=True, help="folder for runs and the table")
    add("--plan", type=Path, default=PLAN, help="the recipes (recipes.toml beside this)")
    add("--bank", type=Path, help="simulated slices, for recipes that draw from them")
    add("--unseen", type=Path, help="a bank of another seed, to judge")
    add("--negative", type=Path, help="a cache without hemorrhage from elsewhere, to judge")
    add("--folds", type=Path, help="instead of the cache's, as of `model.experiments.looks`")
    add("--rotations", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="(0 1 2 3 4)")
    add("--processes", type=int, default=2, help="trainings at a time, cores shared (2)")
    add("--draws", type=int, default=1000, help="resamples for intervals (1000)")
    return parser.parse_args(arguments)


# ----------------------------------------------------------------------------------- training


def run_folder(options: argparse.Namespace, experiment: Experiment, rotation: int) -> Path:
    """Where a rotation of an experiment is trained."""
    folder: Path = options.to / experiment.name / f"rotation-{rotation}"
    return folder


def training_command(
    experiment: Experiment, rotation: int, options: argparse.Namespace
) -> list[str]:
    """The command that trains a rotation.

    Raises
    ------
    TrainingError
        The recipe needs something that the command line does not name.
    """
    known = {"bank": options.bank, "to": options.to}
    filled = []
    for option in experiment.options:
        try:
            needed = [name for name in known if f"{{{name}}}" in option and known[name] is None]
            filled.append(option.format(**known, rotation=rotation))
        except (KeyError, IndexError, ValueError) as problem:
            raise TrainingError(f"{experiment.name}: {option} has {problem!r}.") from problem
        if needed:
            raise TrainingError(f"{experiment.name} needs --{needed[0]}.")
    folder = run_folder(options, experiment, rotation)
    fixed = [f"--cache={options.cache}", f"--run={folder}", f"--rotation={rotation}"]
    folds = [f"--folds={options.folds}"] if options.folds else []
    return [sys.executable, "-m", "model.train", *fixed, *folds, *filled]


def train_one(experiment: Experiment, rotation: int, options: argparse.Namespace) -> None:
    """Train a rotation in a process of its own, or go on with it.

    Raises
    ------
    TrainingError
        It failed; the last line that it wrote says why.
    """
    command = training_command(experiment, rotation, options)
    folder = run_folder(options, experiment, rotation)
    folder.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // options.processes))
    with (folder / _RUN_LOG).open("w") as log:
        ended = subprocess.run(
            command,
            env=os.environ | {"OMP_NUM_THREADS": threads, "COLUMNS": "200"},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode:
        lines = (folder / _RUN_LOG).read_text().strip().splitlines()
        last = lines[-1] if lines else f"it ended with {ended.returncode}"
        raise TrainingError(f"{experiment.name}, rotation {rotation}: {last}")


# ----------------------------------------------------------------------------------- measuring


def judge_all(experiment: Experiment, options: argparse.Namespace) -> list[Judgement]:
    """Judge every rotation, as many at a time as are trained, in processes of one thread."""
    runs = [run_folder(options, experiment, rotation) for rotation in options.rotations]
    with ProcessPoolExecutor(
        options.processes, get_context("spawn"), torch.set_num_threads, (1,)
    ) as pool:
        also = partial(judge_run, unseen=options.unseen, negative=options.negative)
        return list(pool.map(also, runs))


def code_state() -> str:
    """The commit that this code is at, with `+` where files differ; empty outside a repository."""
    asked = ["git", "describe", "--always", "--dirty=+", "--abbrev=7"]
    try:
        told = subprocess.run(
            asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told.stdout.strip()


def measured(
    experiment: Experiment, options: argparse.Namespace, judgements: Sequence[Judgement]
) -> dict[str, Any]:
    """The result of an experiment over its rotations."""
    test = pd.concat([one.test for one in judgements], ignore_index=True)
    shifts = {name for one in judgements for name in one.shifted}
    shifted = {
        name: pd.concat([one.shifted[name] for one in judgements], ignore_index=True)
        for name in sorted(shifts)
    }
    simulated = [one.simulated for one in judgements if one.simulated is not None]
    negative = [one.negative for one in judgements if one.negative is not None]
    found = {
        "question": experiment.question,
        "options": list(experiment.options),
        "seeds": sorted({one.seed for one in judgements}),
        "code": code_state(),
        "bank": read_bank_description(options.bank) if options.bank else None,
        "rotations": options.rotations,
        "figures": figures_of(test, options.draws),
        "shifted": {
            name: figures_of(part, 1)["auc"]["any"]["value"] for name, part in shifted.items()
        },
        "simulated": sum(simulated) / len(simulated) if simulated else None,
        "negative": sum(negative) / len(negative) if negative else None,
        "minutes": sum(one.seconds for one in judgements) / 60,
    }
    test[list(COLUMNS)].to_parquet(options.to / experiment.name / "judged.parquet", index=False)
    other = options.to / experiment.against / "judged.parquet"
    if experiment.against and other.exists():
        found["against"] = experiment.against
        found["gain"] = gain(pd.read_parquet(other), test, options.draws)
    write_json(options.to / experiment.name / RESULT_FILE, found)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train, judge and write each experiment's result and the table of all."""
    options = parse_arguments(arguments)
    console = Console()
    cached = open_cache(options.cache)
    # Made before several trainings want to make them at once.
    read_or_make_folds(options.folds or options.cache / "folds.csv", [cached.frame])
    plan = read_plan(options.plan)
    for experiment in chosen(plan, options.names):
        console.print(f"{experiment.name}: {experiment.question}", soft_wrap=True)
        with ThreadPoolExecutor(options.processes) as pool:
            list(pool.map(lambda r, e=experiment: train_one(e, r, options), options.rotations))
        judgements = judge_all(experiment, options)
        result = measured(experiment, options, judgements)
        console.print("  ".join(line_of(experiment.name, result)), soft_wrap=True)
        write_atomically(options.to / TABLE_FILE, table_of(plan, options.to).encode())


def table_of(plan: Sequence[Experiment], folder: Path) -> str:
    """What was found so far, as Markdown: a table of figures, then one of recipes."""
    found = {}
    for experiment in plan:
        path = folder / experiment.name / RESULT_FILE
        if path.exists():
            found[experiment.name] = json.loads(path.read_text())
    lines = [line_of(name, result) for name, result in found.items()]
    recipes = [
        [name, result["question"], f"`{' '.join(result['options'])}`", result["code"]]
        for name, result in found.items()
    ]
    figures = markdown_table(FIGURE_HEAD, lines)
    return f"{figures}\n\n{markdown_table(RECIPE_HEAD, recipes)}\n"


if __name__ == "__main__":
    from model.system.command import run

    run(main)
