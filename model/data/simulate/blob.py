"""A warped ellipsoid of blood, calcium or fluid: bleeds, and much that resembles them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot
from model.data.simulate.lesion import Deposit
from model.data.simulate.noise import noise_plane
from model.data.simulate.slice_view import Shift, SliceView, edge_share


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with a warped border, with a dark rim of oedema, that pushes tissue away.

    Parameters
    ----------
    kind, site
        A subtype or the name of a look-alike, and where it is.
    center
        x, y, z in mm of the series.
    radii_mm
        Along its own two axes in plane, and along z.
    turn
        Of its axes in plane, radians.
    rough
        How far its border strays, as a share of its radius.
    soft_mm
        Width over which blood and brain mix at the border.
    mixed
        Share of brain between the blood, where it is loosest, 0..1.
    hu, patchy_hu
        Of its blood, and how uneven it is.
    rim
        Width of the oedema as a share of the radius; 0 for none.
    push
        Share of its volume that displaced tissue (the rest took its place).
    anywhere
        True: in the ventricles and at the very bone, too.
    """

    kind: str
    site: str
    center: Spot
    radii_mm: Spot
    turn: float
    rough: float
    soft_mm: float
    mixed: float
    hu: float
    patchy_hu: float
    rim: float
    push: float
    seed: Spot
    anywhere: bool = False

    def describe(self) -> str:
        a, b, _ = self.radii_mm
        name = f"{self.kind}, {self.site}" if self.site else self.kind
        return f"{name}, {2 * a:.0f} x {2 * b:.0f} mm, {self.hu:.0f} HU"

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
        beside = self._own_side(view, box)
        for z in levels:
            border = noise_plane(x, y, z, max(1.3 * mean, 4.5), self.seed)
            distance = (1 + self.rough * border - self._radius(view, box, z)) * mean
            distance = rounded_minimum(distance, beside, 1 + 0.3 * mean)
            total += edge_share(distance, max(view.grid.pixel_mm, self.soft_mm / 2.1))
            if self.rim:
                width = self.rim * mean
                rim += np.clip(1 + distance / width, 0, 1) ** 0.8
        mean_share = total / np.float32(len(levels))
        within = self._within(view, box, mean_share)
        share = mean_share * within
        if self.mixed:
            loose = noise_plane(x, y, view.grid.z_mm, max(0.6 * mean, 3.5), self.seed[::-1])
            share = share * np.clip(1 - self.mixed * (0.5 - 0.6 * loose), 1 - self.mixed, 1)
            share = np.asarray(share, np.float32)
        if share.max(initial=0) < 0.25:
            return None
        fine = noise_plane(x, y, view.grid.z_mm, 4.5, self.seed)
        blood = self.hu + self.patchy_hu * fine
        extra = None
        if self.rim:
            tissue = view.hu[box.part] > view.brain_hu - 12
            extra = -11.0 * rim / len(levels) * within * tissue
            extra = np.asarray(extra * np.clip(beside / 1.5, 0, 1), np.float32)
        return Deposit(box, share, np.asarray(blood, np.float32), extra_hu=extra)

    def _within(self, view: SliceView, box: Box, share: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where it may lie, 0..1: a ventricle beside it stays open; one within it is crushed."""
        inside = view.inside[box.part]
        if self.anywhere:
            return inside.astype(np.float32)
        spared = view.ventricle[box.part] * np.clip(1.6 - 1.2 * share, 0, 1)
        open_share = ndimage.gaussian_filter(spared.astype(np.float32), 0.8)
        return np.asarray((inside & (view.depth_mm[box.part] > 0.9)) * (1 - open_share))

    def _own_side(self, view: SliceView, box: Box) -> NDArray[np.float32]:
        """Distance from the falx, mm, into the own hemisphere: blood does not cross the falx.

        It pushes the falx, though. Blood of brain stem and vermis knows no side.
        """
        across, _ = view.tissue_places(box)
        own = view.frame.across_of(*self.center) / view.frame.scale
        if abs(own) < 4 or self.anywhere or self.site in ("pons", "cerebellum"):
            return np.full(across.shape, 1e3, np.float32)
        return np.asarray((across * np.sign(own) - 1.0) * view.frame.scale, np.float32)


def rounded_minimum(
    first: NDArray[np.float32], second: NDArray[np.float32], round_mm: float
) -> NDArray[np.float32]:
    """Give the smaller of two distances, without a corner where they meet."""
    near = np.clip(0.5 + 0.5 * (second - first) / round_mm, 0, 1)
    return np.asarray(second + (first - second) * near - round_mm * near * (1 - near), np.float32)
