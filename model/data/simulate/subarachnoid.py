"""Subarachnoid hemorrhage: blood in sulci, fissures and basal cisterns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box, where_any
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
        How far blood fills narrow spaces, whose fluid cannot be seen, 0..1.
    spaces
        Of which kinds these are: `sulci`, `cisterns`.
    swell_mm
        How far blood widens the spaces it fills.
    """

    pattern: str
    territories: tuple[Territory, ...]
    hu: float
    spread: float
    spaces: tuple[str, ...]
    swell_mm: float
    seed: Spot
    kind: str = "subarachnoid"

    def describe(self) -> str:
        return f"subarachnoid, {self.pattern}, {self.hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        box = view.head_box
        across, along = view.head_places(box)
        where = _reached(view, self.territories, across, along)
        if where.max(initial=0) < 0.1:
            return None
        reached = where_any(where, 0.02)
        box, where, across, along = (
            box.inner(reached),
            where[reached],
            across[reached],
            along[reached],
        )
        x, y = view.places(box)
        uneven = noise_plane(x, y, view.grid.z_mm, 20.0, self.seed, octaves=2)
        where *= np.clip(0.85 + 0.45 * uneven, 0, 1)
        part = box.part
        fluid = view.fluid(box)
        depth = view.depth_mm[part]
        # Blood makes a sulcus wider than the fluid that was seen in it.
        wide = ndimage.gaussian_filter(fluid, self.swell_mm / view.grid.pixel_mm)
        filled = np.clip(1.7 * np.maximum(fluid, 1.15 * wide), 0, 1)
        if self.spread:
            for found in self._narrow(view, box):
                filled = np.maximum(filled, self.spread * found)
        # The septum and what else lies between ventricles is no place for it either.
        near = ndimage.gaussian_filter(
            view.ventricle[part].astype(np.float32), 2.5 / view.grid.pixel_mm
        )
        outside = view.inside[part] & ~view.ventricle[part] & (near < 0.1) & (depth > 0.5)
        outside &= ~_deep_ventricles(view, across, along)
        share = np.asarray(where * filled * outside, np.float32)
        if share.max(initial=0) < 0.2:
            return None
        blood = self.hu + 2.5 * noise_plane(x, y, view.grid.z_mm, 5.0, self.seed)
        added = filling(view, box, where * fluid * outside, share, np.asarray(blood, np.float32))
        return Deposit(box, share, added_hu=added)

    def _narrow(self, view: SliceView, box: Box) -> Iterator[NDArray[np.float32]]:
        if "cisterns" in self.spaces:
            across, along = view.head_places(box)
            yield _faint_cisterns(view, box) * _reached(view, _CISTERNS, across, along)
        if "sulci" in self.spaces:
            yield self._narrow_sulci(view, box)

    def _narrow_sulci(self, view: SliceView, box: Box) -> NDArray[np.float32]:
        """Sulci too narrow to show their fluid, as those of the young are; blood widens them.

        They go from the surface straight in: sheets in which a noise of the surface is 0.
        """
        x, y = view.places(box)
        depth = view.depth_mm[box.part]
        down, right, _ = view.inward(box)
        pixels = 0.8 * np.minimum(depth, 20) / view.grid.pixel_mm
        rows, columns = np.indices(depth.shape, np.float32)
        uneven = noise_plane(x, y, 0.7 * view.grid.z_mm, 17.0, self.seed, octaves=2)
        places = [rows - pixels * down, columns - pixels * right]
        uneven = ndimage.map_coordinates(uneven, places, order=1, mode="nearest")
        bend = noise_plane(x, y, view.grid.z_mm, 9.0, self.seed[::-1], octaves=1)
        sheet = np.clip(1.3 - np.abs(uneven + 0.3 * bend) / (0.2 + 0.1 * self.swell_mm), 0, 1)
        deepest = 11 + 4 * noise_plane(x, y, view.grid.z_mm, 24.0, self.seed[::-1], octaves=1)
        within = np.clip((depth - 0.8) / 1.2, 0, 1) * np.clip((deepest - depth) / 4, 0, 1)
        return np.asarray(sheet * within, np.float32)


def _reached(
    view: SliceView,
    territories: Sequence[Territory],
    across: NDArray[np.float32],
    along: NDArray[np.float32],
) -> NDArray[np.float32]:
    """1 well within any of the territories, 0 outside of all."""
    where = np.zeros(across.shape, np.float32)
    for one in territories:
        below = (view.below - one.middle[2]) / one.half[2]
        if abs(below) >= 1:
            continue
        first = (across - one.middle[0]) / one.half[0]
        second = (along - one.middle[1]) / one.half[1]
        where = np.maximum(where, np.clip(3 * (1 - first**2 - second**2 - below**2), 0, 1))
    return np.asarray(where, np.float32)


def _faint_cisterns(view: SliceView, box: Box) -> NDArray[np.float32]:
    """Cisterns that show as no more than a place a little darker than what lies around it."""
    step = view.grid.pixel_mm
    hu = np.clip(view.hu[box.part], view.brain_hu - 20, view.brain_hu + 8)
    around = ndimage.uniform_filter(hu, 2 * round(6 / step) + 1)
    darker = around - ndimage.gaussian_filter(hu, 1.3 / step)
    return np.asarray(np.clip((darker - 1.5 - 0.2 * view.noise_hu) / 4, 0, 1), np.float32)


def _deep_ventricles(
    view: SliceView, across: NDArray[np.float32], along: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Where third and fourth ventricle and the temporal horns lie, whether seen or not."""
    third = (np.abs(across) < 4) & (along > -22) & (along < 13) & (60 < view.below < 84)
    horns = (np.abs(across) > 20) & (np.abs(across) < 42) & (along > -16) & (along < 22)
    fourth = (np.abs(across) < 13) & (along > 17) & (along < 46)
    return np.asarray(third | (horns & (view.below > 81)) | (fourth & (view.below > 88)))


_BOTH: Final = ("sulci", "cisterns")
_BASAL: Final = (
    Territory((0, -6, 92), (24, 24, 13)),
    Territory((0, 10, 88), (22, 18, 12)),
)
_SYLVIAN: Final = Territory((40, -14, 80), (20, 26, 18))
_FRONT_FISSURE: Final = Territory((0, -46, 72), (6, 36, 24))


_CISTERNS: Final = (
    *_BASAL,
    _SYLVIAN,
    Territory((-40, -14, 80), (20, 26, 18)),
    _FRONT_FISSURE,
)


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
    hu = float(rng.uniform(50, 76))
    swell = float(rng.uniform(0.6, 2.4))
    spread = float(rng.uniform(0.7, 1.0)) if rng.random() < 0.85 else 0.0
    if below > 20 and rng.random() < 0.2:
        whole = (Territory((0, 0, below), (74, 92, float(rng.uniform(30, 70)))),)
        return Subarachnoid("diffuse", whole, hu, spread, _BOTH, swell, noise_shift(rng))
    if 62 < below < 104 and rng.random() < 0.6:
        parts, pattern = _at_base(rng, side)
        return Subarachnoid(pattern, parts, hu, spread, ("cisterns",), swell, noise_shift(rng))
    reach = float(rng.uniform(12, 46))
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
    return Subarachnoid("sulci", parts, hu, spread, ("sulci",), swell, noise_shift(rng))


def _at_base(rng: np.random.Generator, side: int) -> tuple[tuple[Territory, ...], str]:
    chance = rng.random()
    if chance < 0.5:
        other = (_sided(_SYLVIAN, -side),) if rng.random() < 0.6 else ()
        front = (_FRONT_FISSURE,) if rng.random() < 0.7 else ()
        return (*_BASAL, _sided(_SYLVIAN, side), *other, *front), "cisterns and fissures"
    if chance < 0.8:
        return (_sided(_SYLVIAN, side),), "Sylvian fissure"
    return (Territory((0, 4, 90), (20, 16, 12)),), "perimesencephalic"
