"""A slice as the lesions see it: its pixels, what they are, and where they lie in the head."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box, twice, within
from model.data.simulate.grid import Grid
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.series_anatomy import (
    DEPTH_STEP_MM,
    INSIDE,
    VENTRICLE,
    SeriesAnatomy,
)

FLUID_HU: Final = 8.0
"""Cerebrospinal fluid: 0 to 15 HU."""
_CALCIUM_HU: Final = 40.0
"""So much above the brain, it is no fresh blood nor noise."""
_BONE_NEAR_MM: Final = 5.0
_WINDOW_MM: Final = 3.0
_TILE: Final = 48
"""Pixels a side, from which the noise is taken where none can be told from structure."""

_Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Shift:
    """How a lesion pushes tissue away: each pixel shows what lay `down`, `right` pixels from it."""

    box: Box
    down: _Floats
    right: _Floats


@dataclass(frozen=True)
class SliceView:
    """One slice of an understood series.

    Parameters
    ----------
    hu
        float32[H, W].
    inside, ventricle
        bool[H, W].
    depth_mm
        float32[H, W], from the inner table.
    brain_hu, noise_hu
        Of this slice.
    thickness_mm
        Of the slice, for partial volume along z.
    moved
        How far lesions have pushed its tissue; None where none did.
    """

    hu: _Floats
    inside: NDArray[np.bool_]
    ventricle: NDArray[np.bool_]
    depth_mm: _Floats
    grid: Grid
    frame: HeadFrame
    brain_hu: float
    noise_hu: float
    thickness_mm: float
    moved: Shift | None = None

    @property
    def below(self) -> float:
        """Distance of the slice below the vertex, in mm of a usual head."""
        return self.frame.below_vertex(self.grid.z_mm)

    @cached_property
    def reach_mm(self) -> float:
        """How deep a push at the inner table goes: to the midline, and less near the vertex."""
        return max(0.85 * float(self.depth_mm.max()), 6.0)

    def box(self, x: float, y: float, half_x: float, half_y: float) -> Box | None:
        """Cut the pixels within half_x and half_y (mm) of a point; None where there is none."""
        height, width = self.hu.shape
        step = self.grid.pixel_mm
        left = max(int((x - half_x - self.grid.left_mm) / step), 0)
        right = min(int((x + half_x - self.grid.left_mm) / step) + 2, width)
        top = max(int((y - half_y - self.grid.top_mm) / step), 0)
        bottom = min(int((y + half_y - self.grid.top_mm) / step) + 2, height)
        if right - left < 3 or bottom - top < 3:
            return None
        return Box(top, bottom, left, right)

    @cached_property
    def head_box(self) -> Box:
        """The smallest box around all that is inside."""
        rows = np.flatnonzero(self.inside.any(axis=1))
        columns = np.flatnonzero(self.inside.any(axis=0))
        if not len(rows):
            return Box(0, 3, 0, 3)
        height, width = self.hu.shape
        return Box(
            max(int(rows[0]) - 2, 0),
            min(int(rows[-1]) + 3, height),
            max(int(columns[0]) - 2, 0),
            min(int(columns[-1]) + 3, width),
        )

    def places(self, box: Box) -> tuple[_Floats, _Floats]:
        """Positions in mm: x float32[1, w], y float32[h, 1]."""
        return self.grid.x_mm(box.left, box.right), self.grid.y_mm(box.top, box.bottom)

    def head_places(self, box: Box) -> tuple[_Floats, _Floats]:
        """Across the midline and behind the middle, in mm of a usual head, float32[h, w]."""
        x, y = self.places(box)
        scale = np.float32(self.frame.scale)
        return self.frame.across(x, y, self.grid.z_mm) / scale, self.frame.along(x, y) / scale

    def tissue_places(self, box: Box) -> tuple[_Floats, _Floats]:
        """As `head_places`, of the tissue that was pushed there: the falx lies at 0 across."""
        across, along = self.head_places(box)
        if self.moved is None:
            return across, along
        down = within(self.moved.down, self.moved.box, box)
        right = within(self.moved.right, self.moved.box, box)
        step = self.grid.pixel_mm / self.frame.scale
        first, second = self.frame.directions()
        return (
            np.asarray(across + step * (right * first[0] + down * first[1]), np.float32),
            np.asarray(along + step * (right * second[0] + down * second[1]), np.float32),
        )

    def levels(self, count: int = 3) -> list[float]:
        """Heights z in mm within the slice, over which partial volume is averaged."""
        steps = (np.arange(count) + 0.5) / count - 0.5
        return [float(self.grid.z_mm + step * self.thickness_mm) for step in steps]

    @cached_property
    def _inward(self) -> tuple[_Floats, _Floats, _Floats]:
        part = self.head_box.part
        rough = ndimage.gaussian_filter(self.depth_mm[part][::2, ::2], 1.6 / self.grid.pixel_mm)
        down, right = np.gradient(rough, 2 * self.grid.pixel_mm)
        length = np.sqrt(down**2 + right**2) + np.float32(1e-4)
        clear = ndimage.gaussian_filter(np.clip((length - 0.45) / 0.35, 0, 1), 1.0)
        height, width = self.depth_mm[part].shape
        small = (down / length, right / length, clear)
        full = [twice(one)[:height, :width] for one in small]
        return full[0], full[1], full[2]

    def inward(self, box: Box) -> tuple[_Floats, _Floats, _Floats]:
        """Direction away from the nearest inner table.

        Returns
        -------
        Down and right, a unit vector, and how clear the direction is: 1 near one wall, 0 where
        walls on several sides are as near. float32[h, w] each; 0 outside.
        """
        if box == self.head_box:
            return self._inward
        down, right, clear = (within(whole, self.head_box, box) for whole in self._inward)
        return down, right, clear

    def calcified(self, box: Box) -> NDArray[np.bool_]:
        """Where calcium fills a pixel in a space within the brain, or a part of it."""
        found = (self.hu[box.part] > self.brain_hu + _CALCIUM_HU) & self.inside[box.part]
        found &= self.depth_mm[box.part] > _BONE_NEAR_MM
        return ndimage.binary_dilation(found, np.ones((3, 3), np.bool_)) if found.any() else found

    def smooth(self, box: Box, width_mm: float) -> _Floats:
        """HU without noise, and without what calcium adds to the fluid around it."""
        hu = np.clip(self.hu[box.part], -20, 80)
        sigma = width_mm / self.grid.pixel_mm
        calcified = self.calcified(box)
        if not calcified.any():
            return np.asarray(ndimage.gaussian_filter(hu, sigma), np.float32)
        kept = (~calcified).astype(np.float32)
        weight = ndimage.gaussian_filter(kept, sigma)
        mean = ndimage.gaussian_filter(hu * kept, sigma) / np.maximum(weight, 1e-3)
        return np.asarray(np.where(weight > 0.02, mean, hu), np.float32)

    def without_noise(self, box: Box) -> tuple[_Floats, _Floats]:
        """HU less the noise, borders kept (the guided filter, guided by the slice itself).

        He, Sun and Tang 2013, IEEE Transactions on Pattern Analysis and Machine Intelligence 35:
        1397-1409. A plain blur would leave a bright and a dark line along each border that blood
        now covers.

        Returns
        -------
        The HU, and how much of the noise they still hold, 0..1: most of it at borders.
        """
        hu = np.where(self.calcified(box), self.smooth(box, 0.75), self.hu[box.part])
        return _without_noise(np.clip(hu, -20, 80), self.grid.pixel_mm, self.noise_hu)

    @cached_property
    def grain(self) -> _Floats:
        """Noise of the slice all over it, float32[H, W]: that of its deepest brain, mirrored."""
        height, width = self.hu.shape
        row, column = np.unravel_index(int(np.argmax(self.depth_mm)), self.hu.shape)
        top = int(np.clip(row - _TILE // 2, 0, max(height - _TILE, 0)))
        left = int(np.clip(column - _TILE // 2, 0, max(width - _TILE, 0)))
        hu = np.clip(self.hu[top : top + _TILE, left : left + _TILE], -20, 80)
        smooth, held = _without_noise(hu, self.grid.pixel_mm, self.noise_hu)
        limit = 2.5 * self.noise_hu
        tile = np.clip((hu - smooth) / np.maximum(1 - held, 0.3), -limit, limit)
        pair = np.concatenate([tile, tile[::-1]])
        four = np.concatenate([pair, pair[:, ::-1]], axis=1)
        rows, columns = -(-height // four.shape[0]), -(-width // four.shape[1])
        return np.asarray(np.tile(four, (rows, columns))[:height, :width], np.float32)

    def fluid(self, box: Box) -> _Floats:
        """Share of each pixel that is cerebrospinal fluid, 0..1, from its HU."""
        smooth = self.smooth(box, 0.75)
        # White matter is about 6 HU below the median, and noise must not count for fluid.
        top = self.brain_hu - 8.0
        share = np.clip((top - smooth) / (top - FLUID_HU), 0, 1) * self.inside[box.part]
        return np.asarray(share, np.float32)


def view_slice(
    hu: NDArray[np.int16], anatomy: SeriesAnatomy, index: int, thickness_mm: float
) -> SliceView:
    """Make the view of slice `index`, whose HU are given (int16[H, W])."""
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    codes = anatomy.codes[index]
    return SliceView(
        hu=hu.astype(np.float32),
        inside=(codes & INSIDE) > 0,
        ventricle=(codes & VENTRICLE) > 0,
        depth_mm=anatomy.depths[index] * np.float32(DEPTH_STEP_MM),
        grid=anatomy.grids[index],
        frame=anatomy.frame,
        brain_hu=float(anatomy.brain_hu[index]),
        noise_hu=float(anatomy.noise_hu[index]),
        thickness_mm=thickness_mm,
    )


def _without_noise(hu: _Floats, pixel_mm: float, noise_hu: float) -> tuple[_Floats, _Floats]:
    side = 2 * max(round(_WINDOW_MM / pixel_mm / 2), 1) + 1
    mean = ndimage.uniform_filter(hu, side)
    variance = np.maximum(ndimage.uniform_filter(hu * hu, side) - mean * mean, 0)
    kept = variance / (variance + 3 * noise_hu**2)
    held = ndimage.uniform_filter(kept, side)
    other = ndimage.uniform_filter((1 - kept) * mean, side)
    return np.asarray(held * hu + other, np.float32), np.asarray(held, np.float32)


def filling(
    view: SliceView, box: Box, fluid: _Floats, share: _Floats, blood_hu: _Floats
) -> _Floats:
    """HU that blood adds where it fills fluid, and beyond it where it distends a space.

    Parameters
    ----------
    fluid
        Share of the pixels that is fluid; blood takes its place, the brain in the pixel stays.
    share
        Share of the pixels that becomes blood; what exceeds `fluid` takes the brain's place.
    blood_hu
        Of the blood.
    """
    smooth, held = view.without_noise(box)
    of_fluid = np.minimum(share, fluid)
    added = of_fluid * (blood_hu - FLUID_HU) + (share - of_fluid) * (blood_hu - smooth)
    # Calcium stays; blood takes the place of the fluid that shares a pixel with it.
    calcified = view.calcified(box)
    left = blood_hu - np.where(calcified, view.hu[box.part], smooth)
    added = np.clip(added, 0, np.maximum(left, 0))
    grain = share * held * view.grain[box.part] * ~calcified
    return np.asarray(added + grain, np.float32)


def edge_share(distance_mm: _Floats, pixel_mm: float) -> _Floats:
    """Share of a pixel within a border, from its distance inward; as blurred as a soft kernel."""
    return np.asarray(np.clip(0.5 + distance_mm / np.float32(2.1 * pixel_mm), 0, 1))
