"""Smooth noise in space: the same for all slices of a series, wherever they cut it."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SIDE: Final = 64
_OCTAVES: Final = ((1.0, 1.0), (0.55, 0.5), (0.3, 0.25))
"""Size of the structures and weight, from coarse to fine."""


@cache
def _volume(octaves: int) -> NDArray[np.float32]:
    """Make a tile of noise that repeats without a seam; mean 0, standard deviation 1."""
    random = np.random.default_rng(20260101 + octaves)
    total = np.zeros((_SIDE,) * 3)
    for size, weight in _OCTAVES[:octaves]:
        layer = ndimage.gaussian_filter(random.normal(size=total.shape), 3.6 * size, mode="wrap")
        total += weight * layer / layer.std()
    total -= total.mean()
    return np.asarray(total / total.std(), np.float32)


def noise_plane(
    x_mm: NDArray[np.float32],
    y_mm: NDArray[np.float32],
    z_mm: float,
    size_mm: float,
    shift: tuple[float, float, float],
    *,
    octaves: int = 3,
) -> NDArray[np.float32]:
    """Sample the noise in a slice.

    Parameters
    ----------
    x_mm, y_mm
        float32[1, W] and float32[H, 1].
    z_mm
        Of the slice.
    size_mm
        Typical size of a light or a dark spot.
    shift
        Where in the tile to begin, 0..1 each: what one draw has of its own.
    octaves
        1 (smooth) to 3 (with fine detail).

    Returns
    -------
    float32[H, W], about standard normal.
    """
    cells = _volume(octaves)
    per_mm = 8.0 / size_mm
    z = z_mm * per_mm + shift[2] * _SIDE
    low = int(np.floor(z))
    part = np.float32(z - low)
    plane = cells[low % _SIDE] * (1 - part) + cells[(low + 1) % _SIDE] * part
    rows = _interpolated(plane, y_mm[:, 0] * per_mm + shift[1] * _SIDE)
    return np.ascontiguousarray(_interpolated(rows.T, x_mm[0] * per_mm + shift[0] * _SIDE).T)


def _interpolated(values: NDArray[np.float32], places: NDArray[np.floating]) -> NDArray[np.float32]:
    """Interpolate along the first axis, which repeats."""
    low = np.floor(places)
    part = (places - low).astype(np.float32)[:, None]
    index = low.astype(np.int64)
    lower, upper = values[index % _SIDE], values[(index + 1) % _SIDE]
    return np.asarray(lower + (upper - lower) * part)
