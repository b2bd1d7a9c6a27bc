"""Intraventricular hemorrhage: a cast, a layer with a level, or a clot."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from model.data.simulate.chance import Spot, noise_shift
from model.data.simulate.noise import noise_plane
from model.data.simulate.series_anatomy import VENTRICLE, SeriesAnatomy
from model.data.simulate.slice_view import Deposit, Shift, SliceView, edge_share, filling


@dataclass(frozen=True)
class Intraventricular:
    """Blood in the ventricles.

    Layering in the occipital horns, casting, and the parts of the system: Graeb et al. 1982
    (Radiology 143: 91-96), who score them.

    Parameters
    ----------
    form
        `level`, `cast` or `clot`.
    sides
        Which half of the system: -1 left, 1 right, or both.
    middle, radius_mm
        Of the cast or clot, mm of the series.
    level_y_mm
        In the series: blood lies below (behind) it, as the patient lies on the back.
    hu, patchy_hu
        Of the blood, and how uneven it is.
    """

    form: str
    sides: tuple[int, ...]
    middle: Spot
    radius_mm: float
    level_y_mm: float
    hu: float
    patchy_hu: float
    seed: Spot
    kind: str = "intraventricular"

    def describe(self) -> str:
        return f"intraventricular, {self.form}, {self.hu:.0f} HU"

    def shift(self, view: SliceView) -> Shift | None:  # noqa: ARG002
        return None

    def deposit(self, view: SliceView) -> Deposit | None:
        rows, columns = np.nonzero(view.ventricle)
        if not len(rows):
            return None
        step = view.grid.pixel_mm
        box = view.box(
            view.grid.left_mm + step * float(columns.min() + columns.max()) / 2,
            view.grid.top_mm + step * float(rows.min() + rows.max()) / 2,
            step * float(np.ptp(columns)) / 2 + 4,
            step * float(np.ptp(rows)) / 2 + 4,
        )
        if box is None:
            return None
        x, y = view.places(box)
        across, _ = view.head_places(box)
        if self.form == "level":
            ripple = 0.5 * noise_plane(x, y, view.grid.z_mm, 14.0, self.seed, octaves=1)
            where = edge_share(y - self.level_y_mm + ripple, step)
        else:
            distance = np.sqrt(
                (x - self.middle[0]) ** 2
                + (y - self.middle[1]) ** 2
                + (view.grid.z_mm - self.middle[2]) ** 2
            )
            size = 12.0 if self.form == "cast" else 1.6 * self.radius_mm
            rough = noise_plane(x, y, view.grid.z_mm, size, self.seed)
            border = 2.5 if self.form == "cast" else 0.45 * self.radius_mm
            where = edge_share((self.radius_mm + border * rough - distance), step)
        if len(self.sides) == 1:
            where = where * np.clip(across * self.sides[0] / 2 + 1, 0, 1)
        part = box.part
        fluid = view.fluid(box)
        # A cast distends its ventricle by a little.
        wall = ndimage.gaussian_filter(view.ventricle[part].astype(np.float32), 0.9 / step)
        filled = np.clip(1.3 * fluid, 0, 1)
        if self.form == "cast":
            filled = np.maximum(filled, 0.9 * wall)
        near = where * np.clip(2 * wall, 0, 1)
        share = np.asarray(near * filled, np.float32)
        if share.max(initial=0) < 0.25:
            return None
        blood = self.hu + self.patchy_hu * noise_plane(x, y, view.grid.z_mm, 5.0, self.seed)
        if self.form == "level":
            blood = blood + np.clip((y - self.level_y_mm) / 8, 0, 1) * 6 - 4
        added = filling(view, box, near * fluid, share, np.asarray(blood, np.float32))
        return Deposit(box, share, added_hu=added)


def draw_intraventricular(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator
) -> Intraventricular | None:
    """Draw one that slice `index` shows; None where it shows no ventricle."""
    rows, columns = np.nonzero(anatomy.codes[index] & VENTRICLE)
    grid = anatomy.grids[index]
    if len(rows) * grid.pixel_mm**2 < 25:
        return None
    pick = int(rng.integers(len(rows)))
    x = grid.left_mm + grid.pixel_mm * float(columns[pick])
    y = grid.top_mm + grid.pixel_mm * float(rows[pick])
    form = str(rng.choice(["level", "cast", "clot"], p=[0.42, 0.36, 0.22]))
    lowest = grid.top_mm + grid.pixel_mm * float(rows.max())
    radius = {"level": 0.0, "cast": rng.uniform(10, 60), "clot": rng.uniform(2.5, 8)}[form]
    both = rng.random() < (0.6 if form == "level" else 0.4)
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    side = (
        1
        if x > anatomy.frame.x_mm + anatomy.frame.x_per_y * y + (anatomy.frame.x_per_z * grid.z_mm)
        else -1
    )
    return Intraventricular(
        form=form,
        sides=(-1, 1) if both else (side,),
        middle=(x, y, grid.z_mm + float(rng.normal(0, 3))),
        radius_mm=float(radius),
        level_y_mm=lowest - float(rng.uniform(2.5, 14)),
        hu=float(rng.uniform(44, 70)),
        patchy_hu=float(rng.uniform(2, 7)),
        seed=noise_shift(rng),
    )
