"""The inner table of the skull in a direction from the head's middle."""

from typing import Final

import numpy as np

from model.data.simulate.box import Box
from model.data.simulate.slice_view import SliceView

_FACE_BELOW: Final = 62.0
"""mm of a usual head below the vertex."""
_FACE_ANGLE: Final = 0.95
"""Radians from the front."""


def over_face(view: SliceView, angle: float) -> bool:
    """Whether frontal sinus, orbit or nose lie outside the inner table in this direction."""
    return bool(view.below > _FACE_BELOW and abs(angle) < _FACE_ANGLE)


def table_point(
    view: SliceView, angle: float
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Find the inner table in a direction from the head's middle.

    Returns
    -------
    x, y of the point, and the unit vector (x, y) into the head; None where no brain lies there.
    """
    right, back = view.frame.directions()
    direction = np.sin(angle) * right - np.cos(angle) * back
    middle_x, middle_y, _ = view.frame.point(0, 0, view.below)
    steps = np.arange(110.0 * view.frame.scale, 4.0, -0.5)
    columns = ((middle_x + direction[0] * steps - view.grid.left_mm) / view.grid.pixel_mm).astype(
        int
    )
    rows = ((middle_y + direction[1] * steps - view.grid.top_mm) / view.grid.pixel_mm).astype(int)
    height, width = view.hu.shape
    valid = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    hit = valid & view.inside[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    if not hit.any():
        return None
    first = int(np.argmax(hit))
    # A few mm further in, the direction away from the bone is steadier.
    at = min(first + 10, len(steps) - 1)
    row, column = int(rows[at].clip(0, height - 1)), int(columns[at].clip(0, width - 1))
    down, aside, _ = view.inward(Box(row, row + 1, column, column + 1))
    nx, ny = float(aside[0, 0]), float(down[0, 0])
    nx, ny = nx - float(direction[0]), ny - float(direction[1])
    length = np.hypot(nx, ny)
    if length < 0.5:
        return None
    x = middle_x + direction[0] * steps[first]
    y = middle_y + direction[1] * steps[first]
    return (float(x), float(y)), (float(nx / length), float(ny / length))
