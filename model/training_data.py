"""The slices of a run: which caches, which patients' slices in which part, drawn how."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from model.distributed import Processes
from model.errors import TrainingError
from model.recipe import Recipe


@dataclass(frozen=True)
class TrainingData:
    """What is learnt from, and what chooses `best.pt`.

    Parameters
    ----------
    train, tune
        Slices of the two parts; the train part without those that teach nothing.
    drawing
        How an epoch draws from the first.
    prevalence, drawn
        Six shares of positives: in the first cache's train part, and among the draws.
    shift
        Six log-odds to add to logits so that they fit `prevalence`.
    origin
        `caches`, `folds`, `rotation` and `parts` (patients), as checkpoints hold them.
    left_out
        Kind to number of the train patients' slices that are not learnt from.
    """

    train: Pool
    tune: Pool
    drawing: Drawing
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
        With `cache`, `folds`, `n_folds` and `rotation`, as in `model.train`.

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
    train = make_pool(sets, keep, recipe.slices_per_input)
    require_trainable(train, sets)
    tune = make_pool(sets, [of(item, parts["tune"]) for item in sets], recipe.slices_per_input)
    shares = shares_of([weight for _, weight in caches])
    drawing = Drawing(shares, recipe.sampling, recipe.positive_share)
    true, drawn = true_prevalence(train), drawn_prevalence(train, drawing)
    origin = {
        "caches": [{"folder": str(folder.resolve()), "weight": share} for folder, share in caches],
        "folds": str(folds.resolve()),
        "rotation": options.rotation,
        "parts": parts,
    }
    return TrainingData(
        train,
        tune,
        drawing,
        prevalence=true.tolist(),
        drawn=drawn.tolist(),
        shift=prior_shift(true, drawn).tolist(),
        origin=origin,
        left_out=left_out,
    )


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
