"""What may happen to a series on its way to the network, without its findings changing."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.data.augment import FIELD_MM
from model.data.field import in_field
from model.data.head_crop import square_slice
from model.evaluation.other_scanners import OTHER_SCANNERS, offset


@dataclass(frozen=True)
class SeriesInput:
    """A series as the network is given it.

    Parameters
    ----------
    hu
        S slices int16[H, W].
    z_mm
        float32[S].
    places
        int64[S], the number of each slice in the series as it was.
    """

    hu: Sequence[NDArray[np.int16]]
    z_mm: NDArray[np.float32]
    places: NDArray[np.int64]


Disturb = Callable[[SeriesInput], list[SeriesInput]]
"""From a series to what comes of it: one or several, which may lack slices."""


def turned(hu: Tensor, degrees: float) -> Tensor:
    """Turn slices [B, C, N, N] about their middle, clockwise as shown; air comes in."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    theta = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0]])
    return in_field(hu, theta.expand(*hu.shape[:2], 2, 3), hu.shape[-1])


def without_the_middle(series: SeriesInput) -> list[SeriesInput]:
    """Lose one slice; its neighbours are then two spacings apart. Of one slice nothing is left."""
    kept = np.delete(np.arange(len(series.hu)), len(series.hu) // 2)
    return [_some(series, kept)] if len(kept) else []


def upside_down(series: SeriesInput) -> list[SeriesInput]:
    """Give the slices from above, as where their positions are not known."""
    reverse = np.arange(len(series.hu))[::-1]
    return [replace(_some(series, reverse), z_mm=series.z_mm[-1] - series.z_mm[reverse])]


def one_by_one(series: SeriesInput) -> list[SeriesInput]:
    """Give each slice by itself, as where one is uploaded."""
    return [_some(series, np.array([number])) for number in range(len(series.hu))]


def _some(series: SeriesInput, kept: NDArray[np.int64]) -> SeriesInput:
    return SeriesInput([series.hu[i] for i in kept], series.z_mm[kept], series.places[kept])


def _in_every_slice(vary: Callable[[Tensor], Tensor], series: SeriesInput) -> list[SeriesInput]:
    """Vary slices padded to squares, which `vary` takes as [1, 1, N, N]."""
    squares = (torch.from_numpy(square_slice(one))[None, None] for one in series.hu)
    varied = [vary(square)[0, 0].round().to(torch.int16).numpy() for square in squares]
    return [replace(series, hu=varied)]


def _by_scanner(name: str, hu: Tensor) -> Tensor:
    # Few sets tell their pixels' size: the field of a head is taken for what training takes it.
    return OTHER_SCANNERS[name](hu, FIELD_MM / hu.shape[-1])


DISTURBANCES: Final[Mapping[str, Disturb]] = {
    "5 HU lower": partial(_in_every_slice, partial(offset, offset_hu=-5)),
    **{name: partial(_in_every_slice, partial(_by_scanner, name)) for name in OTHER_SCANNERS},
    "turned by 15°": partial(_in_every_slice, partial(turned, degrees=15)),
    "turned by -15°": partial(_in_every_slice, partial(turned, degrees=-15)),
    "the middle slice missing": without_the_middle,
    "slices in reverse order": upside_down,
    "each slice alone": one_by_one,
}
