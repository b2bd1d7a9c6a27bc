"""Slices into a series: their order along the head, their distances, and what is odd about them."""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

_THICK_MM: Final = 5.5
"""Slices of 5 mm are routine; above it thin bleeding begins to vanish in partial volume."""
_TILT_DEGREES: Final = 1.0
_SAME_PLACE_MM: Final = 0.01
_GAP_FACTOR: Final = 1.5
_UNEVEN_FRACTION: Final = 0.1
_FEW_SLICES: Final = 10
_ASSUMED_SPACING_MM: Final = 5.0
_LEAST_NORMAL: Final = 0.9
"""The length of the rows' and columns' cross product; perpendicular unit vectors have 1."""
_SAME_ORIENTATION_COSINE: Final = 0.9994
"""Two degrees."""


class SlicePlacement(Protocol):
    """What places a slice; `CTSlice` has it, and so has a row of a database."""

    @property
    def position_mm(self) -> tuple[float, float, float] | None: ...
    @property
    def orientation(self) -> tuple[float, ...] | None: ...
    @property
    def instance_number(self) -> int | None: ...
    @property
    def slice_thickness_mm(self) -> float | None: ...


@dataclass(frozen=True)
class SeriesGeometry:
    """The slices of a series in order from the neck upward.

    `order` indexes the slices as they were given. `z_mm`, float32[S], ascends along `order` from
    any origin, in millimetres. `spacing_mm` is the median distance. `tilt_degrees` is the angle
    between the slices' normal and the direction in which they are stacked: the gantry's tilt.
    `warnings` are sentences for the reader.
    """

    order: list[int]
    z_mm: NDArray[np.float32]
    spacing_mm: float
    tilt_degrees: float
    warnings: tuple[str, ...]


def order_slices(slices: Sequence[SlicePlacement]) -> SeriesGeometry:
    """Order slices by their position along the normal (PS3.3 C.7.6.2.1.1).

    Where a position or orientation is missing, or slices face different ways, instance numbers
    decide, and a warning says so.

    Parameters
    ----------
    slices
        At least one slice of one series, in any order.

    Raises
    ------
    ValueError
        There is no slice.
    """
    if not slices:
        raise ValueError("no slices to order")
    thickness = _median_thickness(slices)
    placed = _positions_and_normal(slices)
    if isinstance(placed, str):
        order, z_mm, tilt, warnings = _by_instance_number(slices, thickness, placed)
    else:
        positions, normal = placed
        along = positions @ normal
        order = sorted(range(len(slices)), key=lambda i: (along[i], slices[i].instance_number or 0))
        z_mm = along[order]
        tilt = _tilt_degrees(positions[order], normal)
        warnings = _distance_warnings(z_mm, thickness)
    if tilt > _TILT_DEGREES:
        warnings.append(f"The gantry was tilted by {tilt:.1f} degrees.")
    if thickness is not None and thickness > _THICK_MM:
        warnings.append(f"The slices are thick ({thickness:g} mm); thin bleeding may be lost.")
    if len(slices) < _FEW_SLICES:
        warnings.append(f"Only {_count(len(slices))} given; the rest of the head was not analysed.")
    spacing = float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else thickness or 0.0
    z_from_zero = (z_mm - z_mm[0]).astype(np.float32)
    return SeriesGeometry(order, z_from_zero, spacing, tilt, tuple(warnings))


def position_along_normal_mm(placement: SlicePlacement) -> float:
    """Place one slice along its own normal, upward (PS3.3 C.7.6.2.1.1).

    Slices of a series may be ordered by it, wherever they are read. Also a tilted gantry's slices
    are: they share one normal.

    Returns
    -------
    Millimetres from the origin of the patient's coordinates; nan where position or orientation are
    absent or impossible.
    """
    if placement.position_mm is None or placement.orientation is None:
        return math.nan
    normal = _normal_upward(tuple(placement.orientation))
    return math.nan if normal is None else sum(map(operator.mul, normal, placement.position_mm))


@lru_cache(maxsize=64)
def _normal_upward(orientation: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return the unit normal upward, which a series' slices share; None if there is none."""
    axes = np.array(orientation, np.float64)
    normal = np.cross(axes[:3], axes[3:])
    length = float(np.linalg.norm(normal))
    if length < _LEAST_NORMAL:
        return None
    return tuple(_upward(normal / length).tolist())


def _count(n_slices: int) -> str:
    return "1 slice was" if n_slices == 1 else f"{n_slices} slices were"


def _median_thickness(slices: Sequence[SlicePlacement]) -> float | None:
    known = [s.slice_thickness_mm for s in slices if s.slice_thickness_mm is not None]
    return float(np.median(known)) if known else None


def _positions_and_normal(
    slices: Sequence[SlicePlacement],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | str:
    """Return positions [S, 3] in mm and the unit normal upward, or why there are none."""
    positions = [s.position_mm for s in slices]
    orientations = [s.orientation for s in slices]
    if any(p is None for p in positions) or any(o is None for o in orientations):
        return "Some slices do not state their position"
    axes = np.array(orientations, np.float64)
    normals = np.cross(axes[:, :3], axes[:, 3:])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    if lengths.min() < _LEAST_NORMAL:
        return "Some slices state an impossible orientation"
    normals /= lengths
    normal = np.median(normals, axis=0)
    normal /= np.linalg.norm(normal)
    if (normals @ normal).min() < _SAME_ORIENTATION_COSINE:
        return "The slices face different ways"
    return np.array(positions, np.float64), _upward(normal)


def _upward(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a normal so that its largest component points to the left, the back or the vertex."""
    return -normal if normal[np.argmax(np.abs(normal))] < 0 else normal


def _by_instance_number(
    slices: Sequence[SlicePlacement], thickness: float | None, why: str
) -> tuple[list[int], NDArray[np.float64], float, list[str]]:
    """Order by instance number, at an assumed distance."""
    numbers = [s.instance_number for s in slices]
    order = sorted(range(len(slices)), key=lambda i: (numbers[i] is None, numbers[i] or 0, i))
    spacing = thickness or _ASSUMED_SPACING_MM
    z_mm = np.arange(len(slices), dtype=np.float64) * spacing
    if len(slices) == 1:
        return order, z_mm, 0.0, []
    numbered = "as they were given" if None in numbers else "by instance number"
    warning = f"{why}; they were ordered {numbered}, at an assumed distance of {spacing:g} mm."
    return order, z_mm, 0.0, [warning]


def _tilt_degrees(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """Return the angle between the normal and the way from the first slice to the last."""
    way = positions[-1] - positions[0]
    length = float(np.linalg.norm(way))
    if length < _SAME_PLACE_MM:
        return 0.0
    return float(np.degrees(np.arccos(min(1.0, abs(float(way @ normal)) / length))))


def _distance_warnings(z_mm: NDArray[np.float64], thickness: float | None) -> list[str]:
    """Warn about slices at one place, missing slices and uneven distances."""
    if len(z_mm) < 2:
        return []
    steps = np.diff(z_mm)
    warnings = []
    n_same = int(np.count_nonzero(steps < _SAME_PLACE_MM))
    if n_same:
        warnings.append(
            f"{n_same + 1} slices or more lie at the same place; the series may be two."
        )
    apart = steps[steps >= _SAME_PLACE_MM]
    if not len(apart):
        return warnings
    median = float(np.median(apart))
    # Where thickness changes along the head, as with 4 mm below and 7 mm above, no tissue is
    # missing as long as the steps stay near the thickness.
    allowed = _GAP_FACTOR * max(median, thickness or 0.0)
    n_gaps = int(np.count_nonzero(apart > allowed))
    if n_gaps:
        warnings.append(
            f"Slices seem to be missing: {n_gaps} distances are larger than {allowed:.1f} mm, "
            f"the largest is {float(apart.max()):.1f} mm."
        )
    elif float(apart.max() - apart.min()) > _UNEVEN_FRACTION * median:
        warnings.append(
            f"The slices are unevenly spaced, {float(apart.min()):.1f} to "
            f"{float(apart.max()):.1f} mm apart."
        )
    return warnings
