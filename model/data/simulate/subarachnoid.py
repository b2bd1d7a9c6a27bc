"""Subarachnoid hemorrhage: blood in sulci, fissures and basal cisterns."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot, noise_shift, slice_z
from model.data.simulate.lesion import Deposit, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.series_anatomy import SeriesAnatomy
from model.data.simulate.slice_view import SliceView, filling


@dataclass(frozen=True)
class Territory:
    """An ellipsoid in which fluid is bloody: middle and half-axes in mm of a usual head.

    The axes are across, along and below.
    """

    middle: Spot
    half: Spot


@dataclass(frozen=True)
class Subarachnoid(Still):
    """Blood that takes the place of cerebrospinal fluid outside the ventricles.

    Parameters
    ----------
    pattern
        For the reader.
    territories
        Where.
    hu
        Of the bloody fluid; lower where it is diluted.
    spread
        How far blood fills beyond the fluid that can be seen: effaced sulci, 0..1.
    swell_mm
        How far blood widens the spaces it fills.
    """

    pattern: str
    territories: tuple[Territory, ...]
    hu: float
    spread: float
    swell_mm: float
    seed: Spot
    kind: str = "subarachnoid"

    def describe(self) -> str:
        return f"subarachnoid, {self.pattern}, {self.hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        box = view.head_box
        across, along = view.head_places(box)
        where = np.zeros(across.shape, np.float32)
        for one in self.territories:
            below = (view.below - one.middle[2]) / one.half[2]
            if abs(below) >= 1:
                continue
            first = (across - one.middle[0]) / one.half[0]
            second = (along - one.middle[1]) / one.half[1]
            inner = 1 - first**2 - second**2 - below**2
            where = np.maximum(where, np.clip(2.2 * inner, 0, 1))
        if where.max(initial=0) < 0.1:
            return None
        x, y = view.places(box)
        uneven = noise_plane(x, y, view.grid.z_mm, 20.0, self.seed, octaves=2)
        where *= np.clip(0.85 + 0.45 * uneven, 0, 1)
        part = box.part
        fluid = view.fluid(box)
        depth = view.depth_mm[part]
        # Blood makes a sulcus wider than the fluid that was seen in it.
        wide = ndimage.gaussian_filter(fluid, self.swell_mm / view.grid.pixel_mm)
        filled = np.clip(1.4 * np.maximum(fluid, 1.15 * wide), 0, 1)
        if self.spread:
            filled = np.maximum(filled, self._effaced(view, box, depth))
        outside = view.inside[part] & ~view.ventricle[part] & (depth > 0.5)
        outside &= ~_deep_ventricles(view, across, along)
        share = np.asarray(where * filled * outside, np.float32)
        if share.max(initial=0) < 0.2:
            return None
        blood = self.hu + 2.5 * noise_plane(x, y, view.grid.z_mm, 5.0, self.seed)
        added = filling(view, box, where * fluid * outside, share, np.asarray(blood, np.float32))
        return Deposit(box, share, added_hu=added)

    def _effaced(
        self, view: SliceView, box: Box, depth: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Narrow sulci that cannot be seen before blood fills them: sheets from the surface in."""
        x, y = view.places(box)
        folds = np.abs(noise_plane(x, y, 0.7 * view.grid.z_mm, 19.0, self.seed, octaves=2))
        # |noise| changes by about 1 over a quarter of its size: the sheet is 2 mm wide.
        sheet = np.clip(1.15 - folds / 0.36, 0, 1) ** 0.8
        surface = np.clip((depth - 0.8) / 1.2, 0, 1) * np.clip((17 - depth) / 6, 0, 1)
        return np.asarray(self.spread * sheet * surface, np.float32)


def _deep_ventricles(
    view: SliceView, across: NDArray[np.float32], along: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Where the third ventricle's floor and the temporal horns lie, whether seen or not."""
    third = (np.abs(across) < 4) & (along > -22) & (along < 13) & (60 < view.below < 84)
    horns = (np.abs(across) > 20) & (np.abs(across) < 42) & (along > -16) & (along < 22)
    return np.asarray(third | (horns & (view.below > 81)))


_BASAL: Final = (
    Territory((0, -6, 92), (24, 24, 13)),
    Territory((0, 10, 88), (22, 18, 12)),
)
_SYLVIAN: Final = Territory((40, -14, 80), (20, 26, 18))
_FRONT_FISSURE: Final = Territory((0, -46, 72), (6, 36, 24))


def _sided(territory: Territory, side: int) -> Territory:
    across, along, below = territory.middle
    return Territory((side * across, along, below), territory.half)


def draw_subarachnoid(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator) -> Subarachnoid:
    """Draw one that slice `index` shows: aneurysmal patterns at the base, traumatic elsewhere.

    Patterns: a burst aneurysm fills the basal cisterns and the fissures near them (Fisher, Kistler
    and Davis 1980, Neurosurgery 6: 1-9; van Gijn et al. 2007, Lancet 369: 306-318, also on the
    perimesencephalic pattern); trauma fills a few sulci of the convexity.
    """
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    frame = anatomy.frame
    below = frame.below_vertex(slice_z(anatomy, index, rng, 6.0))
    side = 1 if rng.random() < 0.5 else -1
    hu = float(rng.uniform(50, 74))
    swell = float(rng.uniform(0.6, 2.2))
    spread = float(rng.uniform(0.6, 1.0)) if rng.random() < 0.85 else 0.0
    if 62 < below < 104 and rng.random() < 0.6:
        parts, pattern = _at_base(rng, side)
        return Subarachnoid(pattern, parts, hu, 0.0, swell, noise_shift(rng))
    reach = float(rng.uniform(10, 38))
    angle = float(rng.uniform(0.15, 3.0))
    distance = float(rng.uniform(44, 66))
    middle = (
        side * min(distance * np.sin(angle), 62.0) * np.interp(below, [5, 40], [0.45, 1.0]),
        -distance * np.cos(angle) * 1.2,
        below,
    )
    convexity = Territory(
        (float(middle[0]), float(middle[1]), float(middle[2])),
        (reach, reach * 1.2, float(rng.uniform(6, 22))),
    )
    parts = (convexity,)
    if rng.random() < 0.2:
        parts = (convexity, Territory((0, float(middle[1]), below), (5, 30, 16)))
    return Subarachnoid("sulci", parts, hu, spread, swell, noise_shift(rng))


def _at_base(rng: np.random.Generator, side: int) -> tuple[tuple[Territory, ...], str]:
    chance = rng.random()
    if chance < 0.5:
        other = (_sided(_SYLVIAN, -side),) if rng.random() < 0.6 else ()
        front = (_FRONT_FISSURE,) if rng.random() < 0.7 else ()
        return (*_BASAL, _sided(_SYLVIAN, side), *other, *front), "cisterns and fissures"
    if chance < 0.8:
        return (_sided(_SYLVIAN, side),), "Sylvian fissure"
    return (Territory((0, 4, 90), (20, 16, 12)),), "perimesencephalic"
