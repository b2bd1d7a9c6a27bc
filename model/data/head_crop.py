"""Find the head in a slice and cut the square around it, at the size the cache keeps."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from model.windowing import HU_MIN

BODY_HU: Final = -300
"""Above: skin, fat, brain, bone; below: air, foam, most of a head rest."""

MARGIN: Final = 0.04
"""Kept around the head on each side, as a share of its longer side."""

LEAST_SHARE: Final = 0.25
"""The box is at least this share of the field wide: the last slice of a vertex is not blown up."""

_REDUCTION: Final = 4


@dataclass(frozen=True)
class Box:
    """A square in a slice that was padded to a square; all in pixels of the original slice."""

    top: int
    left: int
    side: int


def square_slice(hu: NDArray[np.int16]) -> NDArray[np.int16]:
    """Pad int16[H, W] with air to int16[N, N], as `model.preprocess.pad_to_square` does."""
    height, width = hu.shape
    size = max(height, width)
    top, left = (size - height) // 2, (size - width) // 2
    sides = ((top, size - height - top), (left, size - width - left))
    return np.pad(hu, sides, constant_values=HU_MIN)


def head_box(square: NDArray[np.int16]) -> Box:
    """Find the square around the largest connected piece of body, with a margin.

    Parameters
    ----------
    square
        int16[N, N], Hounsfield units.

    Returns
    -------
    A box that lies inside the slice; the whole slice where there is no body at all.
    """
    size = len(square)
    body = square[::_REDUCTION, ::_REDUCTION] > BODY_HU
    pieces, count = ndimage.label(body)
    if count == 0:
        return Box(0, 0, size)
    largest = int(np.bincount(pieces.ravel())[1:].argmax())
    rows, columns = ndimage.find_objects(pieces)[largest]
    height, width = (_REDUCTION * (span.stop - span.start) for span in (rows, columns))
    wanted = max((1 + 2 * MARGIN) * max(height, width), LEAST_SHARE * size)
    side = min(int(np.ceil(wanted)), size)
    top, left = (
        min(max(_REDUCTION * (span.start + span.stop) // 2 - side // 2, 0), size - side)
        for span in (rows, columns)
    )
    return Box(top, left, side)


def resize_slice(hu: NDArray[np.int16], size: int) -> NDArray[np.int16]:
    """Resize int16[N, N] to int16[size, size], antialiased (as torch's bilinear, antialias=True).

    Half a HU of rounding is the only loss against floating point.
    """
    if len(hu) == size:
        return hu
    picture = Image.fromarray(hu.astype(np.float32))
    resized = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    rounded: NDArray[np.int16] = np.rint(resized).astype(np.int16)
    return rounded
