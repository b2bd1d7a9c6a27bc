"""Split patients, never slices, into folds that each hold every label as far as possible."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.csv_rows import in_line, read_rows
from model.data.duplicates import linked_patients
from model.errors import TrainingError
from model.labels import LABELS
from model.system.files import write_atomically

PARTS: Final = ("train", "tune", "calibrate", "test")
"""Fitting the weights; choosing among them; temperatures and thresholds; the figures, once."""

ROTATIONS: Final = 5
LEAST_FOLDS: Final = len(PARTS)
MOST_FOLDS: Final = 10

_ORDERS: Final = 2000
"""Ways to number the folds that are tried."""


def read_or_make_folds(
    path: Path, frames: Sequence[pd.DataFrame], n_folds: int | None = None, seed: int = 0
) -> dict[str, int]:
    """Read the folds of all patients from a CSV `patient,fold`, or make and write it.

    Patients with identical slices share a fold; each label of each data set is spread evenly.

    Parameters
    ----------
    path
        The CSV. Where it is there it is used as it is.
    frames
        Tables of slices with `patient`, `pixel_hash`, `blank` and the six labels.
    n_folds, seed
        For making it: ten folds, or as many as there are patients where these are fewer. The seed
        orders patients that are alike.

    Returns
    -------
    Fold from 0 of each patient of `frames`, in the order of their names.

    Raises
    ------
    TrainingError
        The file is not in its form, lacks a patient, or parts patients with identical slices; or
        there are too few patients for so many folds.
    """
    groups = linked_patients(frames)
    if not path.exists():
        folds = make_folds(frames, groups, n_folds or usual_folds(groups), seed)
        write_atomically(path, folds.to_csv(lineterminator="\n").encode())
    folds = _read(path)
    lacking = groups.index.difference(folds.index)
    if len(lacking):
        raise TrainingError(
            f"{path} has no fold for {len(lacking):,} of {len(groups):,} patients, as for "
            f"{lacking[0]}. Name another file, and it is made."
        )
    used = folds.loc[groups.index]
    _check_links(path, used, groups)
    empty = sorted(set(range(folds.max() + 1)) - set(used))
    if empty:
        raise TrainingError(f"Fold {empty[0]} of {path} holds no patient of these data sets.")
    return {str(patient): int(fold) for patient, fold in used.items()}


def usual_folds(groups: "pd.Series[int]") -> int:
    """Ten, or as many as there are groups of patients, but enough for every part."""
    return max(LEAST_FOLDS, min(MOST_FOLDS, groups.nunique()))


def make_folds(
    frames: Sequence[pd.DataFrame], groups: "pd.Series[int]", n_folds: int, seed: int
) -> "pd.Series[int]":
    """Deal the groups of `linked_patients` to folds: the fold, from 0, by patient.

    Raises
    ------
    TrainingError
        There are fewer than four folds, or fewer groups than folds.
    """
    if n_folds < LEAST_FOLDS:
        raise TrainingError(
            f"{n_folds} folds cannot hold {', '.join(PARTS)}: use {LEAST_FOLDS} or more."
        )
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    if n_groups < n_folds:
        raise TrainingError(
            f"{n_groups} patients cannot fill {n_folds} folds (patients with identical slices "
            "count once)."
        )
    slices = pd.concat([frame[["patient", *LABELS]] for frame in frames])
    labels = slices.groupby("patient")[list(LABELS)].max().loc[groups.index]
    table = np.zeros((n_groups, 0), np.int64)
    data_sets = groups.index.str.partition(":").get_level_values(0)
    for data_set in data_sets.unique():
        # One column for being a patient of this data set, then one a label.
        mine = np.column_stack([np.ones(len(labels), np.int64), labels.to_numpy(np.int64)])
        mine *= (data_sets == data_set)[:, None]
        summed = np.zeros((n_groups, mine.shape[1]), np.int64)
        np.add.at(summed, groups.to_numpy(), mine)
        table = np.column_stack([table, summed])
    sizes = np.bincount(groups.to_numpy())
    dealt = deal(table, sizes, n_folds, seed)
    counts = np.zeros((n_folds, table.shape[1]), np.int64)
    np.add.at(counts, dealt, table)
    fold_of_group = seat(counts, seed)[dealt]
    return pd.Series(fold_of_group[groups.to_numpy()], index=groups.index, name="fold")


def deal(
    table: NDArray[np.int64], sizes: NDArray[np.int64], n_folds: int, seed: int
) -> NDArray[np.int64]:
    """Deal groups to folds of one size (iterative stratification, Sechidis et al. 2011).

    The groups of the rarest column are dealt first, each to the fold that lacks that column most.

    Parameters
    ----------
    table
        int[groups, columns]: how often each group counts in each column; none counts in no column.
    sizes
        int[groups]: patients.
    n_folds, seed
        The seed orders groups of one size; larger ones come first.

    Returns
    -------
    int[groups], the fold from 0.
    """
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    queues = [iter(order[table[order, column] > 0].tolist()) for column in range(table.shape[1])]
    waiting = (table > 0).sum(axis=0)
    wanted = np.tile(table.sum(axis=0) / n_folds, (n_folds, 1))
    room = np.full(n_folds, sizes.sum() / n_folds)
    fold_of = np.full(len(sizes), -1)
    while waiting.any():
        rarest = int(np.argmin(np.where(waiting > 0, waiting, len(sizes) + 1)))
        group = next(group for group in queues[rarest] if fold_of[group] < 0)
        fold = int(np.lexsort((-room, -wanted[:, rarest]))[0])
        fold_of[group] = fold
        waiting -= table[group] > 0
        wanted[fold] -= table[group]
        room[fold] -= sizes[group]
    return fold_of


def seat(counts: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Number the folds so that in every rotation each part has its share of every column.

    A label of few patients lies in few folds: numbered by chance, none of these may train.

    Parameters
    ----------
    counts
        int[folds, columns]: how often each fold counts in each column.
    seed
        Of the orders that are tried.

    Returns
    -------
    int[folds], the number of each fold.
    """
    n_folds = len(counts)
    roles = np.array([roles_of(n_folds, rotation) for rotation in range(ROTATIONS)])
    holds = np.stack([roles == part for part in PARTS], axis=1).astype(float)
    generator = np.random.default_rng(seed)
    orders = np.array([generator.permutation(n_folds) for _ in range(_ORDERS)])
    # Of each order, rotation, part and column.
    found = np.einsum("rpf,ofc->orpc", holds, counts[orders])
    total = np.maximum(counts.sum(axis=0), 1)
    wanted = holds.mean(axis=2)[:, :, None] * total
    unlike = ((found - wanted) ** 2 / total).sum(axis=(1, 2, 3))
    # Of each order and rotation: labels that the train part lacks, and that any part lacks.
    absent = (found == 0) & (counts.sum(axis=0) > 0)
    untaught, lacking = absent[:, :, PARTS.index("train")].sum(axis=2), absent.sum(axis=(2, 3))
    # Teaching comes first; then rotation 0, which is the usual one.
    keys = (unlike, lacking.sum(axis=1), lacking[:, 0], untaught.sum(axis=1))
    best = orders[np.lexsort(keys)[0]]
    return np.argsort(best)


def roles_of(n_folds: int, rotation: int) -> list[str]:
    """The part that each fold plays: a fifth is test, one tune, one calibrate, the others train."""
    n_test = max(1, n_folds // ROTATIONS)
    roles = ["train"] * n_folds
    for place, role in enumerate(["test"] * n_test + ["tune", "calibrate"]):
        roles[(rotation * n_test + place) % n_folds] = role
    return roles


def parts_of(folds: Mapping[str, int], rotation: int | None = 0) -> dict[str, list[str]]:
    """Give the folds their roles: a fifth is test, one tune, one calibrate, the others train.

    Parameters
    ----------
    folds
        Of `read_or_make_folds`.
    rotation
        0 to 4 turns the roles; with 5 or 10 folds, each patient is a test patient once in five.
        None: everybody trains, and the figures are those of the same recipe's rotations.

    Returns
    -------
    Sorted patients of each of `PARTS`.

    Raises
    ------
    TrainingError
        There are fewer than four folds, or no such rotation.
    """
    n_folds = max(folds.values(), default=-1) + 1
    if n_folds < LEAST_FOLDS:
        raise TrainingError(
            f"{n_folds} folds cannot hold {', '.join(PARTS)}: use {LEAST_FOLDS} or more."
        )
    if rotation is None:
        return {**{part: [] for part in PARTS}, "train": sorted(folds)}
    if not 0 <= rotation < ROTATIONS:
        raise TrainingError(f"There is no rotation {rotation}: it goes from 0 to {ROTATIONS - 1}.")
    role_of = roles_of(n_folds, rotation)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for patient in sorted(folds):
        parts[role_of[folds[patient]]].append(patient)
    return parts


def _read(path: Path) -> "pd.Series[int]":
    """Read and check the CSV: the fold by patient."""
    table = read_rows(path, ("patient", "fold"))
    patient, fold = table["patient"], table["fold"]
    wrong = ~fold.str.fullmatch("[0-9]{1,3}").to_numpy(bool)
    if wrong.any():
        raise TrainingError(f"{in_line(path, fold, int(np.argmax(wrong)))} is no fold number.")
    twice = patient.duplicated().to_numpy()
    if twice.any():
        raise TrainingError(
            f"{in_line(path, patient, int(np.argmax(twice)))} is named for the second time."
        )
    return table.set_index("patient")["fold"].astype(int)


def _check_links(path: Path, folds: "pd.Series[int]", groups: "pd.Series[int]") -> None:
    """Raise where patients with identical slices are in different folds."""
    by_group = folds.groupby(groups)
    parted = groups[by_group.transform("min") != by_group.transform("max")]
    if len(parted):
        first = parted[parted == parted.iloc[0]].index
        raise TrainingError(
            f"{path} puts patients with identical slices into different folds, as "
            f"{', '.join(map(str, first[:3]))}. Name another file, and it is made."
        )
