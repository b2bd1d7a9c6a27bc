"""Epidural hematoma: a lens between bone and dura."""

from dataclasses import dataclass

import numpy as np

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot, log_uniform, noise_shift, slice_z
from model.data.simulate.noise import noise_plane
from model.data.simulate.series_anatomy import SeriesAnatomy
from model.data.simulate.slice_view import Deposit, Shift, SliceView, edge_share
from model.data.simulate.table import table_point


@dataclass(frozen=True)
class Epidural:
    """A biconvex collection at the inner table, bounded along it as by sutures.

    Biconvex, sharp, 60 to 80 HU, most often temporal or parietal under a fracture, and not
    across sutures (Osborn, Osborn's Brain; Al-Nakshabandi 2001, Radiology 218: 433, the swirl
    sign: darker, unclotted blood within).

    Parameters
    ----------
    angle
        Where on the inner table, radians from the front, clockwise, about the head's middle.
    z_mm
        Height of its middle.
    half_length_mm, half_height_mm, thick_mm
        Along the table, along z, and into the head.
    hu, swirl_hu
        Of its blood, and how much darker the swirl is.
    """

    angle: float
    z_mm: float
    half_length_mm: float
    half_height_mm: float
    thick_mm: float
    hu: float
    swirl_hu: float
    seed: Spot
    kind: str = "epidural"

    def describe(self) -> str:
        return (
            f"epidural, {self.thick_mm:.0f} mm thick, {2 * self.half_length_mm:.0f} mm long, "
            f"{self.hu:.0f} HU"
        )

    def shift(self, view: SliceView) -> Shift | None:
        if self.thick_mm < 3:
            return None
        found = self._table(view)
        height = (view.grid.z_mm - self.z_mm) / self.half_height_mm
        if found is None or abs(height) >= 1:
            return None
        (x0, y0), (nx, ny) = found
        reach = min(62.0 * view.frame.scale, 1.1 * view.reach_mm)
        box = view.box(x0, y0, self.half_length_mm + reach, self.half_length_mm + reach)
        if box is None:
            return None
        x, y = view.places(box)
        along = (x - x0) * -ny + (y - y0) * nx
        into = (x - x0) * nx + (y - y0) * ny
        # Far in, the push spreads sideways.
        spread = 1 + np.clip(into, 0, None) / (2.2 * self.half_length_mm)
        inner = np.clip(1 - (along / (self.half_length_mm * spread)) ** 2 - height**2, 0, 1)
        thick = self.thick_mm * np.sqrt(inner)
        depth = view.depth_mm[box.part]
        fade = 1 - np.clip((into - thick) / np.maximum(reach - thick, 4), 0, 1)
        push = np.minimum(0.9 * thick * fade**1.3, np.maximum(depth - 4.0, 0))
        push = push / view.grid.pixel_mm
        return Shift(box, np.float32(-ny) * push, np.float32(-nx) * push)

    def deposit(self, view: SliceView) -> Deposit | None:
        found = self._table(view)
        if found is None:
            return None
        (x0, y0), (nx, ny) = found
        half = self.half_length_mm + 4
        box = view.box(x0, y0, half, half)
        if box is None:
            return None
        share = self._share(view, box, (x0, y0), (nx, ny))
        if share.max(initial=0) < 0.2:
            return None
        x, y = view.places(box)
        fine = noise_plane(x, y, view.grid.z_mm, 7.0, self.seed)
        coarse = noise_plane(x, y, view.grid.z_mm, 16.0, self.seed, octaves=2)
        blood = self.hu + 1.6 * fine - self.swirl_hu * np.clip(coarse - 0.3, 0, 1.2)
        return Deposit(box, share, np.asarray(blood, np.float32))

    def _share(
        self, view: SliceView, box: Box, start: tuple[float, float], inward: tuple[float, float]
    ) -> np.ndarray:
        x, y = view.places(box)
        along = ((x - start[0]) * -inward[1] + (y - start[1]) * inward[0]) / self.half_length_mm
        into = ((x - start[0]) * inward[0] + (y - start[1]) * inward[1]) / self.thick_mm
        flat = along**2 + into**2
        rough = 0.07 * noise_plane(x, y, view.grid.z_mm, 14.0, self.seed, octaves=2)
        total = np.zeros(flat.shape, np.float32)
        levels = view.levels()
        for z in levels:
            height = (z - self.z_mm) / self.half_height_mm
            radius = np.sqrt(flat + height**2) + 1e-3
            steep = np.sqrt((along / self.half_length_mm) ** 2 + (into / self.thick_mm) ** 2)
            distance = (1 + rough - radius) * radius / np.maximum(steep, 0.02)
            total += edge_share(np.clip(distance, -20, 20), view.grid.pixel_mm)
        return np.asarray(total / len(levels) * view.inside[box.part], np.float32)

    def _table(self, view: SliceView) -> tuple[tuple[float, float], tuple[float, float]] | None:
        return table_point(view, self.angle)


def draw_epidural(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator) -> Epidural:
    """Draw one that slice `index` cuts; small ones often, large ones up to 3 cm thick."""
    length = log_uniform(rng, 7, 46)
    thick = float(np.clip(length * rng.uniform(0.24, 0.6), 3.0, 30))
    height = float(np.clip(length * rng.uniform(0.6, 1.3), 5, 45))
    lateral = rng.random() < 0.8
    angle = rng.uniform(0.9, 2.3) if lateral else rng.uniform(0.1, 3.0)
    return Epidural(
        angle=float(angle if rng.random() < 0.5 else -angle),
        z_mm=slice_z(anatomy, index, rng, height),
        half_length_mm=length,
        half_height_mm=height,
        thick_mm=thick,
        hu=float(rng.uniform(55, 78)),
        swirl_hu=float(rng.uniform(8, 24)) if rng.random() < 0.25 else 0.0,
        seed=noise_shift(rng),
    )
