"""What goes with bleeding and is none: scalp hematoma, fracture, the cut of a craniotomy."""

from dataclasses import dataclass

import numpy as np

from model.data.simulate.chance import Spot, noise_shift
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.noise import noise_plane
from model.data.simulate.slice_view import Deposit, Shift, SliceView, edge_share
from model.data.simulate.table import table_point


@dataclass(frozen=True)
class ScalpHematoma:
    """Blood outside the skull."""

    angle: float
    z_mm: float
    half_length_mm: float
    half_height_mm: float
    thick_mm: float
    hu: float
    seed: Spot
    kind: str = "scalp hematoma"

    def describe(self) -> str:
        return f"scalp hematoma, {self.thick_mm:.0f} mm, {self.hu:.0f} HU"

    def shift(self, view: SliceView) -> Shift | None:  # noqa: ARG002
        return None

    def deposit(self, view: SliceView) -> Deposit | None:
        height = (view.grid.z_mm - self.z_mm) / self.half_height_mm
        found = table_point(view, self.angle)
        if found is None or abs(height) >= 1:
            return None
        (x0, y0), (nx, ny) = found
        outer = _outer_table(view, (x0, y0), (-nx, -ny))
        if outer is None:
            return None
        x0, y0 = x0 - nx * outer, y0 - ny * outer
        half = self.half_length_mm + 4
        box = view.box(x0, y0, half, half)
        if box is None:
            return None
        x, y = view.places(box)
        along = ((x - x0) * -ny + (y - y0) * nx) / self.half_length_mm
        out = -((x - x0) * nx + (y - y0) * ny)
        # The skull curves away below the lens.
        out = out + 0.5 * (along * self.half_length_mm) ** 2 / 75
        inner = np.clip(1 - along**2 - height**2, 0, 1)
        rough = 1 + 0.15 * noise_plane(x, y, view.grid.z_mm, 12.0, self.seed)
        thick = self.thick_mm * inner * rough
        share = edge_share(thick - out, view.grid.pixel_mm) * (inner > 0.02)
        outside = ~view.inside[box.part] & (view.hu[box.part] < 75) & (out > -6)
        share = np.asarray(share * outside, np.float32)
        hu = view.hu[box.part]
        blood = self.hu + 5 * noise_plane(x, y, view.grid.z_mm, 6.0, self.seed)
        # Under the new surface lies skin.
        skin = np.clip(1 - (thick - out) / 3.0, 0, 1)
        target = blood * (1 - 0.5 * skin)
        return Deposit(box, share, added_hu=np.asarray(share * (target - hu), np.float32))


def _outer_table(
    view: SliceView, start: tuple[float, float], outward: tuple[float, float]
) -> float | None:
    """Find the skull's thickness in mm along a ray from the inner table."""
    steps = np.arange(0, 22, 0.4)
    columns = ((start[0] + outward[0] * steps - view.grid.left_mm) / view.grid.pixel_mm).astype(int)
    rows = ((start[1] + outward[1] * steps - view.grid.top_mm) / view.grid.pixel_mm).astype(int)
    height, width = view.hu.shape
    hu = view.hu[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    bone = np.flatnonzero(hu > 250)
    return float(steps[bone[-1]]) if len(bone) else None


def scalp_hematoma(frame: HeadFrame, rng: np.random.Generator) -> list[ScalpHematoma]:
    below = float(rng.uniform(20, 85))
    return [scalp_hematoma_at(float(rng.uniform(-3, 3)), frame.point(0, 0, below)[2], rng)]


def scalp_hematoma_at(angle: float, z_mm: float, rng: np.random.Generator) -> ScalpHematoma:
    """Draw one at an angle from the front: over an epidural hematoma, or by itself."""
    length = float(rng.uniform(18, 44))
    return ScalpHematoma(
        angle=angle,
        z_mm=z_mm,
        half_length_mm=length,
        half_height_mm=float(rng.uniform(12, 40)),
        thick_mm=float(rng.uniform(3, 12)),
        hu=float(rng.uniform(42, 70)),
        seed=noise_shift(rng),
    )


@dataclass(frozen=True)
class BoneGap:
    """A fracture, or the cut of a craniotomy: a slit through the skull."""

    angles: tuple[float, ...]
    z_mm: float
    half_height_mm: float
    lean: float
    width_mm: float
    kind: str = "bone gap"

    def describe(self) -> str:
        return "craniotomy" if len(self.angles) > 1 else "fracture"

    def shift(self, view: SliceView) -> Shift | None:  # noqa: ARG002
        return None

    def deposit(self, view: SliceView) -> Deposit | None:
        if abs(view.grid.z_mm - self.z_mm) > self.half_height_mm:
            return None
        box = view.head_box
        wide = view.box(
            view.grid.left_mm + view.grid.pixel_mm * (box.left + box.right) / 2,
            view.grid.top_mm + view.grid.pixel_mm * (box.top + box.bottom) / 2,
            view.grid.pixel_mm * (box.right - box.left) / 2 + 22,
            view.grid.pixel_mm * (box.bottom - box.top) / 2 + 22,
        )
        if wide is None:
            return None
        x, y = view.places(wide)
        share = np.zeros((y.shape[0], x.shape[1]))
        for angle in self.angles:
            found = table_point(view, angle + self.lean * (view.grid.z_mm - self.z_mm))
            if found is None:
                continue
            (x0, y0), (nx, ny) = found
            beside = np.abs((x - x0) * -ny + (y - y0) * nx)
            out = -((x - x0) * nx + (y - y0) * ny)
            near = (out > -2) & (out < 16)
            slit = edge_share(self.width_mm / 2 - beside, view.grid.pixel_mm)
            share = np.maximum(share, slit * near)
        hu = view.hu[wide.part]
        share = share * ((hu > 120) & ~view.inside[wide.part])
        if share.max(initial=0) < 0.1:
            return None
        added = share * (40.0 - hu) * 0.9
        return Deposit(wide, np.asarray(share, np.float32), added_hu=np.asarray(added, np.float32))


def bone_gap(frame: HeadFrame, rng: np.random.Generator) -> list[BoneGap]:
    angle = float(rng.uniform(-2.8, 2.8))
    z = frame.point(0, 0, float(rng.uniform(20, 80)))[2]
    if rng.random() < 0.35:
        other = angle + float(rng.uniform(0.4, 0.9))
        height = float(rng.uniform(15, 30))
        return [BoneGap((angle, other), z, height, 0.0, float(rng.uniform(1.5, 3.5)))]
    return [fracture_at(angle, z, rng)]


def fracture_at(angle: float, z_mm: float, rng: np.random.Generator) -> BoneGap:
    """Draw a fracture line through a point of the skull."""
    lean = float(rng.normal(0, 0.012))
    return BoneGap((angle,), z_mm, float(rng.uniform(10, 35)), lean, float(rng.uniform(0.6, 1.8)))
