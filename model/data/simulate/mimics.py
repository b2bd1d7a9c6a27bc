"""What resembles bleeding inside the head: calcium, dense dura, sinuses, vessels, old defects."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.blob import Blob
from model.data.simulate.chance import Spot, log_uniform, noise_shift
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.lesion import Deposit, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.slice_view import Shift, SliceView, edge_share


def _blob(
    kind: str,
    center: Spot,
    radii: Spot,
    hu: float,
    rng: np.random.Generator,
    *,
    rough: float = 0.2,
    soft_mm: float = 1.0,
    mixed: float = 0.0,
    site: str = "",
) -> Blob:
    return Blob(
        kind=kind,
        site=site,
        center=center,
        radii_mm=radii,
        turn=float(rng.uniform(0, np.pi)),
        rough=rough,
        soft_mm=soft_mm,
        mixed=mixed,
        hu=hu,
        patchy_hu=0.06 * hu,
        rim=0.0,
        push=0.0,
        seed=noise_shift(rng),
        anywhere=True,
    )


def _jitter(frame: HeadFrame, place: Spot, rng: np.random.Generator, mm: float) -> Spot:
    moved = [value + float(rng.normal(0, mm)) for value in place]
    return frame.point(moved[0], moved[1], moved[2])


def calcified_pineal(frame: HeadFrame, rng: np.random.Generator) -> list[Blob]:
    radius = log_uniform(rng, 1.2, 3.6)
    center = _jitter(frame, (0, 17, 70), rng, 1.5)
    hu = float(rng.uniform(90, 380))
    return [_blob("calcified pineal", center, (radius, radius, 4), hu, rng, mixed=0.4)]


def calcified_plexus(frame: HeadFrame, rng: np.random.Generator) -> list[Blob]:
    found = []
    for side in (-1, 1):
        if rng.random() < 0.85:
            center = _jitter(frame, (side * 23, 27, 67), rng, 2.5)
            radii = (log_uniform(rng, 1.5, 4.5), log_uniform(rng, 1.2, 3), 4.0)
            hu = float(rng.uniform(80, 350))
            found.append(_blob("calcified plexus", center, radii, hu, rng, rough=0.3, mixed=0.5))
    return found


def calcified_ganglia(frame: HeadFrame, rng: np.random.Generator) -> list[Blob]:
    found = []
    hu = float(rng.uniform(60, 140))
    for side in (-1, 1):
        center = _jitter(frame, (side * 19, -4, 72), rng, 1.5)
        radii = (log_uniform(rng, 2, 5), log_uniform(rng, 1.5, 3.5), 6.0)
        found.append(
            _blob("calcified ganglia", center, radii, hu, rng, rough=0.4, soft_mm=2, mixed=0.8)
        )
    return found


def dense_vessel(frame: HeadFrame, rng: np.random.Generator) -> list[Blob]:
    if rng.random() < 0.4:
        center = _jitter(frame, (0, -4, 96), rng, 1.5)
        return [_blob("dense basilar artery", center, (2.1, 2.1, 12), 62.0, rng, rough=0.05)]
    side = 1 if rng.random() < 0.5 else -1
    center = _jitter(frame, (side * 18, -16, 90), rng, 2)
    vessel = _blob("dense middle cerebral artery", center, (9, 1.5, 3), 60.0, rng, rough=0.2)
    return [vessel]


def old_infarct(frame: HeadFrame, rng: np.random.Generator) -> list[Blob]:
    side = 1 if rng.random() < 0.5 else -1
    radius = log_uniform(rng, 2.5, 26)
    place = (side * rng.uniform(14, 52), rng.uniform(-50, 55), rng.uniform(25, 110))
    center = _jitter(frame, (float(place[0]), float(place[1]), float(place[2])), rng, 2)
    hu = float(rng.uniform(8, 22))
    radii = (radius, radius * float(rng.uniform(0.5, 1)), radius)
    return [_blob("old infarct", center, radii, hu, rng, rough=0.35, soft_mm=3.5, mixed=0.3)]


@dataclass(frozen=True)
class PartialVolume(Still):
    """Bone half in the slice, at the base or the vertex: bright at the bone, without a border."""

    center: Spot
    half: Spot
    wide_mm: float
    share: float
    seed: Spot
    kind: str = "partial volume"

    def describe(self) -> str:
        return f"partial volume of bone, {self.wide_mm:.0f} mm wide"

    def deposit(self, view: SliceView) -> Deposit | None:
        below = (view.below - self.center[2]) / self.half[2]
        if abs(below) >= 1:
            return None
        box = view.head_box
        across, along = view.head_places(box)
        first = (across - self.center[0]) / self.half[0]
        second = (along - self.center[1]) / self.half[1]
        inner = np.clip(1 - first**2 - second**2 - below**2, 0, 1)
        x, y = view.places(box)
        rough = 1 + 0.35 * noise_plane(x, y, view.grid.z_mm, 12.0, self.seed)
        near = np.exp(-view.depth_mm[box.part] / np.maximum(self.wide_mm * rough, 0.5))
        added = 160 * self.share * inner * near * view.inside[box.part]
        nothing = np.zeros(across.shape, np.float32)
        return Deposit(box, nothing, added_hu=np.asarray(added, np.float32))


def partial_volume(frame: HeadFrame, rng: np.random.Generator) -> list[PartialVolume]:  # noqa: ARG001
    side = 1 if rng.random() < 0.5 else -1
    places = ((side * 26, -56, 86), (side * 42, 12, 97), (side * 46, -22, 92), (side * 20, 0, 8))
    place = places[int(rng.integers(len(places)))]
    half = (float(rng.uniform(15, 32)), float(rng.uniform(15, 32)), float(rng.uniform(4, 9)))
    width, share = float(rng.uniform(1.5, 5)), float(rng.uniform(0.25, 0.9))
    return [PartialVolume(place, half, width, share, noise_shift(rng))]


@dataclass(frozen=True)
class WideFluid:
    """Atrophy: fluid between bone and brain, most of it in front."""

    thick_mm: float
    front: float
    hu: float
    seed: Spot
    kind: str = "atrophy"

    def describe(self) -> str:
        return f"atrophy, {self.thick_mm:.0f} mm of fluid over the brain"

    def _thickness(self, view: SliceView) -> NDArray[np.float32]:
        box = view.head_box
        across, along = view.head_places(box)
        x, y = view.places(box)
        wave = noise_plane(x, y, view.grid.z_mm, 16.0, self.seed, octaves=2)
        frontal = np.clip((self.front - along) / 60, 0, 1)
        high = float(np.clip((88 - view.below) / 20, 0, 1) * np.clip((view.below - 14) / 16, 0, 1))
        thick = self.thick_mm * frontal * high * np.clip(1 + 0.5 * wave, 0, 2)
        return np.asarray(thick + 0 * across, np.float32)

    def shift(self, view: SliceView) -> Shift | None:
        box = view.head_box
        thick = self._thickness(view)
        depth = view.depth_mm[box.part]
        push = thick * np.clip(1 - (depth - thick) / min(45.0, view.reach_mm), 0, 1)
        down, right, clear = view.inward(box)
        push = clear * np.minimum(push, np.maximum(depth - 1.8, 0)) / view.grid.pixel_mm
        return Shift(box, -down * push, -right * push)

    def deposit(self, view: SliceView) -> Deposit | None:
        box = view.head_box
        distance = self._thickness(view) - view.depth_mm[box.part]
        share = edge_share(distance, 1.5 * view.grid.pixel_mm) * view.inside[box.part]
        return Deposit(box, np.asarray(share, np.float32), self.hu)


def atrophy(frame: HeadFrame, rng: np.random.Generator) -> list[WideFluid]:  # noqa: ARG001
    thick, front = float(rng.uniform(1.5, 6)), float(rng.uniform(-20, 60))
    return [WideFluid(thick, front, float(rng.uniform(4, 12)), noise_shift(rng))]
