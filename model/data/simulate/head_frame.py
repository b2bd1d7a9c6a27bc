"""Left and right, front and back, high and low: a head's own coordinates, fitted to a series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.grid import Grid

USUAL_LENGTH_MM: Final = 165.0
"""From the frontal to the occipital inner table of an adult."""
_WIDEST_BELOW_VERTEX_MM: Final = 68.0
_ANGLES: Final = np.arange(-36.0, 36.1, 2.0)
_SIDE: Final = 72
_FIELD_MM: Final = 216.0

_Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class HeadFrame:
    """A head's plane of symmetry, middle and vertex, in mm of the series.

    Parameters
    ----------
    x_mm, x_per_y, x_per_z
        The plane of symmetry: x = x_mm + x_per_y * y + x_per_z * z.
    middle_v_mm
        Middle between frontal and occipital inner table, along the plane.
    vertex_mm
        z of the highest point of the inner table.
    scale
        Length of this head over that of a usual one: multiplies lengths given for adults.
    """

    x_mm: float
    x_per_y: float
    x_per_z: float
    middle_v_mm: float
    vertex_mm: float
    scale: float

    def across(self, x: _Floats, y: _Floats, z: float) -> _Floats:
        """Distance from the plane of symmetry in mm, positive to the image's right."""
        straight = np.sqrt(1 + self.x_per_y**2)
        middle = self.x_mm + self.x_per_z * z
        return np.asarray((x - np.float32(middle) - np.float32(self.x_per_y) * y) / straight)

    def across_of(self, x: float, y: float, z: float) -> float:
        """Distance of one point from the plane of symmetry."""
        return float(self.across(np.array([x]), np.array([y]), z)[0])

    def along(self, x: _Floats, y: _Floats) -> _Floats:
        """Distance behind the middle in mm, negative in front of it."""
        straight = np.sqrt(1 + self.x_per_y**2)
        return np.asarray((y + np.float32(self.x_per_y) * x) / straight - self.middle_v_mm)

    def below_vertex(self, z: float) -> float:
        """Distance below the vertex in mm of a usual head (of a usual height)."""
        return (self.vertex_mm - z) / self.scale

    def point(self, across: float, along: float, below: float) -> tuple[float, float, float]:
        """Return x, y, z in mm of the series of a place given for a usual head."""
        u, v = across * self.scale, along * self.scale + self.middle_v_mm
        z = self.vertex_mm - below * self.scale
        straight = np.sqrt(1 + self.x_per_y**2)
        middle = self.x_mm + self.x_per_z * z
        # u = (x - m - k y) / s and v = (y + k x) / s, solved for x and y.
        k = self.x_per_y
        first, second = u * straight + middle, v * straight
        y = (second - k * first) / (1 + k * k)
        return float(first + k * y), float(y), float(z)

    def directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Unit vectors (x, y) to the image's right across, and to the back along."""
        straight = np.sqrt(1 + self.x_per_y**2)
        k = self.x_per_y
        return np.array([1.0, -k]) / straight, np.array([k, 1.0]) / straight


def fit_frame(
    depths: Sequence[_Floats], tissues: Sequence[_Floats], grids: Sequence[Grid], areas: _Floats
) -> HeadFrame:
    """Fit the frame to the shape of the skull and to what lies in it.

    Parameters
    ----------
    depths
        float32[H, W] each: distance from the inner table in mm; ascending to the vertex.
    tissues
        float32[H, W] each: smoothed HU less the brain's, 0 outside; fluid and falx tell the middle.
    grids
        Of the same slices.
    areas
        float32[S], cm2 within the inner table; slices with less than half of the largest one do
        not decide on the symmetry.
    """
    large = [int(i) for i in np.flatnonzero(areas > 0.5 * areas.max())]
    found = np.array([_axis(depths[i], tissues[i], grids[i]) for i in large])
    slope = float(np.median(found[:, 0]))
    z = np.array([grids[i].z_mm for i in large])
    # x of the axis at the height (y) of the slice's middle, carried back to y = 0.
    at_zero = found[:, 1] - slope * found[:, 2]
    tilt, offset = _robust_line(z, at_zero)
    widest = int(np.argmax(areas))
    v_low, v_high = _extent(depths[widest], grids[widest], slope)
    scale = float(np.clip((v_high - v_low) / USUAL_LENGTH_MM, 0.6, 1.3))
    return HeadFrame(offset, slope, tilt, (v_low + v_high) / 2, _vertex(grids, areas, scale), scale)


def _vertex(grids: Sequence[Grid], areas: _Floats, scale: float) -> float:
    seen = np.flatnonzero(areas > 0)
    top = int(seen[-1])
    if areas[top] < 0.45 * areas.max():
        # A dome: area falls linearly to nothing.
        below = areas[seen[-2]] if len(seen) > 1 else areas[top]
        step = grids[top].z_mm - grids[int(seen[-2])].z_mm if len(seen) > 1 else 5.0
        fall = max(float(below - areas[top]), 1e-3)
        return grids[top].z_mm + min(step * float(areas[top]) / fall, step)
    return grids[int(np.argmax(areas))].z_mm + _WIDEST_BELOW_VERTEX_MM * scale


def _axis(depth: _Floats, tissue: _Floats, grid: Grid) -> tuple[float, float, float]:
    """Find the mirror line of one slice: slope dx/dy, and a point x, y on it (mm)."""
    rows, columns = np.nonzero(depth > 0)
    y0 = grid.top_mm + grid.pixel_mm * float(rows.min() + rows.max()) / 2
    x0 = grid.left_mm + grid.pixel_mm * float(columns.min() + columns.max()) / 2
    steps = (np.arange(_SIDE) - (_SIDE - 1) / 2) * (_FIELD_MM / _SIDE)
    yy, xx = np.meshgrid(steps, steps, indexing="ij")
    shape = np.minimum(depth, 35.0) / 35
    inner = np.clip(tissue, -20, 12) / 8 * np.clip((depth - 6) / 6, 0, 1)
    best = (-1.0, 0.0, 0.0)
    for angle in np.deg2rad(_ANGLES):
        cos, sin = np.cos(angle), np.sin(angle)
        x = x0 + xx * cos + yy * sin
        y = y0 - xx * sin + yy * cos
        places = [(y - grid.top_mm) / grid.pixel_mm, (x - grid.left_mm) / grid.pixel_mm]
        match = np.zeros(2 * _SIDE)
        for layer in (shape, inner):
            turned = ndimage.map_coordinates(layer, places, order=1)
            spectrum = np.fft.rfft(turned, 2 * _SIDE, axis=1)
            # The correlation with the own mirror image: the square of the spectrum.
            own = np.fft.irfft((spectrum * spectrum).sum(axis=0), 2 * _SIDE)
            match += own / max(float((turned**2).sum()), 1.0)
        score = float(match.max())
        if score > best[0]:
            shift = (float(np.argmax(match)) - (_SIDE - 1)) / 2 * (_FIELD_MM / _SIDE)
            best = (score, float(angle), shift)
    _, angle, shift = best
    return float(np.tan(angle)), x0 + shift * np.cos(angle), y0 - shift * np.sin(angle)


def _robust_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a line by the median of the slopes of all pairs (Theil-Sen)."""
    if len(x) < 3:
        return 0.0, float(np.median(y))
    first, second = np.triu_indices(len(x), 1)
    far = np.abs(x[second] - x[first]) > 1e-3
    slopes = (y[second] - y[first])[far] / (x[second] - x[first])[far]
    slope = float(np.clip(np.median(slopes), -0.35, 0.35)) if len(slopes) else 0.0
    return slope, float(np.median(y - slope * x))


def _extent(depth: _Floats, grid: Grid, slope: float) -> tuple[float, float]:
    rows, columns = np.nonzero(depth > 0)
    y = grid.top_mm + grid.pixel_mm * rows
    x = grid.left_mm + grid.pixel_mm * columns
    v = (y + slope * x) / np.sqrt(1 + slope**2)
    return float(v.min()), float(v.max())
