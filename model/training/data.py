"""The slices of a run: which caches, which patients' slices in which part, drawn how."""

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.data.cached import CachedSet, open_cache
from model.data.duplicates import contradictory
from model.data.folds import parts_of, read_or_make_folds
from model.data.mixture import (
    Drawing,
    Pool,
    drawn_prevalence,
    make_pool,
    require_trainable,
    shares_of,
    true_prevalence,
)
from model.data.sampling import prior_shift
from model.data.simulate.store import build_store, is_built
from model.data.simulated_bank import Bank, open_bank, read_bank_description
from model.data.simulated_draws import Simulation, Simulator, lending_patients, open_lender
from model.errors import TrainingError
from model.system.progress import counting, progress_bar
from model.training.distributed import Processes
from model.training.recipe import Recipe

_ESTIMATE_DRAWS: Final = 1000
"""From so many simulated draws the share of positives among them is estimated."""

_LEAST_PREVALENCE: Final = 0.002
"""What is simulated is taken for at least half as frequent as the rarest label of RSNA 2019 (0.41 %
of slices are epidural): that a few patients lack it does not make it impossible."""


@dataclass(frozen=True)
class TrainingData:
    """What is learnt from, and what chooses `best.pt`.

    Parameters
    ----------
    train, tune
        Slices of the two parts; the train part without those that teach nothing.
    drawing
        How an epoch draws from the first.
    simulation
        What stands in place of some draws; None where nothing is simulated.
    prevalence, drawn
        Six shares of positives: in the first cache's train part, and among the draws.
    shift
        Six log-odds to add to logits so that they fit `prevalence`.
    origin
        `caches`, `folds`, `rotation`, `parts` (patients) and `bank`, as checkpoints hold them.
    left_out
        Kind to number of the train patients' slices that are not learnt from.
    """

    train: Pool
    tune: Pool
    drawing: Drawing
    simulation: Simulation | None
    prevalence: list[float]
    drawn: list[float]
    shift: list[float]
    origin: dict[str, Any]
    left_out: dict[str, int]


def load_data(options: argparse.Namespace, recipe: Recipe, processes: Processes) -> TrainingData:
    """Open the caches and part their patients.

    Parameters
    ----------
    options
        With `cache`, `bank`, `folds`, `n_folds` and `rotation`, as in `model.train`.

    Raises
    ------
    TrainingError
        A cache or the folds cannot be used, or nothing is left to learn from.
    """
    caches = named_caches(options.cache)
    sets = [open_cache(folder) for folder, _ in caches]
    # Next to the first cache, so that all runs on it share them.
    name = "-".join(["folds", *(item.name for item in sets[1:])])
    folds = options.folds or caches[0][0] / f"{name}.csv"
    with processes.rank_0_first():
        fold_of = read_or_make_folds(folds, [item.frame for item in sets], options.n_folds)
    parts = parts_of(fold_of, options.rotation)
    keep, left_out = usable(sets, parts["train"])
    train = make_pool(sets, keep, slices_read(recipe))
    require_trainable(train, sets)
    tune = make_pool(sets, [of(item, parts["tune"]) for item in sets], recipe.slices_per_input)
    shares = shares_of([weight for _, weight in caches])
    drawing = Drawing(shares, recipe.sampling, recipe.positive_share)
    simulation = load_simulation(options, sets, parts["train"], recipe, processes)
    true, drawn = true_prevalence(train), drawn_prevalence(train, drawing)
    if simulation:
        simulated = simulated_prevalence(simulation, processes)
        drawn = (1 - simulation.share) * drawn + simulation.share * simulated
        true = np.where(simulated > 0, np.maximum(true, _LEAST_PREVALENCE), true)
    origin = {
        "caches": [{"folder": str(folder.resolve()), "weight": share} for folder, share in caches],
        "folds": str(folds.resolve()),
        "rotation": options.rotation,
        "parts": parts,
        "bank": read_bank_description(options.bank) if options.bank else None,
    }
    return TrainingData(
        train,
        tune,
        drawing,
        simulation,
        prevalence=true.tolist(),
        drawn=drawn.tolist(),
        shift=prior_shift(true, drawn).tolist(),
        origin=origin,
        left_out=left_out,
    )


def slices_read(recipe: Recipe) -> int:
    """How many neighbouring slices one of training's inputs is made from."""
    return recipe.slices_per_input + 2 * recipe.augmentation.beside


def named_caches(wanted: Sequence[str]) -> list[tuple[Path, float]]:
    """Folder and weight of each `--cache C` or `C:weight`."""
    caches = []
    for text in wanted:
        folder, _, weight = text.rpartition(":")
        try:
            caches.append((Path(folder), float(weight)) if folder else (Path(text), 1.0))
        except ValueError:  # the colon belongs to the path
            caches.append((Path(text), 1.0))
        if not 0 < caches[-1][1] < math.inf:
            raise TrainingError(f"--cache {text}: the weight must be above 0.")
    return caches


def of(item: CachedSet, patients: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows of the set's frame are these patients', bool[n]."""
    return item.frame["patient"].isin(patients).to_numpy(bool)


def usable(
    sets: Sequence[CachedSet], patients: Sequence[str]
) -> tuple[list[NDArray[np.bool_]], dict[str, int]]:
    """The patients' slices that a network can learn from, and how many are left out for what.

    Near-blank slices carry no signal; of identical slices with different labels, one must be
    wrong.
    """
    keep, blank, contradicting = [], 0, 0
    for item in sets:
        mine = of(item, patients)
        empty = item.frame["blank"].to_numpy(bool)
        doubtful = contradictory(item.frame) & ~empty
        keep.append(mine & ~empty & ~doubtful)
        blank += int((mine & empty).sum())
        contradicting += int((mine & doubtful).sum())
    return keep, {"near-blank": blank, "identical with other labels": contradicting}


def load_simulation(
    options: argparse.Namespace,
    sets: Sequence[CachedSet],
    patients: Sequence[str],
    recipe: Recipe,
    processes: Processes,
) -> Simulation | None:
    """Open the bank, or the anatomy beside each cache that the simulator needs.

    Raises
    ------
    TrainingError
        A cache has no train patient whose slices could take up bleeding, or the bank does not fit.
    """
    if options.bank and (recipe.simulate == 0 or slices_read(recipe) > 1):
        raise TrainingError(
            "--bank holds single slices to draw from: it needs --simulate with a share above 0, "
            "and does not go with --slices-per-input 3, --thickness or --tilt."
        )
    if recipe.simulate == 0:
        return None
    lending = [lending_patients(item, patients) for item in sets]
    if options.bank:
        return Simulation(recipe.simulate, open_bank(options.bank, sets[0], lending[0]))
    build_missing_stores(sets, processes)
    lenders = [
        open_lender(item, theirs, slices_read(recipe))
        for item, theirs in zip(sets, lending, strict=True)
    ]
    shares = shares_of([weight for _, weight in named_caches(options.cache)])
    return Simulation(recipe.simulate, Simulator(recipe.simulate_bleeding, tuple(lenders), shares))


def build_missing_stores(sets: Sequence[CachedSet], processes: Processes) -> None:
    """Find the anatomy of the caches where it was not found yet: once, while the others wait."""
    with processes.rank_0_first(), progress_bar("series", shown=processes.writes) as bar:
        for item in sets:
            if not is_built(item):
                show = counting(bar, f"anatomy of {item.folder}")
                build_store(item.folder, os.cpu_count() or 1, show)


def simulated_prevalence(simulation: Simulation, processes: Processes) -> NDArray[np.float64]:
    """Share of positives among simulated draws, float64[6].

    Known of a bank. Of the simulator it is estimated from a fixed sample: every process makes its
    part of it, all know the same result.
    """
    if isinstance(simulation.source, Bank):
        return np.asarray(simulation.source.targets.mean(axis=0, dtype=np.float64))
    counted = processes.gather(simulation.source.count(estimated_by(processes)))
    prevalence: NDArray[np.float64] = np.sum(counted, axis=0) / _ESTIMATE_DRAWS
    return prevalence


def estimated_by(processes: Processes) -> range:
    """The draws of the fixed sample that this process makes."""
    return range(processes.rank, _ESTIMATE_DRAWS, processes.world)
