"""Blood outside the skull: no intracranial hemorrhage, but what often lies over one."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.chance import Spot, noise_shift
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.lesion import Deposit, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.slice_view import SliceView, edge_share
from model.data.simulate.table import over_face, table_point

_RADIUS_MM: Final = 78.0
"""Of the outer table of a usual head, seen from above."""
_BONE_HU: Final = 110.0


@dataclass(frozen=True)
class ScalpHematoma(Still):
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

    def deposit(self, view: SliceView) -> Deposit | None:
        height = (view.grid.z_mm - self.z_mm) / self.half_height_mm
        found = table_point(view, self.angle)
        if found is None or abs(height) >= 1 or over_face(view, self.angle):
            return None
        (x0, y0), (nx, ny) = found
        outer = outer_table(view, (x0, y0), (-nx, -ny))
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
        out = out + 0.5 * (along * self.half_length_mm) ** 2 / _RADIUS_MM
        inner = np.clip(1 - along**2 - height**2, 0, 1)
        rough = 1 + 0.15 * noise_plane(x, y, view.grid.z_mm, 12.0, self.seed)
        thick = np.asarray(self.thick_mm * inner**1.5 * rough, np.float32)
        before = np.asarray(view.hu[box.part], np.float32)
        after = self._swollen(before, thick / np.float32(view.grid.pixel_mm), (-nx, -ny))
        share = edge_share(np.minimum(thick - out, out + 1.0), view.grid.pixel_mm)
        blood = self.hu + 5 * noise_plane(x, y, view.grid.z_mm, 6.0, self.seed)
        grain = np.clip(before - ndimage.uniform_filter(before, 3), -8, 8)
        after = after + share * (after < _BONE_HU) * (blood + grain - after)
        changed = ~view.inside[box.part] & (out > -2) & (before < _BONE_HU)
        added = np.where(changed, after - before, 0)
        return Deposit(box, np.zeros_like(before), added_hu=np.asarray(added, np.float32))

    def _swollen(
        self, before: NDArray[np.float32], pixels: NDArray[np.float32], outward: tuple[float, float]
    ) -> NDArray[np.float32]:
        """HU after the scalp was lifted off the skull; blood comes from where bone lies."""
        rows, columns = np.indices(before.shape, np.float32)
        bone = ndimage.binary_dilation(before > _BONE_HU, iterations=2)
        source = np.where(bone, np.float32(self.hu), before)
        places = [rows - pixels * outward[1], columns - pixels * outward[0]]
        lifted = ndimage.map_coordinates(source, places, order=1, mode="nearest")
        return np.asarray(lifted, np.float32)


def outer_table(
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
