"""Subdural hematoma: a crescent over the convexity, or a layer along falx and tentorium."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.blood import BloodAge, blood_hu, draw_age
from model.data.simulate.box import Box, twice
from model.data.simulate.chance import Spot, log_uniform, noise_shift, slice_z
from model.data.simulate.dura import beyond_notch, fissure, tentorium
from model.data.simulate.lesion import Collection, Deposit, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.series_anatomy import SeriesAnatomy
from model.data.simulate.slice_view import Shift, SliceView, edge_share

_RADIUS_MM: Final = 68.0
"""Of the convexity of a usual head: turns angles into lengths."""
_THICKEST: Final = 0.22
"""Of half the length."""
_BASE: Final = 85.0
"""mm of a usual head below the vertex."""


@dataclass(frozen=True)
class ConvexitySubdural(Collection):
    """A crescent along the inner table of one side, across sutures but not across the midline.

    Parameters
    ----------
    side
        1 for the image's right, -1 for its left.
    angle, half_angle
        Its middle and half its length, radians from the front about the head's middle.
    age
        Of its blood.
    """

    side: int
    angle: float
    half_angle: float
    age: BloodAge
    kind: str = "subdural"

    def describe(self) -> str:
        return (
            f"subdural, convexity, {self.age.name}, {self.thick_mm:.0f} mm thick, "
            f"{2 * self.half_angle * _RADIUS_MM:.0f} mm long, {self.age.hu:.0f} HU"
        )

    def _thickness(self, view: SliceView, box: Box, z: float) -> NDArray[np.float32]:
        """Thickness over every pixel, mm; below 0 where it does not reach."""
        across, along = view.head_places(box)
        angle = np.arctan2(across * self.side, -along)
        ends = ((angle - self.angle) / self.half_angle) ** 2
        height = self.height(z) ** 2
        inner = 1 - ends - height
        x, y = view.places(box)
        wave = noise_plane(x, y, z, 26.0, self.seed, octaves=2)
        taper = np.sign(inner) * np.abs(inner) ** 0.6
        midline = np.clip((across * self.side - 1.5) / 5, -0.4, 1)
        thick = self.thick_mm * taper * (1 + 0.22 * np.clip(wave, -2, 2))
        return np.asarray(np.minimum(thick, np.maximum(thick, 0.1) * midline), np.float32)

    def _at_convexity(self, view: SliceView, box: Box) -> NDArray[np.float32]:
        """1 where the nearest bone is the convexity, 0 along petrous bone and sphenoid."""
        across, along = view.head_places(box)
        down, right, clear = view.inward(box)
        first, second = view.frame.directions()
        inward_across = right * first[0] + down * first[1]
        inward_along = right * second[0] + down * second[1]
        length = np.sqrt(across**2 + along**2) + 1e-3
        outward = -(inward_across * across + inward_along * along) / length
        there = np.clip((outward[::2, ::2] - 0.3) / 0.3, 0, 1) * np.sqrt(
            np.clip(clear[::2, ::2], 0, 1)
        )
        if view.below > _BASE:
            # There the bone near the middle is the petrous one and the clivus.
            there *= np.clip((length[::2, ::2] - 46) / 8, 0, 1)
        # It ends gradually, not where the nearest bone is another one.
        there = ndimage.gaussian_filter(there, 1.8 / view.grid.pixel_mm)
        return twice(there)[: outward.shape[0], : outward.shape[1]]

    def shift(self, view: SliceView) -> Shift | None:
        if self.thick_mm < 2.5:
            return None
        box = view.head_box
        thick = np.clip(self._thickness(view, box, view.grid.z_mm), 0, None)
        if thick.max(initial=0) < 1.0:
            return None
        thick *= self._at_convexity(view, box)
        depth = view.depth_mm[box.part]
        reach = min(58.0 * view.frame.scale, view.reach_mm)
        fade = 1 - np.clip((depth - thick) / np.maximum(reach - thick, 5), 0, 1)
        push = np.minimum(0.88 * thick * fade**1.2, np.maximum(depth - 4.0, 0))
        down, right, clear = view.inward(box)
        push *= clear / np.float32(view.grid.pixel_mm)
        return Shift(box, -down * push, -right * push)

    def deposit(self, view: SliceView) -> Deposit | None:
        if abs(view.grid.z_mm - self.z_mm) > self.half_height_mm + view.thickness_mm:
            return None
        box = view.head_box
        depth = view.depth_mm[box.part]
        total = np.zeros(depth.shape, np.float32)
        levels = view.levels(2)
        there = self._at_convexity(view, box)
        for z in levels:
            thick = self._thickness(view, box, z)
            thick = np.where(thick > 0, thick * there, thick)
            total += edge_share(thick - depth - 1.2 * (1 - there), view.grid.pixel_mm)
        share = np.asarray(total / len(levels) * view.inside[box.part], np.float32)
        if share.max(initial=0) < 0.25:
            return None
        return Deposit(box, share, blood_hu(self.age, view, box, self.seed))


@dataclass(frozen=True)
class FalxSubdural(Still, Collection):
    """A thin layer along one side of the falx, in the interhemispheric fissure.

    Parameters
    ----------
    side
        1 for the image's right, -1 for its left.
    along, half_along
        Its middle behind the head's middle, and half its length, mm of a usual head.
    age
        Of its blood.
    """

    side: int
    along: float
    half_along: float
    age: BloodAge
    kind: str = "subdural"

    def describe(self) -> str:
        return (
            f"subdural, falx, {self.age.name}, {self.thick_mm:.0f} mm thick, {self.age.hu:.0f} HU"
        )

    def deposit(self, view: SliceView) -> Deposit | None:
        height = self.height(view.grid.z_mm) ** 2
        if height >= 1:
            return None
        box = view.head_box
        across, along = view.tissue_places(box)
        x, y = view.places(box)
        wave = noise_plane(x, y, view.grid.z_mm, 22.0, self.seed, octaves=2)
        inner = 1 - ((along - self.along) / self.half_along) ** 2 - height
        thick = self.thick_mm * np.sign(inner) * np.sqrt(np.abs(inner)) * (1 + 0.2 * wave)
        # The falx bows a little from the plane; blood lies on one side of it.
        bow = 0.9 * noise_plane(x, y, view.grid.z_mm, 60.0, self.seed, octaves=1)
        beside = (across - bow) * self.side
        distance = np.minimum(thick - beside, beside + 0.7)
        distance = np.minimum(distance, 0.5 * thick + 0.5)
        share = edge_share(np.asarray(distance, np.float32), view.grid.pixel_mm)
        share = share * view.inside[box.part] * fissure(view, box)
        if share.max(initial=0) < 0.25:
            return None
        return Deposit(box, share, blood_hu(self.age, view, box, self.seed))


@dataclass(frozen=True)
class TentorialSubdural(Still):
    """A layer on one leaf of the tentorium: a band with a sharp inner and a fading outer border.

    Parameters
    ----------
    side
        1 for the image's right, -1 for its left.
    apex_below
        How far below the vertex the leaves meet, mm of a usual head.
    slope
        mm that a leaf falls for a mm outward.
    thick_mm
        Vertically.
    age
        Of its blood.
    """

    side: int
    apex_below: float
    slope: float
    thick_mm: float
    age: BloodAge
    seed: Spot
    kind: str = "subdural"

    def describe(self) -> str:
        return f"subdural, tentorium, {self.age.name}, {self.age.hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        if not self.apex_below - 4 < view.below < self.apex_below + 34:
            return None
        box = view.head_box
        across, along = view.head_places(box)
        outward = across * self.side
        x, y = view.places(box)
        total = np.zeros(across.shape, np.float32)
        levels = view.levels(4)
        wave = noise_plane(x, y, view.grid.z_mm, 24.0, self.seed, octaves=2)
        leaf = tentorium(self.apex_below, self.slope, outward, along) + 2.2 * wave
        thick = self.thick_mm * (1 + 0.3 * wave)
        for z in levels:
            above = leaf - view.frame.below_vertex(z)
            total += edge_share(np.minimum(above, thick - above), 2 * view.grid.pixel_mm)
        edge = np.clip((outward - 1) / 2, 0, 1) * beyond_notch(outward, along)
        share = total / len(levels) * edge * view.inside[box.part]
        if share.max(initial=0) < 0.25:
            return None
        return Deposit(box, np.asarray(share, np.float32), blood_hu(self.age, view, box, self.seed))


Subdural = ConvexitySubdural | FalxSubdural | TentorialSubdural


def draw_subdural(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator) -> Subdural:
    """Draw one that slice `index` cuts."""
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    below = anatomy.frame.below_vertex(anatomy.grids[index].z_mm)
    side = 1 if rng.random() < 0.5 else -1
    chance = rng.random()
    if chance < 0.2 and below < 84:
        return _at_the_falx(anatomy, index, side, rng)
    if chance < 0.32 and 68 < below < 98:
        return _at_the_tentorium(below, side, rng)
    return _over_the_convexity(anatomy, index, side, rng)


def _at_the_falx(
    anatomy: SeriesAnatomy, index: int, side: int, rng: np.random.Generator
) -> FalxSubdural:
    acute = BloodAge("acute", float(rng.uniform(54, 74)), 66.0, 2.5)
    height = float(rng.uniform(9, 30))
    return FalxSubdural(
        side=side,
        along=float(rng.uniform(25, 62) if rng.random() < 0.65 else rng.uniform(-62, -25)),
        half_along=float(rng.uniform(14, 36)),
        z_mm=slice_z(anatomy, index, rng, height),
        half_height_mm=height,
        thick_mm=log_uniform(rng, 2.2, 6),
        age=acute,
        seed=noise_shift(rng),
    )


def _at_the_tentorium(below: float, side: int, rng: np.random.Generator) -> TentorialSubdural:
    hu = float(rng.uniform(50, 72))
    return TentorialSubdural(
        side=side,
        apex_below=float(np.clip(below - rng.uniform(2, 22), 60, 80)),
        slope=float(rng.uniform(0.6, 0.95)),
        thick_mm=log_uniform(rng, 2.5, 9),
        age=BloodAge("acute", hu, hu, 2.5),
        seed=noise_shift(rng),
    )


def _over_the_convexity(
    anatomy: SeriesAnatomy, index: int, side: int, rng: np.random.Generator
) -> ConvexitySubdural:
    height = float(rng.uniform(14, 50))
    age = draw_age(rng)
    half_angle = log_uniform(rng, 0.25, 1.3)
    # What is no brighter than brain is only seen where it is thick.
    thick = log_uniform(rng, 3.2 if age.name == "acute" else 5.0, 18)
    return ConvexitySubdural(
        side=side,
        angle=float(rng.uniform(0.6, 2.5)),
        half_angle=half_angle,
        z_mm=slice_z(anatomy, index, rng, height),
        half_height_mm=height,
        # A short and thick one would be the lens of an epidural hematoma.
        thick_mm=min(thick, _THICKEST * half_angle * _RADIUS_MM),
        age=age,
        seed=noise_shift(rng),
    )
