"""Parts of a slice: boxes of pixels, and values known over one box at the pixels of another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Box:
    """A part of a slice: rows top..bottom-1, columns left..right-1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Index of the part in an array of the slice."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def inner(self, part: tuple[slice, slice]) -> "Box":
        """Cut rows and columns, counted within this box, out of it."""
        rows, columns = part
        return Box(
            self.top + rows.start,
            self.top + rows.stop,
            self.left + columns.start,
            self.left + columns.stop,
        )


def where_any(amount: _Floats, least: float) -> tuple[slice, slice]:
    """Rows and columns in which anything is at least `least`."""
    rows, columns = (np.flatnonzero((amount >= least).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def within(values: _Floats, outer: Box, box: Box) -> _Floats:
    """Values known over the box `outer`, at the pixels of `box`; 0 elsewhere."""
    out = np.zeros((box.bottom - box.top, box.right - box.left), np.float32)
    top, left = max(box.top, outer.top), max(box.left, outer.left)
    bottom, right = min(box.bottom, outer.bottom), min(box.right, outer.right)
    if bottom > top and right > left:
        out[top - box.top : bottom - box.top, left - box.left : right - box.left] = values[
            top - outer.top : bottom - outer.top, left - outer.left : right - outer.left
        ]
    return out


def twice(small: _Floats) -> _Floats:
    """Enlarge to twice the size, linearly: every second row and column keeps its values."""
    height, width = small.shape
    rows = np.empty((2 * height, width), np.float32)
    rows[::2] = small
    rows[1:-1:2] = (small[:-1] + small[1:]) / 2
    rows[-1] = small[-1]
    large = np.empty((2 * height, 2 * width), np.float32)
    large[:, ::2] = rows
    large[:, 1:-1:2] = (rows[:, :-1] + rows[:, 1:]) / 2
    large[:, -1] = rows[:, -1]
    return large
