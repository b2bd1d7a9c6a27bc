"""Level and noise of the brain in a series: what moves when a scanner's HU or kernel changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_TISSUE_HU: Final = 80
_BONE_HU: Final = 250
_ROW_STEP: Final = 8
_LEAST_PIXELS: Final = 500
"""Of a slice: fewer lie in the base of the skull and at its top, where bone darkens them."""
_MAD_TO_SD: Final = 1.4826
"""Of a normal distribution: 1 / 0.6745, the third quartile of its standard form."""


@dataclass(frozen=True)
class TissueStatistics:
    """Median and noise (a standard deviation) of brain-like tissue, in HU."""

    median_hu: float
    noise_hu: float


def measure_tissue(hu: Sequence[NDArray[np.int16]]) -> TissueStatistics | None:
    """Measure brain-like tissue: pixels of 0 to 80 HU, both included, inside the head.

    Inside are pixels that have bone (over 250 HU) on both sides in their row: what the skull
    encloses, and at its base what lies between its outermost parts. Every eighth row is looked at.
    Fluid, fresh blood and the edge of bone are among them; medians heed them little.

    Noise is that of Donoho and Johnstone (Ideal spatial adaptation by wavelet shrinkage, Biometrika
    81, 1994, 425-455), the median absolute value of the finest details over 0.6745: here 1.4826 x
    the median absolute difference of neighbours in a row, both of them such pixels, over sqrt 2.
    Anatomy hardly counts in it. It is the standard deviation where neighbours are independent; a
    smooth kernel makes them alike, and the figure is lower: a change of kernel shows as one of dose
    does. Noise over 15 HU or so is cut by 0 and 80 HU, and told too low.

    Parameters
    ----------
    hu
        The slices, each int16[rows, columns].

    Returns
    -------
    The medians over the slices that have 500 pixels of such tissue in the rows looked at;
    None where no slice has.
    """
    measured = [found for one in hu if (found := _measure_slice(one)) is not None]
    if not measured:
        return None
    median_hu, noise_hu = np.median(measured, axis=0).tolist()
    return TissueStatistics(median_hu, noise_hu)


def _measure_slice(hu: NDArray[np.int16]) -> tuple[float, float] | None:
    rows = hu[::_ROW_STEP]
    tissue = _between_bone(rows) & (rows >= 0) & (rows <= _TISSUE_HU)
    levels = np.bincount(rows[tissue], minlength=_TISSUE_HU + 1)
    neighbours = tissue[:, 1:] & tissue[:, :-1]
    steps = np.bincount(np.abs(np.diff(rows, axis=1)[neighbours]), minlength=_TISSUE_HU + 1)
    if min(levels.sum(), steps.sum()) < _LEAST_PIXELS:
        return None
    level_edges = np.arange(len(levels) + 1, dtype=np.float64) - 0.5
    step_edges = np.arange(len(steps) + 1, dtype=np.float64) - 0.5
    step_edges[0] = 0  # sizes: what rounds to 0 lies above it
    noise = _MAD_TO_SD * _median_of_counts(steps, step_edges) / np.sqrt(2)
    return _median_of_counts(levels, level_edges), float(noise)


def _between_bone(rows: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether a pixel has bone on both sides in its row."""
    bone = rows > _BONE_HU
    columns = np.arange(rows.shape[1], dtype=np.int16)
    # Without bone both are the ends of the row, in the order that leaves nothing between.
    last = rows.shape[1] - 1 - bone[:, ::-1].argmax(axis=1)
    first = np.where(bone.any(axis=1), bone.argmax(axis=1), last)
    inside: NDArray[np.bool_] = (columns > first[:, None]) & (columns < last[:, None])
    return inside


def _median_of_counts(counts: NDArray[np.intp], edges: NDArray[np.float64]) -> float:
    """The median of whole numbers, each spread over its bin: finer than whole HU."""
    cumulated = np.concatenate([[0], np.cumsum(counts)])
    return float(np.interp(cumulated[-1] / 2, cumulated, edges))
