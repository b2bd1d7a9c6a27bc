"""Split patients, never slices, into parts that each hold every subtype as far as possible."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from model.errors import TrainingError

PARTS: Final = ("train", "calibrate", "test")
SHARES: Final = (0.6, 0.2, 0.2)


def split_patients(
    labels_of: Mapping[int, Sequence[int]],
    seed: int,
    shares: Sequence[float] = SHARES,
) -> list[list[int]]:
    """Assign each patient to one part (iterative stratification, Sechidis et al. 2011).

    The rarest label's patients are dealt first, each to the part that lacks that label most;
    patients without any label come last and fill the parts up.

    Parameters
    ----------
    labels_of
        Patient to six 0/1 values: which labels occur in any of the patient's slices.
    seed
        Orders patients that are alike.
    shares
        Wanted share of each part; they sum to 1.

    Returns
    -------
    Sorted patients of each part, in the order of `shares`.

    Raises
    ------
    TrainingError
        There are fewer patients than parts.
    """
    if len(labels_of) < len(shares):
        raise TrainingError(f"{len(labels_of)} patients cannot fill {len(shares)} parts.")
    shuffled = np.random.default_rng(seed).permutation(sorted(labels_of))
    waiting = [int(patient) for patient in shuffled]
    table = np.array([labels_of[patient] for patient in waiting])
    target = np.asarray(shares, dtype=float)
    wanted = np.outer(target, table.sum(axis=0))
    room = target * len(waiting)
    parts: list[list[int]] = [[] for _ in shares]
    while waiting:
        index, label = _next_patient(table)
        need = room if label is None else wanted[:, label]
        part = int(np.lexsort((-room, -need))[0])
        parts[part].append(waiting.pop(index))
        wanted[part] -= table[index]
        room[part] -= 1
        table = np.delete(table, index, axis=0)
    return [sorted(part) for part in parts]


def _next_patient(table: np.ndarray) -> tuple[int, int | None]:
    """Pick the first waiting patient with the rarest label left, and that label."""
    counts = table.sum(axis=0)
    if not counts.any():
        return 0, None
    label = int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))
    return int(np.argmax(table[:, label])), label
