"""Gaps in the skull: fractures, linear or depressed, and the cuts of a craniotomy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot, noise_shift
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.lesion import Deposit, Lesion, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.scalp import outer_table, scalp_hematoma_at
from model.data.simulate.slice_view import SliceView
from model.data.simulate.table import over_face, table_point

_SOFT_HU: Final = 35.0
_BONE_HU: Final = 120.0
_BEYOND_MM: Final = 6.0
"""A displaced piece of bone carries so much of the scalp along."""

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Wall:
    """The skull about a point: distances along it and outward from the inner table, mm."""

    box: Box
    along: _Floats
    out: _Floats
    outward: tuple[float, float]
    thick_mm: float


def _wall(view: SliceView, angle: float, half_mm: float) -> _Wall | None:
    found = table_point(view, angle)
    if found is None:
        return None
    (x0, y0), (nx, ny) = found
    thick = outer_table(view, (x0, y0), (-nx, -ny))
    box = view.box(x0, y0, half_mm, half_mm)
    if thick is None or box is None:
        return None
    x, y = view.places(box)
    along = np.asarray((x - x0) * -ny + (y - y0) * nx, np.float32)
    out = np.asarray(-((x - x0) * nx + (y - y0) * ny), np.float32)
    return _Wall(box, along, out, (-nx, -ny), thick)


def _cut(view: SliceView, wall: _Wall, beside: _Floats, width_mm: float) -> _Floats:
    """Share of the pixels that a slit takes; sharp, as bone is."""
    step = np.float32(view.grid.pixel_mm)
    slit = np.clip(0.5 + (np.float32(width_mm / 2) - np.abs(beside)) / step, 0, 1)
    near = (wall.out > -3) & (wall.out < wall.thick_mm + 2.5)
    return np.asarray(slit * near, np.float32)


@dataclass(frozen=True)
class Fracture(Still):
    """A line through the skull, or a piece that is pressed in between two lines.

    Linear and depressed fractures, and their margins: Osborn's Brain. Sutures have dense margins,
    fractures have none.

    Parameters
    ----------
    angle, lean
        Where, radians from the front; how far the line goes on for each mm upward.
    oblique
        mm along the skull for each mm through it.
    width_mm
        Of a line.
    half_piece_mm
        Half the length of the piece between two lines; 0 for one line.
    step_mm
        How far bone on one side of the line, or the piece, lies deeper.
    """

    angle: float
    z_mm: float
    half_height_mm: float
    lean: float
    oblique: float
    width_mm: float
    half_piece_mm: float
    step_mm: float
    seed: Spot
    kind: str = "fracture"

    def describe(self) -> str:
        form = "depressed " if self.half_piece_mm else "displaced " if self.step_mm else ""
        return f"{form}fracture, {self.width_mm:.1f} mm wide"

    def deposit(self, view: SliceView) -> Deposit | None:
        height = view.grid.z_mm - self.z_mm
        if abs(height) > self.half_height_mm or over_face(view, self.angle):
            return None
        wall = _wall(view, self.angle + self.lean * height, self.half_piece_mm + 24)
        if wall is None:
            return None
        x, y = view.places(wall.box)
        crooked = 0.7 * noise_plane(x, y, view.grid.z_mm, 6.0, self.seed)
        along = wall.along - self.oblique * wall.out + crooked
        before = view.hu[wall.box.part]
        hu = self._pressed(view, wall, along)
        beside = np.abs(np.abs(along) - self.half_piece_mm)
        slit = _cut(view, wall, beside, self.width_mm) * (hu > _BONE_HU)
        added = np.asarray(hu + slit * (_SOFT_HU - hu) - before, np.float32)
        if np.abs(added).max(initial=0) < 50:
            return None
        return Deposit(wall.box, np.zeros_like(added), added_hu=added)

    def _pressed(self, view: SliceView, wall: _Wall, along: _Floats) -> _Floats:
        """HU after the piece, or one side of the line, was pressed in."""
        hu = np.asarray(view.hu[wall.box.part], np.float32)
        if not self.step_mm:
            return hu
        if self.half_piece_mm:
            reach = along / self.half_piece_mm
            deep = (0.6 + 0.4 * reach) * (np.abs(reach) < 1)
        else:
            deep = np.clip(1 - along / 14, 0, 1) * (along > 0)
        ends = np.clip((wall.thick_mm + _BEYOND_MM - wall.out) / _BEYOND_MM, 0, 1)
        ends = ends * np.clip((wall.out + 8) / 4, 0, 1)
        pixels = self.step_mm * deep * ends / view.grid.pixel_mm
        rows, columns = np.indices(hu.shape, np.float32)
        places = [rows + pixels * wall.outward[1], columns + pixels * wall.outward[0]]
        return np.asarray(ndimage.map_coordinates(hu, places, order=1, mode="nearest"), np.float32)


@dataclass(frozen=True)
class Craniotomy(Still):
    """Two saw cuts through the skull."""

    angles: tuple[float, float]
    z_mm: float
    half_height_mm: float
    width_mm: float
    kind: str = "craniotomy"

    def describe(self) -> str:
        return f"craniotomy, cuts of {self.width_mm:.1f} mm"

    def deposit(self, view: SliceView) -> Deposit | None:
        if abs(view.grid.z_mm - self.z_mm) > self.half_height_mm:
            return None
        whole = Box(0, view.hu.shape[0], 0, view.hu.shape[1])
        added = np.zeros(view.hu.shape, np.float32)
        for angle in self.angles:
            wall = _wall(view, angle, 24)
            if wall is None:
                continue
            hu = view.hu[wall.box.part]
            slit = _cut(view, wall, wall.along, self.width_mm) * (hu > _BONE_HU)
            added[wall.box.part] += slit * (_SOFT_HU - hu)
        if not added.any():
            return None
        return Deposit(whole, np.zeros_like(added), added_hu=added)


def bone_gap(frame: HeadFrame, rng: np.random.Generator) -> list[Lesion]:
    """Draw a craniotomy, or a fracture, most often with swelling of the scalp over it."""
    angle = float(rng.uniform(-2.8, 2.8))
    z = frame.point(0, 0, float(rng.uniform(20, 80)))[2]
    if rng.random() < 0.3:
        other = angle + float(rng.uniform(0.4, 0.9))
        height = float(rng.uniform(15, 30))
        return [Craniotomy((angle, other), z, height, float(rng.uniform(1.5, 3.5)))]
    over: list[Lesion] = [scalp_hematoma_at(angle, z, rng)] if rng.random() < 0.75 else []
    return [*over, fracture_at(angle, z, rng)]


def fracture_at(angle: float, z_mm: float, rng: np.random.Generator) -> Fracture:
    """Draw a fracture through a point of the skull: six in ten are a mere line."""
    form = rng.random()
    depressed = form > 0.82
    step = float(rng.uniform(2, 7)) if depressed else float(rng.uniform(0.8, 2.2))
    return Fracture(
        angle=angle,
        z_mm=z_mm,
        half_height_mm=float(rng.uniform(10, 35)),
        lean=float(rng.normal(0, 0.012)),
        oblique=float(rng.normal(0, 0.6)),
        width_mm=float(rng.uniform(0.9, 2.2)),
        half_piece_mm=float(rng.uniform(6, 14)) if depressed else 0.0,
        step_mm=step if form > 0.6 else 0.0,
        seed=noise_shift(rng),
    )
