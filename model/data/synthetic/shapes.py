"""Distances from simple shapes, from which the anatomy is put together.

A distance is in mm, positive within the shape. Lengths are those of a usual adult's head: x to the
left, y to the back, z to the vertex, from the middle of the head at the height of the third
ventricle; the highest point of the inner table is at z = 75, the foramen magnum at z = -55.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Point = tuple[float, float, float]


Box = tuple[float, tuple[float, float], tuple[float, float]]
"""How far to either side, from front to back, and from below to above."""
Window = tuple[slice, slice]

STRIDE: Final = 4
"""Planes have a multiple of this many points and one more, so that every so many span them."""


def window(few: NDArray[np.bool_]) -> Window | None:
    """Find the part of a plane around what is set in every `STRIDE`-th point, with a margin."""
    rows, columns = np.flatnonzero(few.any(axis=1)), np.flatnonzero(few.any(axis=0))
    if not len(rows):
        return None
    ends = [
        (max(int(one[0]) - 1, 0), min(int(one[-1]) + 1, size - 1))
        for one, size in zip((rows, columns), few.shape, strict=True)
    ]
    (top, bottom), (left, right) = ends
    return (
        slice(STRIDE * top, STRIDE * bottom + 1),
        slice(STRIDE * left, STRIDE * right + 1),
    )


@dataclass(frozen=True)
class Places:
    """Where the H x W points of a plane lie in the head.

    Parameters
    ----------
    x, y, z
        float32[H, W], mm of a usual head.
    step_mm
        Distance of the points: what is finer is blurred.
    """

    x: Floats
    y: Floats
    z: Floats
    step_mm: float

    @cached_property
    def aside(self) -> Floats:
        """Distance from the plane of symmetry, so that left and right are made at once."""
        return np.abs(self.x)

    def near(self, aside: float, y: tuple[float, float], z: tuple[float, float]) -> Window | None:
        """Find the part of the plane that lies in a box of the head; None where none does."""
        few = (slice(None, None, STRIDE),) * 2
        x_few, y_few, z_few = self.aside[few], self.y[few], self.z[few]
        there = (x_few < aside) & (y_few > y[0]) & (y_few < y[1]) & (z_few > z[0]) & (z_few < z[1])
        return window(there)

    def cut(self, part: Window) -> "Places":
        """Keep a part of the plane."""
        return Places(self.x[part], self.y[part], self.z[part], self.step_mm)

    def share(self, distance: Floats) -> Floats:
        """Share of each point's surroundings that lies within a shape, 0..1."""
        return np.asarray(np.clip(distance * np.float32(1 / self.step_mm) + 0.5, 0, 1))


def paint(hu: Floats, share: Floats, tissue_hu: Floats | float) -> None:
    """Put a tissue in the place of a share of what is there."""
    hu += share * (tissue_hu - hu)


def ellipsoid(x: Floats, y: Floats, z: Floats, middle: Point, half: Point) -> Floats:
    """Distance from an ellipsoid's surface, good near it: k0 (1 - k0) / k1 (Quilez)."""
    u, v, w = (x - middle[0]) / half[0], (y - middle[1]) / half[1], (z - middle[2]) / half[2]
    near = np.sqrt(u * u + v * v + w * w)
    u, v, w = u / half[0], v / half[1], w / half[2]
    slope = np.sqrt(u * u + v * v + w * w) + np.float32(1e-6)
    return np.asarray(near * (1 - near) / slope)


def tube(x: Floats, y: Floats, z: Floats, line: Sequence[tuple[float, ...]]) -> Floats:
    """Distance from a tube along points (x, y, z, radius)."""
    best = np.full(x.shape, -1e3, np.float32)
    for (x0, y0, z0, r0), (x1, y1, z1, r1) in pairwise(line):
        dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
        px, py, pz = x - x0, y - y0, z - z0
        part = np.clip((px * dx + py * dy + pz * dz) / (dx * dx + dy * dy + dz * dz), 0, 1)
        px, py, pz = px - part * dx, py - part * dy, pz - part * dz
        far = np.sqrt(px * px + py * py + pz * pz)
        np.maximum(best, r0 + part * (r1 - r0) - far, out=best)
    return best


def rise(values: Floats) -> Floats:
    """Smooth step from 0 (at -1) to 1 (at 1)."""
    part = np.clip(values * np.float32(0.5) + np.float32(0.5), 0, 1)
    return np.asarray(part * part * (3 - 2 * part))


def hump(values: Floats) -> Floats:
    """Smooth hump: 1 at 0, 0 from 1 on."""
    left = np.clip(1 - values * values, 0, 1)
    return np.asarray(left * left)
