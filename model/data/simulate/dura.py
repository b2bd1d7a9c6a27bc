"""Falx, tentorium and sinuses: where they lie, and how they look when they are dense."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot, noise_shift
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.lesion import Deposit, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.slice_view import SliceView, edge_share

_APEX_ALONG: Final = 22.0
_NOTCH_MM: Final = 14.0
"""Half the width of the notch beside the midbrain, mm of a usual head."""


def fissure(view: SliceView, box: Box) -> NDArray[np.float32]:
    """1 where the falx stands between the hemispheres: not through corpus callosum or deeper."""
    _, along = view.head_places(box)
    open_from = np.interp(view.below, [46, 56, 76, 92], [-40.0, 30.0, 38.0, 70.0])
    open_to = np.interp(view.below, [46, 56, 76, 92], [40.0, -34.0, -42.0, -70.0])
    behind = np.clip((along - open_from) / 4, 0, 1)
    before = np.clip((open_to - along) / 4, 0, 1)
    return np.asarray(np.maximum(behind, before), np.float32)


def tentorium(
    apex_below: float, slope: float, outward: NDArray[np.float32], along: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Height of a leaf of the tentorium, mm below the vertex of a usual head, float32[h, w].

    A tent: highest behind the midbrain, falling along the straight sinus to the occiput, and to the
    transverse sinus and the petrous ridge on the side. In a slice the leaves meet behind in a V.

    Parameters
    ----------
    apex_below
        Of the highest point.
    slope
        mm that a leaf falls for a mm outward.
    outward, along
        From the midline to the leaf's side, and behind the middle, mm of a usual head.
    """
    bent = outward * (1.25 - outward / 130)
    behind = along - _APEX_ALONG
    roof = np.sqrt(behind**2 + 64) - 8
    return np.asarray(apex_below + slope * bent + 0.4 * roof + 0.05 * behind, np.float32)


def beyond_notch(outward: NDArray[np.float32], along: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where the tentorium is, 0 in its notch, in which the brain stem lies, float32[h, w]."""
    edge = _NOTCH_MM * np.clip((_APEX_ALONG + 2 - along) / 14, 0, 1)
    return np.asarray(
        np.clip((along + 6) / 8, 0, 1) * np.clip((outward - edge) / 3, 0, 1), np.float32
    )


@dataclass(frozen=True)
class DenseDura(Still):
    """A falx (and the sagittal sinus at its end) denser than usual, partly ossified."""

    half_mm: float
    hu: float
    sinus_hu: float
    sinus_mm: float
    spots_hu: float
    seed: Spot
    kind: str = "dense falx and sinus"

    def describe(self) -> str:
        return f"{self.kind}, {self.hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        box = view.head_box
        across, along = view.tissue_places(box)
        x, y = view.places(box)
        bow = 0.9 * noise_plane(x, y, view.grid.z_mm, 60.0, self.seed, octaves=1)
        line = edge_share(self.half_mm - np.abs(across - bow), view.grid.pixel_mm)
        share = 0.75 * line * fissure(view, box)
        hu = np.full(across.shape, self.hu, np.float32)
        rough = noise_plane(x, y, view.grid.z_mm, 9.0, self.seed)
        hu += self.spots_hu * np.clip(rough - 1.2, 0, 1)
        if self.sinus_mm and view.below < 92:
            depth = view.depth_mm[box.part]
            # A triangle with its base on the bone.
            wide = self.sinus_mm * (1 - depth / (1.7 * self.sinus_mm))
            sinus = edge_share(np.minimum(wide - np.abs(across), depth), view.grid.pixel_mm)
            sinus = sinus * (along > 30)
            hu = np.where(sinus > share, self.sinus_hu, hu)
            share = np.maximum(share, sinus)
        share = np.asarray(share * view.inside[box.part], np.float32)
        return Deposit(box, share, np.asarray(hu, np.float32))


def dense_dura(frame: HeadFrame, rng: np.random.Generator) -> list[DenseDura]:  # noqa: ARG001
    return [
        DenseDura(
            half_mm=float(rng.uniform(0.5, 1.2)),
            hu=float(rng.uniform(48, 66)),
            sinus_hu=float(rng.uniform(48, 66)),
            sinus_mm=float(rng.uniform(3, 6.5)) if rng.random() < 0.6 else 0.0,
            spots_hu=float(rng.uniform(60, 300)) if rng.random() < 0.3 else 0.0,
            seed=noise_shift(rng),
        )
    ]


@dataclass(frozen=True)
class DenseTransverseSinus(Still):
    """Blood in a transverse sinus, dense: a band on the occipital bone that is no hematoma."""

    side: int
    middle_below: float
    half_below: float
    thick_mm: float
    hu: float
    kind: str = "dense transverse sinus"

    def describe(self) -> str:
        return f"{self.kind}, {self.hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        height = 1 - ((view.below - self.middle_below) / self.half_below) ** 2
        if height <= 0:
            return None
        box = view.head_box
        across, along = view.head_places(box)
        thick = self.thick_mm * np.sqrt(height)
        outward = across * self.side
        share = edge_share(thick - view.depth_mm[box.part], view.grid.pixel_mm)
        share *= np.clip((outward - 4) / 4, 0, 1) * np.clip((58 - outward) / 5, 0, 1)
        share *= np.clip((along - 34) / 5, 0, 1) * view.inside[box.part]
        return Deposit(box, np.asarray(share, np.float32), self.hu)


def dense_transverse_sinus(
    frame: HeadFrame,  # noqa: ARG001
    rng: np.random.Generator,
) -> list[DenseTransverseSinus]:
    return [
        DenseTransverseSinus(
            side=1 if rng.random() < 0.6 else -1,
            middle_below=float(rng.uniform(88, 100)),
            half_below=float(rng.uniform(4, 7)),
            thick_mm=float(rng.uniform(3.5, 6.5)),
            hu=float(rng.uniform(48, 66)),
        )
    ]


@dataclass(frozen=True)
class DenseTentorium(Still):
    """Both leaves of a tentorium denser than usual: thin bands alike on both sides."""

    apex_below: float
    slope: float
    thick_mm: float
    hu: float
    seed: Spot
    kind: str = "dense tentorium"

    def describe(self) -> str:
        return f"{self.kind}, {self.thick_mm:.1f} mm, {self.hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        if not self.apex_below - 4 < view.below < self.apex_below + 34:
            return None
        box = view.head_box
        across, along = view.tissue_places(box)
        outward = np.abs(across)
        x, y = view.places(box)
        wave = noise_plane(x, y, view.grid.z_mm, 30.0, self.seed, octaves=1)
        leaf = tentorium(self.apex_below, self.slope, outward, along) + 1.2 * wave
        total = np.zeros(across.shape, np.float32)
        levels = view.levels(4)
        for z in levels:
            beside = np.abs(leaf - view.frame.below_vertex(z))
            total += edge_share(self.thick_mm / 2 - beside, 2 * view.grid.pixel_mm)
        share = total / len(levels) * beyond_notch(outward, along) * view.inside[box.part]
        return Deposit(box, np.asarray(share, np.float32), self.hu)


def dense_tentorium(frame: HeadFrame, rng: np.random.Generator) -> list[DenseTentorium]:  # noqa: ARG001
    return [
        DenseTentorium(
            apex_below=float(rng.uniform(60, 76)),
            slope=float(rng.uniform(0.6, 0.95)),
            thick_mm=float(rng.uniform(1.6, 4.0)),
            hu=float(rng.uniform(46, 64)),
            seed=noise_shift(rng),
        )
    ]
