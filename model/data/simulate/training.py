"""Simulated slices for training: a stored series, one draw, the slice and its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.insert import Plan, draw_lesions, insert_slice
from model.data.simulate.lesion import Lesion
from model.data.simulate.store import StoredSeries
from model.labels import SUBTYPES

_DRAWS: Final = 5
"""Where a bleed is planned and none would be visible, it is drawn again so many times at most."""


@dataclass(frozen=True)
class TrainingDraw:
    """What a training sample is made of.

    Parameters
    ----------
    hu
        int16[n, H, W], the slice and its neighbours, from the neck upward, as wanted.
    targets
        int8[6] of the slice itself, in `LABELS` order.
    masks
        bool[5, H, W] of the slice itself, in `SUBTYPES` order.
    series, row
        Which series it was made from, and the slice's row in the cache.
    description
        One line for each lesion and look-alike.
    """

    hu: NDArray[np.int16]
    targets: NDArray[np.int8]
    masks: NDArray[np.bool_]
    series: str
    row: int
    description: tuple[str, ...]


def draw_training_slice(
    hu: NDArray[np.int16],
    store: Sequence[StoredSeries],
    rng: np.random.Generator,
    plan: Plan | None = None,
    neighbours: int = 0,
) -> TrainingDraw:
    """Draw a slice without bleeding and put into it what the plan says.

    Parameters
    ----------
    hu
        int16[N, H, W], the cache's slices (`CachedSet.hu`).
    store
        Series to draw from: those of a fold's training patients.
    rng
        Source of all chance; the same generator gives the same sample.
    plan
        What to draw.
    neighbours
        How many slices on each side are wanted too, with the same lesions; the first and last
        slice of a series stand for what lies beyond.
    """
    series = store[int(rng.integers(len(store)))]
    good = np.flatnonzero(series.anatomy.good)
    index = int(good[int(rng.integers(len(good)))])
    plan = plan or Plan()
    own = np.array(hu[series.rows[index]])
    lesions: list[Lesion] = []
    made = insert_slice(own, series.anatomy, index, lesions, series.thickness_mm)
    for _ in range(_DRAWS):
        lesions = draw_lesions(series.anatomy, index, rng, plan)
        made = insert_slice(own, series.anatomy, index, lesions, series.thickness_mm)
        if made.targets[0] or not any(lesion.kind in SUBTYPES for lesion in lesions):
            break
    wanted = np.clip(np.arange(index - neighbours, index + neighbours + 1), 0, len(series.rows) - 1)
    stack = [
        made.hu
        if i == index
        else insert_slice(
            np.array(hu[series.rows[i]]), series.anatomy, int(i), lesions, series.thickness_mm
        ).hu
        for i in wanted
    ]
    return TrainingDraw(
        hu=np.stack(stack),
        targets=made.targets,
        masks=made.masks,
        series=series.name,
        row=int(series.rows[index]),
        description=made.description,
    )
