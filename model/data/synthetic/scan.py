"""A scan of a synthetic head: where its slices lie, what they average, and the scanner's noise."""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from model.data.simulate.grid import Grid
from model.data.synthetic.brain import paint_brain
from model.data.synthetic.face import paint_face
from model.data.synthetic.head import Head
from model.data.synthetic.shapes import STRIDE, Floats, Places, Window
from model.data.synthetic.skull import cavity, find_head, paint_skull
from model.data.synthetic.texture import texture

_AIR_HU: Final = -1000.0
_MIDDLE_MM: Final = 13.0
"""Of the head from the foramen magnum to the scalp, above the third ventricle."""
_FINEST_MM: Final = 0.8
"""Structures are as sharp as a soft kernel leaves them; only noise is drawn at every pixel."""
_LEVEL_MM: Final = 2.0
"""Planes that a slice averages are so far apart, or as far as points in the plane are."""
_BLUR_MM: Final = 0.45
_NOISE_HU: Final = 3.0
"""In the middle of a head, in slices of 5 mm, with pixels of 0.45 mm."""


@dataclass(frozen=True)
class Scan:
    """How a head is scanned; lengths in mm, the gantry's tilt in degrees."""

    n_slices: int = 28
    spacing_mm: float = 5.0
    thickness_mm: float = 5.0
    pixels: int = 512
    field_mm: float = 240.0
    tilt_degrees: float = 0.0
    noise_hu: float = _NOISE_HU

    @property
    def pixel_mm(self) -> float:
        """Distance of pixels."""
        return self.field_mm / self.pixels

    @property
    def column_direction(self) -> tuple[float, float, float]:
        """Direction down the image; a tilted gantry turns it about the left-right axis."""
        tilt = math.radians(self.tilt_degrees)
        return (0.0, math.cos(tilt), -math.sin(tilt))

    def table_mm(self, index: int) -> float:
        """Where the middle of slice `index` lies along the table, which moves along z."""
        return _MIDDLE_MM + (index - (self.n_slices - 1) / 2) * self.spacing_mm

    def position_mm(self, index: int) -> tuple[float, float, float]:
        """Return the center of the first pixel of slice `index`."""
        half = (self.field_mm - self.pixel_mm) / 2
        _, down_y, down_z = self.column_direction
        return (-half, -half * down_y, self.table_mm(index) - half * down_z)

    @property
    def finer(self) -> int:
        """Pixels from one point at which anatomy is made to the next."""
        return max(round(_FINEST_MM / self.pixel_mm), 1)

    def coarse_grid(self, index: int) -> Grid:
        """Where the points of slice `index` lie at which anatomy is made."""
        return replace(self.grid(index), pixel_mm=self.pixel_mm * self.finer)

    def grid(self, index: int) -> Grid:
        """Where the pixels of slice `index` lie, in the axes of its plane and its normal."""
        half = (self.field_mm - self.pixel_mm) / 2
        tilt, z = math.radians(self.tilt_degrees), self.table_mm(index)
        return Grid(-half, -half - z * math.sin(tilt), self.pixel_mm, z * math.cos(tilt))


def clean_slice(head: Head, scan: Scan, index: int) -> NDArray[np.float32]:
    """Make one slice of a head without bleeding, as it is before the scanner's noise.

    Parameters
    ----------
    head, scan
        What is scanned, and how.
    index
        0 (neck side) to ``n_slices - 1`` (vertex side).

    Returns
    -------
    float32[n, n], in HU, at the points of `scan.coarse_grid(index)`.
    """
    grid = scan.coarse_grid(index)
    points = STRIDE * math.ceil(scan.pixels / scan.finer / STRIDE) + 1
    count = math.ceil(scan.thickness_mm / max(_LEVEL_MM, grid.pixel_mm))
    total = np.zeros((points, points), np.float32)
    for level in range(count):
        z_mm = grid.z_mm + ((level + 0.5) / count - 0.5) * scan.thickness_mm
        total += _plane(head, replace(grid, z_mm=z_mm), points)
    return np.asarray(ndimage.gaussian_filter(total / count, _BLUR_MM / grid.pixel_mm))


def record(clean: NDArray[np.float32], scan: Scan, seed: tuple[int, ...]) -> NDArray[np.int16]:
    """Show a clean slice at every pixel, with noise: int16[pixels, pixels], in HU, from -1024."""
    rows = _interpolated(clean, scan.finer, scan.pixels)
    full = _interpolated(rows.T, scan.finer, scan.pixels).T
    # In air, the scanner's noise is cut off at the lowest value it stores.
    noise = _noise(scan, np.random.default_rng(seed)) * np.clip((full + 1000) / 700, 0.15, 1)
    return np.rint(full + noise).clip(-1024, 3071).astype(np.int16)


def _plane(head: Head, grid: Grid, points: int) -> Floats:
    """Make a plane of so many points a side, without noise or thickness."""
    hu = np.full((points, points), _AIR_HU, np.float32)
    few = replace(grid, pixel_mm=grid.pixel_mm * STRIDE)
    size = points // STRIDE + 1
    part = find_head(_places(head, few, (slice(0, size), slice(0, size)), 1), head)
    if part is None:
        return hu
    at = _places(head, grid, part, STRIDE)
    inner = cavity(at, head)
    paint_skull(hu[part], at, inner, head)
    paint_face(hu[part], at, inner, head)
    paint_brain(hu[part], at, inner, head)
    return hu


def _places(head: Head, grid: Grid, part: Window, step: int) -> Places:
    """Find where a plane's points lie in the head; what is uneven is sampled at every `step`."""
    rows, columns = part
    u = grid.x_mm(columns.start, columns.stop) - head.shift_mm[0]
    v = grid.y_mm(rows.start, rows.stop) - head.shift_mm[1]
    turn = _rotation(head).tolist()
    x, y, z = (
        np.asarray(to_x * u + to_y * v + to_z * grid.z_mm, np.float32) for to_x, to_y, to_z in turn
    )
    stray = [texture("smooth", (x, y, z), 110.0, (head.seed, 1 + axis), step) for axis in range(3)]
    x, y, z = (one + head.uneven_mm * off for one, off in zip((x, y, z), stray, strict=True))
    return Places(x / head.width, y / head.length, z / head.height, grid.pixel_mm)


def _rotation(head: Head) -> NDArray[np.float64]:
    """From the scanner's axes to the head's: pitch after roll after turn."""
    turn, roll, pitch = (math.radians(one) for one in (head.turn, head.roll, head.pitch))
    about_z = [[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]]
    about_y = [[math.cos(roll), 0, math.sin(roll)], [0, 1, 0], [-math.sin(roll), 0, math.cos(roll)]]
    about_x = [
        [1, 0, 0],
        [0, math.cos(pitch), math.sin(pitch)],
        [0, -math.sin(pitch), math.cos(pitch)],
    ]
    return np.asarray(np.array(about_x) @ np.array(about_y) @ np.array(about_z))


def _interpolated(rows: Floats, step: int, wanted: int) -> Floats:
    """Interpolate between rows until so many are there."""
    places = np.arange(wanted, dtype=np.float32) / step
    low = places.astype(np.int64)
    part = (places - low)[:, None]
    return np.asarray(rows[low] * (1 - part) + rows[np.minimum(low + 1, len(rows) - 1)] * part)


@cache
def _grain(pixels: int, pixel_mm: float) -> NDArray[np.float32]:
    """Amplitude of the noise by frequency: rising as a ramp, cut off as by a soft kernel."""
    down = fft.fftfreq(pixels, pixel_mm)[:, None]
    across = fft.rfftfreq(pixels, pixel_mm)[None, :]
    frequency = np.hypot(down, across)
    amplitude = np.sqrt(frequency + 0.03) * np.exp(-((frequency / 0.45) ** 2))
    return np.asarray(amplitude, np.float32)


def _noise(scan: Scan, rng: np.random.Generator) -> Floats:
    """Noise of the scanner's deviation and grain, float32[pixels, pixels]."""
    white = rng.standard_normal((scan.pixels, scan.pixels), np.float32)
    made = fft.irfft2(fft.rfft2(white) * _grain(scan.pixels, scan.pixel_mm), s=white.shape)
    deviation = scan.noise_hu * math.sqrt(5 / scan.thickness_mm)
    return np.asarray(made * (deviation / max(float(made.std()), 1e-6)), np.float32)
