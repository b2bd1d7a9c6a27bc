"""Epidural hematoma: a lens between bone and dura."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box
from model.data.simulate.chance import log_uniform, noise_shift, slice_z
from model.data.simulate.lesion import Collection, Deposit
from model.data.simulate.noise import noise_plane
from model.data.simulate.series_anatomy import SeriesAnatomy
from model.data.simulate.slice_view import Shift, SliceView, edge_share
from model.data.simulate.table import table_point

_RADIUS_MM: Final = 70.0
"""Of the inner table of a usual head, seen from above."""
_BASE: Final = 85.0
_NEAREST_MM: Final = 46.0
"""At the base, mm of a usual head: bone nearer to the middle is the petrous one or the clivus."""

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Epidural(Collection):
    """A biconvex collection at the inner table, bounded along it by sutures.

    Biconvex, sharp, 60 to 80 HU, most often temporal or parietal under a fracture, and not
    across sutures (Osborn, Osborn's Brain; Al-Nakshabandi 2001, Radiology 218: 433, the swirl
    sign: darker, unclotted blood within).

    Parameters
    ----------
    angle
        Where on the inner table, radians from the front, clockwise, about the head's middle.
    half_length_mm
        Along the table.
    hu, swirl_hu
        Of its blood, and how much darker the swirl is.
    """

    angle: float
    half_length_mm: float
    hu: float
    swirl_hu: float
    kind: str = "epidural"

    def describe(self) -> str:
        return (
            f"epidural, {self.thick_mm:.0f} mm thick, {2 * self.half_length_mm:.0f} mm long, "
            f"{self.hu:.0f} HU"
        )

    def shift(self, view: SliceView) -> Shift | None:
        if self.thick_mm < 3 or abs(self.height(view.grid.z_mm)) >= 1:
            return None
        reach = min(62.0 * view.frame.scale, 1.1 * view.reach_mm)
        place = self._place(view, self.half_length_mm + reach)
        if place is None:
            return None
        # Far in, the push spreads sideways.
        spread = 1 + np.clip(place.into, 0, None) / (2.2 * self.half_length_mm)
        thick = np.clip(self._thickness(place.along / spread, view.grid.z_mm), 0, None)
        depth = view.depth_mm[place.box.part]
        fade = 1 - np.clip((place.into - thick) / np.maximum(reach - thick, 4), 0, 1)
        push = np.minimum(0.9 * thick * fade**1.3, np.maximum(depth - 4.0, 0))
        push = push / view.grid.pixel_mm
        nx, ny = place.inward
        return Shift(place.box, np.float32(-ny) * push, np.float32(-nx) * push)

    def deposit(self, view: SliceView) -> Deposit | None:
        place = self._place(view, self.half_length_mm + 4)
        if place is None:
            return None
        share = self._share(view, place)
        if share.max(initial=0) < 0.2:
            return None
        x, y = view.places(place.box)
        fine = noise_plane(x, y, view.grid.z_mm, 7.0, self.seed)
        coarse = noise_plane(x, y, view.grid.z_mm, 16.0, self.seed, octaves=2)
        blood = self.hu + 1.6 * fine - self.swirl_hu * np.clip(coarse - 0.3, 0, 1.2)
        return Deposit(place.box, share, np.asarray(blood, np.float32))

    def _thickness(self, along: _Floats, z_mm: float) -> _Floats:
        """Thickness along the table at a height, mm; below 0 where it does not reach."""
        inner = 1 - (along / self.half_length_mm) ** 2 - self.height(z_mm) ** 2
        return np.asarray(self.thick_mm * np.sign(inner) * np.abs(inner) ** 0.8, np.float32)

    def _share(self, view: SliceView, place: "_Place") -> _Floats:
        depth = view.depth_mm[place.box.part]
        # It follows the table it lies on, and does not go on along another bone behind a ridge.
        curved = place.into - place.along**2 / np.float32(2 * _RADIUS_MM * view.frame.scale)
        below = np.maximum(depth, curved)
        own = _own_table(view, place)
        x, y = view.places(place.box)
        rough = 1 + 0.09 * noise_plane(x, y, view.grid.z_mm, 14.0, self.seed, octaves=2)
        total = np.zeros(depth.shape, np.float32)
        levels = view.levels()
        for z in levels:
            thick = self._thickness(place.along, z) * rough
            thick = np.where(thick > 0, thick * own, thick)
            total += edge_share(thick - below - 2 * (1 - own), view.grid.pixel_mm)
        return np.asarray(total / len(levels) * view.inside[place.box.part], np.float32)

    def _place(self, view: SliceView, half_mm: float) -> "_Place | None":
        found = table_point(view, self.angle)
        if found is None:
            return None
        (x0, y0), (nx, ny) = found
        middle_x, middle_y, _ = view.frame.point(0, 0, view.below)
        far = np.hypot(x0 - middle_x, y0 - middle_y) / view.frame.scale
        if view.below > _BASE and far < _NEAREST_MM:
            return None
        box = view.box(x0, y0, half_mm, half_mm)
        if box is None:
            return None
        x, y = view.places(box)
        along = np.asarray((x - x0) * -ny + (y - y0) * nx, np.float32)
        into = np.asarray((x - x0) * nx + (y - y0) * ny, np.float32)
        return _Place(box, along, into, (nx, ny))


@dataclass(frozen=True)
class _Place:
    """Distances along and away from the table about a point of it, mm, over a box."""

    box: Box
    along: _Floats
    into: _Floats
    inward: tuple[float, float]


def _own_table(view: SliceView, place: _Place) -> _Floats:
    """1 where the nearest bone faces as the table does at the middle, 0 at other bones."""
    down, right, _ = view.inward(place.box)
    facing = right * place.inward[0] + down * place.inward[1]
    own = np.clip((facing - 0.3) / 0.3, 0, 1)
    return np.asarray(ndimage.gaussian_filter(own, 1.5 / view.grid.pixel_mm), np.float32)


def _bones(below: float) -> tuple[tuple[float, float], ...]:
    """Angles from the front between which frontal, parietal and temporal, occipital bone lie.

    Coronal and lambdoid suture at a height below the vertex, read off usual heads; the midline
    is left free for the sagittal sinus.
    """
    coronal = float(np.interp(below, [15, 50, 90], [1.35, 1.1, 0.85]))
    lambdoid = float(np.interp(below, [35, 95], [2.6, 2.26]))
    return (0.08, coronal), (coronal, lambdoid), (lambdoid, 3.06)


def draw_epidural(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator) -> Epidural:
    """Draw one that slice `index` cuts; small ones often, large ones up to 3 cm thick."""
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    bones = _bones(anatomy.frame.below_vertex(anatomy.grids[index].z_mm))
    first, last = bones[int(rng.choice(3, p=[0.16, 0.72, 0.12]))]
    radius = _RADIUS_MM * anatomy.frame.scale
    length = min(log_uniform(rng, 9, 46), 0.48 * radius * (last - first))
    # Flatter ones would not bulge into the head.
    flattest = max(0.24, length / (2 * radius))
    thick = float(np.clip(length * rng.uniform(flattest, max(0.6, flattest + 0.1)), 4.2, 30))
    height = float(np.clip(length * rng.uniform(0.7, 1.3), 6, 45))
    angle = float(rng.uniform(first + length / radius, last - length / radius))
    return Epidural(
        angle=angle if rng.random() < 0.5 else -angle,
        z_mm=slice_z(anatomy, index, rng, height),
        half_length_mm=length,
        half_height_mm=height,
        thick_mm=thick,
        hu=float(rng.uniform(54, 78)),
        swirl_hu=float(rng.uniform(8, 24)) if rng.random() < 0.25 else 0.0,
        seed=noise_shift(rng),
    )
