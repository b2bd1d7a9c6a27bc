"""What the scanner and the patient's restlessness leave in a slice: bands, streaks and ghosts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot, noise_shift
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.lesion import Deposit, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.slice_view import SliceView


def _added(view: SliceView, box: Box, added: NDArray[np.float32]) -> Deposit:
    """Add HU to what is no air; an artefact has no border."""
    body = np.clip((view.hu[box.part] + 300) / 200, 0, 1)
    return Deposit(box, np.zeros(added.shape, np.float32), added_hu=np.asarray(added * body))


@dataclass(frozen=True)
class BeamHardening(Still):
    """Dark and bright bands between the petrous bones (the interpetrous or Hounsfield bar).

    Barrett and Keat 2004 (RadioGraphics 24: 1679-1691) on artefacts in CT, for this one, for
    streaks of metal, and for motion.
    """

    below: float
    strength_hu: float
    seed: Spot
    kind: str = "beam hardening"

    def describe(self) -> str:
        return f"beam hardening, {self.strength_hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        level = max(1 - abs(view.below - self.below) / 14, 0.0)
        if level == 0:
            return None
        box = view.head_box
        across, along = view.head_places(box)
        x, y = view.places(box)
        # Noise that is drawn out across the head.
        bands = noise_plane(0.12 * x, y, 0.3 * view.grid.z_mm, 11.0, self.seed, octaves=2)
        near = np.exp(-(((along - 6) / 26) ** 2)) * np.clip((64 - np.abs(across)) / 14, 0, 1)
        added = self.strength_hu * level * (bands * near - 0.5 * near)
        return _added(view, box, np.asarray(added * view.inside[box.part], np.float32))


def beam_hardening(frame: HeadFrame, rng: np.random.Generator) -> list[BeamHardening]:  # noqa: ARG001
    strength = float(rng.uniform(4, 13))
    return [BeamHardening(float(rng.uniform(94, 110)), strength, noise_shift(rng))]


@dataclass(frozen=True)
class MetalStreaks(Still):
    """Bright and dark rays from a piece of metal in or on the skull."""

    angle: float
    distance_mm: float
    z_mm: float
    half_height_mm: float
    strength_hu: float
    seed: Spot
    kind: str = "metal streaks"

    def describe(self) -> str:
        return f"metal streaks, {self.strength_hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        level = 1 - abs(view.grid.z_mm - self.z_mm) / self.half_height_mm
        if level <= 0:
            return None
        right, back = view.frame.directions()
        x0, y0, _ = view.frame.point(0, 0, view.below)
        x0 += self.distance_mm * float(np.sin(self.angle) * right[0] - np.cos(self.angle) * back[0])
        y0 += self.distance_mm * float(np.sin(self.angle) * right[1] - np.cos(self.angle) * back[1])
        box = view.head_box
        x, y = view.places(box)
        dx, dy = x - x0, y - y0
        far = np.sqrt(dx**2 + dy**2) + 3
        turn = np.arctan2(dy, dx)
        steps = np.random.default_rng(int(1e6 * self.seed[0]))
        table = ndimage.gaussian_filter1d(steps.normal(size=720), 1.5, mode="wrap")
        table *= steps.random(720) ** 2 * 3
        rays = np.interp((turn / (2 * np.pi)) % 1 * 720, np.arange(721), np.append(table, table[0]))
        added = self.strength_hu * level * rays * (22 / (far + 12))
        return _added(view, box, np.asarray(added, np.float32))


def metal_streaks(frame: HeadFrame, rng: np.random.Generator) -> list[MetalStreaks]:
    below = float(rng.uniform(40, 125))
    return [
        MetalStreaks(
            angle=float(rng.uniform(-np.pi, np.pi)),
            distance_mm=float(rng.uniform(55, 110)),
            z_mm=frame.point(0, 0, below)[2],
            half_height_mm=float(rng.uniform(5, 16)),
            strength_hu=float(rng.uniform(10, 45)),
            seed=noise_shift(rng),
        )
    ]


@dataclass(frozen=True)
class Motion(Still):
    """The patient moved during some rotations: the skull's ghost, and streaks along the edge."""

    right_mm: float
    down_mm: float
    share: float
    z_mm: float
    half_height_mm: float
    kind: str = "motion"

    def describe(self) -> str:
        return f"motion, {np.hypot(self.right_mm, self.down_mm):.1f} mm"

    def deposit(self, view: SliceView) -> Deposit | None:
        if abs(view.grid.z_mm - self.z_mm) > self.half_height_mm:
            return None
        step = view.grid.pixel_mm
        ghost = ndimage.shift(
            view.hu, (self.down_mm / step, self.right_mm / step), order=1, mode="nearest"
        )
        added = self.share * (ghost - view.hu)
        box = Box(0, view.hu.shape[0], 0, view.hu.shape[1])
        return Deposit(box, np.zeros(view.hu.shape, np.float32), added_hu=added)


def motion(frame: HeadFrame, rng: np.random.Generator) -> list[Motion]:
    angle = rng.uniform(0, 2 * np.pi)
    far = float(rng.uniform(1, 4.5))
    return [
        Motion(
            right_mm=far * float(np.cos(angle)),
            down_mm=far * float(np.sin(angle)),
            share=float(rng.uniform(0.15, 0.42)),
            z_mm=frame.point(0, 0, float(rng.uniform(10, 115)))[2],
            half_height_mm=float(rng.uniform(3, 18)),
        )
    ]
