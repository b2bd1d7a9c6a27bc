"""Where the pixels of a slice lie: one frame in mm for all slices of a series."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the demo study is made where pandas is not installed
    import pandas as pd

USUAL_PIXEL_MM = 0.35
"""A first guess for CT-ICH's 650 x 650 images, whose spacing is not recorded."""


@dataclass(frozen=True)
class Grid:
    """The pixels of one slice, in mm of its series: x to the image's right, y down.

    Parameters
    ----------
    left_mm, top_mm
        Center of the first pixel.
    pixel_mm
        Distance of pixels.
    z_mm
        Position along the slice normal, ascending to the vertex.
    """

    left_mm: float
    top_mm: float
    pixel_mm: float
    z_mm: float

    def x_mm(self, start: int, stop: int) -> NDArray[np.float32]:
        """Positions of the columns start..stop-1, float32[1, n]."""
        columns = np.arange(start, stop, dtype=np.float32)
        return (np.float32(self.left_mm) + columns * np.float32(self.pixel_mm))[None, :]

    def y_mm(self, start: int, stop: int) -> NDArray[np.float32]:
        """Positions of the rows start..stop-1, float32[n, 1]."""
        rows = np.arange(start, stop, dtype=np.float32)
        return (np.float32(self.top_mm) + rows * np.float32(self.pixel_mm))[:, None]

    def scaled(self, factor: float) -> "Grid":
        """Return the same pixels, where a mm in plane is `factor` mm."""
        return Grid(self.left_mm * factor, self.top_mm * factor, self.pixel_mm * factor, self.z_mm)


def common_grids(z_mm: NDArray[np.floating], pixel_mm: float) -> tuple[Grid, ...]:
    """Grids of a series whose slices lie exactly above one another."""
    return tuple(Grid(0.0, 0.0, pixel_mm, float(z)) for z in z_mm)


def cached_grids(frame: "pd.DataFrame", size: int) -> tuple[Grid, ...]:
    """Grids of cached slices (`CachedSet.frame`), each cut to its own head box and resized."""
    spacing = frame["spacing_row_mm"].fillna(USUAL_PIXEL_MM).to_numpy(np.float64)
    pixel = spacing * frame["box_side"].to_numpy(np.float64) / size
    left = frame["box_left"].to_numpy(np.float64) * spacing + pixel / 2
    top = frame["box_top"].to_numpy(np.float64) * spacing + pixel / 2
    z_mm = frame["z_mm"].to_numpy(np.float64)
    return tuple(Grid(*map(float, values)) for values in zip(left, top, pixel, z_mm, strict=True))
