"""Textures in space, the same on every slice that cuts them: unevenness, folds, spongy bone."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from model.data.synthetic.shapes import Floats

_SIDE: Final = 64
_CELLS: Final = 8.0
"""Of the tile, that one wave of a texture takes."""


@cache
def _tile(kind: str) -> NDArray[np.float32]:
    """Make noise that repeats without a seam; mean 0, standard deviation 1.

    `folded` noise has waves of about one length: where it is 0 there are winding sheets at about
    even distances, as gyri have (the labyrinths of reaction and diffusion look the same).
    """
    rng = np.random.default_rng(20261101)
    white = fft.rfftn(rng.standard_normal((_SIDE,) * 3, np.float32))
    down, across = fft.fftfreq(_SIDE), fft.rfftfreq(_SIDE)
    waves = np.sqrt(down[:, None, None] ** 2 + down[:, None] ** 2 + across**2) * _CELLS
    kept = np.exp(-(((waves - 1) / 0.28) ** 2)) if kind == "folded" else np.exp(-(waves**2))
    kept[0, 0, 0] = 0
    made = fft.irfftn(white * kept.astype(np.float32), (_SIDE,) * 3)
    return np.asarray(made / made.std(), np.float32)


def texture(
    kind: str, at: tuple[Floats, Floats, Floats], wave_mm: float, start: tuple[int, int], step: int
) -> Floats:
    """Sample a texture.

    Parameters
    ----------
    kind
        `smooth` or `folded`.
    at
        x, y, z in mm, float32[H, W] each, where H - 1 and W - 1 are multiples of `step`.
    wave_mm
        Length of its waves.
    start
        What head and what tissue it is for: where in the tile it begins.
    step
        It is sampled at every so many points and interpolated between them.

    Returns
    -------
    float32[H, W], about standard normal.
    """
    scale = np.float32(_CELLS / wave_mm)
    begin = np.random.default_rng(start).uniform(0, _SIDE, 3)
    places = [
        one[::step, ::step] * scale + np.float32(offset)
        for one, offset in zip(at, begin, strict=True)
    ]
    found = ndimage.map_coordinates(_tile(kind), places, order=1, mode="grid-wrap")
    return _finer(_finer(found, step).T, step).T if step > 1 else found


def _finer(rows: Floats, step: int) -> Floats:
    """Interpolate between rows."""
    fine = np.empty(((len(rows) - 1) * step + 1, rows.shape[1]), rows.dtype)
    fine[::step] = rows
    for between in range(1, step):
        part = rows.dtype.type(between / step)
        fine[between::step] = rows[:-1] + part * (rows[1:] - rows[:-1])
    return fine
