"""Slices for the browser: HU as grey PNG and as they are, heat maps as transparent overlays."""

import gzip
import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.artifact import BLOOD_MAP
from model.windowing import Window, grey_lookup

HEAT_COLOUR = (255, 150, 30)
"""Orange: told from grey by colour-blind readers, and nothing on the page is blood red."""


def hu_gzip(hu: NDArray[np.int16]) -> bytes:
    """The slice as it is: 16-bit little-endian, row after row, gzip at its fastest.

    Differences between neighbours, bytes apart, took as long and were a third smaller (a GE head:
    148 instead of 224 KiB); undoing them in the browser is not worth it inside a hospital.

    Parameters
    ----------
    hu
        int16 [rows, columns], HU.
    """
    return gzip.compress(hu.astype("<i2").tobytes(), compresslevel=1, mtime=0)


def window_png(hu: NDArray[np.int16], window: Window) -> bytes:
    """The slice as an 8-bit grey PNG.

    Parameters
    ----------
    hu
        int16 [rows, columns], HU.
    window
        What is black and what is white.
    """
    grey = grey_lookup(window).take(np.ascontiguousarray(hu).view(np.uint16))
    return _png(Image.fromarray(grey))


def heat_png(heat: NDArray[np.floating], full: float, rows: int, columns: int) -> bytes:
    """A heat map as a transparent overlay of the slice's size.

    Parameters
    ----------
    heat
        float [h, w], any range; what is not positive stays clear.
    full
        What is drawn opaque; `full_heat` gives one for a series. The page lets the slice through.
    rows, columns
        Size of the slice. The network saw it padded to a square, so the map is cut accordingly.
    """
    side = max(rows, columns)
    share = np.clip(np.asarray(heat, dtype=np.float32) / full, 0, 1)
    square = Image.fromarray(share).resize((side, side), Image.Resampling.BICUBIC)
    top, left = (side - rows) // 2, (side - columns) // 2
    alpha = np.clip(np.asarray(square)[top : top + rows, left : left + columns], 0, 1)
    overlay = np.empty((rows, columns, 4), dtype=np.uint8)
    overlay[..., :3] = HEAT_COLOUR
    overlay[..., 3] = np.rint(alpha * 255)
    return _png(Image.fromarray(overlay, "RGBA"))


LEAST_FULL_HEAT = 4.0
"""Logits; noise in a series without any finding must not be drawn as if it were one."""


def full_heat(heat: NDArray[np.floating], kind: str) -> float:
    """The scale of a series' maps, float [slices, h, w]: one for all, so that slices compare.

    A blood map is a probability: its scale is that of every series.
    """
    if kind == BLOOD_MAP:
        return 1.0
    return max(LEAST_FULL_HEAT, float(heat.max()))


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Run lengths alone, after PNG's own filters, make slices smaller in a third of the time that
    # the default takes.
    picture.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()
