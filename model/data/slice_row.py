"""What the cache keeps of one slice: the pixels at the cache's size, and a row of facts."""

import hashlib
import math
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.cached import WARNING_SEPARATOR
from model.data.dataset import SourceSlice
from model.data.head_crop import head_box, resize_slice, square_slice
from model.windowing import BRAIN, grey_lookup

BLANK_RANGE: Final = 60
"""Grey levels of 255 in the brain window: a slice with a smaller range carries no signal."""

_BRAIN_HU: Final = (0, 80)
_MOST_WINDOW: Final = 1e6

Row = dict[str, object]


def reduce_slice(source: SourceSlice, size: int) -> tuple[NDArray[np.int16], Row]:
    """Crop a slice to the head and describe it.

    Parameters
    ----------
    source
        The slice as its data set reads it.
    size
        Rows and columns of the cached slice.

    Returns
    -------
    hu
        int16[size, size], HU.
    row
        The columns of `slices.parquet`, but for `row` and the labels.
    """
    square = square_slice(source.hu)
    box = head_box(square)
    crop = square[box.top : box.top + box.side, box.left : box.left + box.side]
    reduced = np.ascontiguousarray(resize_slice(crop, size))
    spacing = source.pixel_spacing_mm or (math.nan, math.nan)
    thickness = source.slice_thickness_mm
    return reduced, {
        "name": source.name,
        "patient": source.patient,
        "study": source.study,
        "series": source.series,
        "z_mm": source.z_mm,
        "number": source.number,
        "pixel_hash": pixel_hash(source.hu),
        "rows": source.hu.shape[0],
        "columns": source.hu.shape[1],
        "spacing_row_mm": spacing[0],
        "spacing_column_mm": spacing[1],
        "thickness_mm": math.nan if thickness is None else thickness,
        "box_top": box.top,
        "box_left": box.left,
        "box_side": box.side,
        **_statistics(source.hu),
        "window_center": _first_number(source.attributes.get("WindowCenter", "")),
        "window_width": _first_number(source.attributes.get("WindowWidth", "")),
        "warnings": WARNING_SEPARATOR.join(source.warnings),
        "crc32": zlib.crc32(reduced.tobytes()),
    }


def pixel_hash(hu: NDArray[np.int16]) -> str:
    """Hash the shape and the HU of a slice (BLAKE2b, 32 hexadecimal digits)."""
    digest = hashlib.blake2b(repr(hu.shape).encode(), digest_size=16)
    digest.update(hu.astype("<i2").tobytes())
    return digest.hexdigest()


def _statistics(hu: NDArray[np.int16]) -> Row:
    lowest, highest = int(hu.min()), int(hu.max())
    # The window is monotone, so that its range over the slice is that of the two ends.
    grey = grey_lookup(BRAIN)[np.array([lowest, highest], np.int16).view(np.uint16)].astype(int)
    inside = (hu >= _BRAIN_HU[0]) & (hu <= _BRAIN_HU[1])
    return {
        "hu_min": lowest,
        "hu_max": highest,
        "hu_mean": float(hu.mean()),
        "brain_share": float(inside.mean()),
        "blank": bool(grey[1] - grey[0] < BLANK_RANGE),
    }


def _first_number(text: str) -> float:
    """The first of one or more values of a DICOM attribute; nan where there is none."""
    try:
        value = float(text.partition("\\")[0])
    except ValueError:
        return math.nan
    return value if abs(value) < _MOST_WINDOW else math.nan
