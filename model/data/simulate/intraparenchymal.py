"""Intraparenchymal hemorrhage: irregular, in its usual places, with oedema and mass effect."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.chance import Spot, acute_hu, log_uniform, noise_shift, slice_z
from model.data.simulate.noise import noise_plane
from model.data.simulate.series_anatomy import DEPTH_STEP_MM, SeriesAnatomy
from model.data.simulate.slice_view import Box, Deposit, Shift, SliceView, edge_share


@dataclass(frozen=True)
class Place:
    """Where such bleeds sit in a usual head: across (either side), along and below, in mm."""

    name: str
    across: tuple[float, float]
    along: tuple[float, float]
    below: tuple[float, float]
    radius_mm: tuple[float, float]


DEEP_PLACES: Final = (
    Place("basal ganglia", (20, 32), (-22, 10), (60, 82), (3, 24)),
    Place("thalamus", (7, 18), (2, 20), (60, 80), (2.5, 16)),
    Place("pons", (0, 9), (4, 22), (96, 116), (2.5, 12)),
    Place("cerebellum", (5, 38), (34, 68), (100, 128), (3, 20)),
)
"""Sites of hypertensive bleeds: putamen, thalamus, pons, cerebellum (Osborn's Brain; Qureshi et
al. 2001, New England Journal of Medicine 344: 1450-1460)."""


@dataclass(frozen=True)
class Intraparenchymal:
    """An ellipsoid with a warped border, with a dark rim of oedema, that pushes tissue away.

    Parameters
    ----------
    site
        For the reader.
    center
        x, y, z in mm of the series.
    radii_mm
        Along its own two axes in plane, and along z.
    turn
        Of its axes in plane, radians.
    rough
        How far its border strays, as a share of its radius.
    hu, patchy_hu
        Of its blood, and how uneven it is.
    rim
        Width of the oedema as a share of the radius; 0 for none.
    push
        Share of its volume that displaced tissue (the rest took its place).
    """

    site: str
    center: Spot
    radii_mm: Spot
    turn: float
    rough: float
    hu: float
    patchy_hu: float
    rim: float
    push: float
    seed: Spot
    kind: str = "intraparenchymal"

    def describe(self) -> str:
        a, b, _ = self.radii_mm
        return f"intraparenchymal, {self.site}, {2 * a:.0f} x {2 * b:.0f} mm, {self.hu:.0f} HU"

    def _radius(self, view: SliceView, box: Box, z: float) -> NDArray[np.float32]:
        x, y = view.places(box)
        dx, dy = x - self.center[0], y - self.center[1]
        cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        first = (dx * cos + dy * sin) / self.radii_mm[0]
        second = (dy * cos - dx * sin) / self.radii_mm[1]
        height = (z - self.center[2]) / self.radii_mm[2]
        return np.asarray(np.sqrt(first**2 + second**2 + height**2), np.float32)

    def shift(self, view: SliceView) -> Shift | None:
        size = float(np.sqrt(self.radii_mm[0] * self.radii_mm[1]))
        height = abs(view.grid.z_mm - self.center[2]) / self.radii_mm[2]
        if self.push * size < 1.5 or height > 1.3:
            return None
        reach = 3.2
        half = reach * max(self.radii_mm[:2])
        box = view.box(self.center[0], self.center[1], half, half)
        if box is None:
            return None
        x, y = view.places(box)
        dx, dy = x - self.center[0], y - self.center[1]
        radius = np.maximum(self._radius(view, box, self.center[2]), 1e-2)
        # In plane, radius 1 came from 1 - push; at `reach` nothing moves any more.
        level = self.push * np.sqrt(max(1 - height**2, 0.12))
        amount = level * np.clip((reach - radius) / (reach - 1), 0, 1) ** 1.4
        amount = np.minimum(amount, 0.8 * radius) / radius
        held = np.clip((view.depth_mm[box.part] - 1.5) / 9, 0, 1)
        amount = -(amount * held) / view.grid.pixel_mm
        return Shift(box, np.float32(1) * amount * dy, np.float32(1) * amount * dx)

    def deposit(self, view: SliceView) -> Deposit | None:
        half = max(self.radii_mm[:2]) * (1.45 + self.rim) + 2
        if abs(view.grid.z_mm - self.center[2]) > 1.5 * self.radii_mm[2] + view.thickness_mm:
            return None
        box = view.box(self.center[0], self.center[1], half, half)
        if box is None:
            return None
        x, y = view.places(box)
        mean = float(np.sqrt(self.radii_mm[0] * self.radii_mm[1]))
        total = np.zeros((y.shape[0], x.shape[1]), np.float32)
        rim = np.zeros_like(total)
        levels = view.levels()
        for z in levels:
            border = noise_plane(x, y, z, max(1.1 * mean, 4.0), self.seed)
            distance = (1 + self.rough * border - self._radius(view, box, z)) * mean
            total += edge_share(distance, view.grid.pixel_mm)
            if self.rim:
                width = self.rim * mean
                rim += np.clip(1 + distance / width, 0, 1) ** 0.8
        within = view.inside[box.part] & (view.depth_mm[box.part] > 0.9) & ~view.ventricle[box.part]
        share = total / len(levels) * within * self._own_side(view, box)
        if share.max(initial=0) < 0.25:
            return None
        fine = noise_plane(x, y, view.grid.z_mm, 4.5, self.seed)
        blood = self.hu + self.patchy_hu * fine
        # The border of a clot is lighter than its blurred outline: blood between torn fibres.
        extra = None
        if self.rim:
            tissue = view.hu[box.part] > view.brain_hu - 12
            extra = -11.0 * rim / len(levels) * within * tissue
            extra = np.asarray(extra * self._own_side(view, box), np.float32)
        return Deposit(box, share, np.asarray(blood, np.float32), extra_hu=extra)

    def _own_side(self, view: SliceView, box: Box) -> NDArray[np.float32]:
        """Blood of a hemisphere does not cross the falx; that of brain stem and vermis may."""
        across, _ = view.head_places(box)
        x, y = np.float32(self.center[0]), np.float32(self.center[1])
        own = float(view.frame.across(x, y, self.center[2])) / view.frame.scale
        if abs(own) < 4 or self.site in ("pons", "cerebellum"):
            return np.ones(across.shape, np.float32)
        return np.clip((across * np.sign(own) - 1.0) / 1.5, 0, 1)


def draw_intraparenchymal(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator
) -> list[Intraparenchymal]:
    """Draw one bleed, or the many of a contusion, that slice `index` cuts."""
    assert_frame = anatomy.frame
    if assert_frame is None:
        return []
    below = assert_frame.below_vertex(anatomy.grids[index].z_mm)
    fitting = [p for p in DEEP_PLACES if p.below[0] - 4 < below < p.below[1] + 4]
    chance = rng.random()
    if fitting and chance < 0.4:
        return [_deep(anatomy, index, rng, fitting[int(rng.integers(len(fitting)))])]
    if chance < 0.72:
        return [_lobar(anatomy, index, rng)]
    return _contusions(anatomy, index, rng)


def _drawn(
    site: str,
    center: tuple[float, float],
    radius: float,
    anatomy: SeriesAnatomy,
    index: int,
    rng: np.random.Generator,
) -> Intraparenchymal:
    long = float(rng.uniform(1.0, 1.7))
    tall = radius * float(rng.uniform(0.8, 1.4))
    old = rng.random() < 0.12
    return Intraparenchymal(
        site=site,
        center=(*center, slice_z(anatomy, index, rng, tall)),
        radii_mm=(radius * long**0.5, radius / long**0.5, max(tall, 2.5)),
        turn=float(rng.uniform(0, np.pi)),
        rough=float(rng.uniform(0.06, 0.24)) * (1.0 if radius > 5 else 0.8),
        hu=float(rng.uniform(44, 56)) if old else acute_hu(rng),
        patchy_hu=float(rng.uniform(1.5, 5.0)),
        rim=float(rng.uniform(0.15, 0.7)) if rng.random() < 0.75 else 0.0,
        push=float(rng.uniform(0.15, 0.55)),
        seed=noise_shift(rng),
    )


def _deep(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator, place: Place
) -> Intraparenchymal:
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    across = float(rng.uniform(*place.across)) * (1 if rng.random() < 0.5 else -1)
    x, y, _ = anatomy.frame.point(across, float(rng.uniform(*place.along)), 70)
    x += anatomy.frame.x_per_z * (anatomy.grids[index].z_mm - (anatomy.frame.vertex_mm - 70))
    radius = log_uniform(rng, *place.radius_mm)
    return _drawn(place.name, (x, y), radius, anatomy, index, rng)


def _tissue_point(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator, depth: tuple[float, float]
) -> tuple[float, float]:
    """Draw a point (x, y) of slice `index` within a range of depths below the inner table."""
    depths = anatomy.depths[index]
    low, high = depth[0] / DEPTH_STEP_MM, depth[1] / DEPTH_STEP_MM
    found = np.flatnonzero((depths >= low) & (depths <= high) & (anatomy.codes[index] == 1))
    if not len(found):
        found = np.flatnonzero(anatomy.codes[index] > 0)
    row, column = divmod(int(found[int(rng.integers(len(found)))]), depths.shape[1])
    grid = anatomy.grids[index]
    return grid.left_mm + column * grid.pixel_mm, grid.top_mm + row * grid.pixel_mm


def _lobar(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator) -> Intraparenchymal:
    radius = log_uniform(rng, 2.0, 26)
    center = _tissue_point(anatomy, index, rng, (min(4 + 0.6 * radius, 18), 16 + radius))
    return _drawn("lobar", center, radius, anatomy, index, rng)


def _contusions(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator
) -> list[Intraparenchymal]:
    """Several small bleeds of the cortex close together (frontal and temporal more often)."""
    x, y = _tissue_point(anatomy, index, rng, (2.5, 10))
    spread = float(rng.uniform(5, 14))
    found = []
    for number in range(int(rng.integers(1, 6))):
        step = rng.normal(0, spread, 2) if number else np.zeros(2)
        radius = log_uniform(rng, 1.4, 8 if number == 0 else 5)
        found.append(
            _drawn("contusion", (x + step[0], y + step[1]), radius, anatomy, index, rng)
        )
    return found
