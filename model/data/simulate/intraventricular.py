"""Intraventricular hemorrhage: a cast, a layer with a level, or a clot."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot, noise_shift
from model.data.simulate.lesion import Deposit, Still
from model.data.simulate.noise import noise_plane
from model.data.simulate.series_anatomy import VENTRICLE, SeriesAnatomy
from model.data.simulate.slice_view import SliceView, edge_share, filling

_LEAST_VENTRICLE_MM2: Final = 12.0
_THIRD_HALF_MM: Final = 4.0
_THIRD_FROM_BELOW: Final = 60.0
_SEPTUM_WITHIN_MM: Final = 6.0
_SEPTUM_KEPT_MM: Final = 1.2
_FOURTH_BELOW: Final = 95.0
"""mm of a usual head below the vertex; what is called a ventricle there is the fourth."""

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Intraventricular(Still):
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
    soft_mm
        Over which its end is diluted by fluid.
    level_y_mm
        In the series: blood lies below (behind) it, as the patient lies on the back.
    swell
        How far a cast distends its ventricle, 0..1.
    hu, patchy_hu
        Of the blood, and how uneven it is.
    """

    form: str
    sides: tuple[int, ...]
    middle: Spot
    radius_mm: float
    soft_mm: float
    level_y_mm: float
    swell: float
    hu: float
    patchy_hu: float
    seed: Spot
    kind: str = "intraventricular"

    def describe(self) -> str:
        return f"intraventricular, {self.form}, {self.hu:.0f} HU"

    def deposit(self, view: SliceView) -> Deposit | None:
        box = _ventricle_box(view)
        if box is None:
            return None
        septum = _septum(view, box)
        where = self._level(view, box) if self.form == "level" else self._clotted(view, box)
        if len(self.sides) == 1:
            where = where * _one_half(view, septum, box, self.sides[0])
        where = where * ~_beside_ventricles(view, box)
        fluid = view.fluid(box)
        share = np.asarray(where * self._filled(view, septum, box, fluid), np.float32)
        if share.max(initial=0) < 0.25:
            return None
        x, y = view.places(box)
        blood = self.hu + self.patchy_hu * noise_plane(x, y, view.grid.z_mm, 5.0, self.seed)
        if self.form == "level":
            blood = blood + np.clip((y - self.level_y_mm) / 8, 0, 1) * 6 - 4
        added = filling(view, box, np.minimum(share, fluid), share, np.asarray(blood, np.float32))
        return Deposit(box, share, added_hu=added)

    def _level(self, view: SliceView, box: Box) -> _Floats:
        x, y = view.places(box)
        ripple = 0.5 * noise_plane(x, y, view.grid.z_mm, 14.0, self.seed, octaves=1)
        return edge_share(y - self.level_y_mm + ripple, view.grid.pixel_mm)

    def _clotted(self, view: SliceView, box: Box) -> _Floats:
        """Share of blood, whose end fluid dilutes; it sinks to the back."""
        x, y = view.places(box)
        behind = y - self.middle[1]
        behind = behind * np.where(behind > 0, 0.65, 1.1)
        height = view.grid.z_mm - self.middle[2]
        distance = np.sqrt((x - self.middle[0]) ** 2 + behind**2 + height**2)
        size, border = 1.6 * self.radius_mm, 0.45 * self.radius_mm
        if self.form == "cast":
            size, border = 13.0, 4.5
        rough = noise_plane(x, y, view.grid.z_mm, size, self.seed)
        soft = max(self.soft_mm, 2.1 * view.grid.pixel_mm)
        return np.asarray(
            np.clip(0.5 + (self.radius_mm + border * rough - distance) / soft, 0, 1), np.float32
        )

    def _filled(self, view: SliceView, septum: _Floats, box: Box, fluid: _Floats) -> _Floats:
        """Fluid, and for a cast what it distends the ventricle by: not through the septum."""
        near = ndimage.gaussian_filter(
            view.ventricle[box.part].astype(np.float32), 0.9 / view.grid.pixel_mm
        )
        filled = np.clip(1.3 * fluid, 0, 1) * np.clip(2 * near, 0, 1)
        if self.form == "cast":
            distended = np.clip(2.4 * (near - 0.6 + 0.35 * self.swell) + 0.5, 0, 1)
            away = np.clip(np.abs(septum) - _SEPTUM_KEPT_MM, 0, 1)
            free = np.maximum(away, _unpaired(view, septum, box))
            filled = np.maximum(filled, distended * free)
        return np.asarray(filled, np.float32)


def _ventricle_box(view: SliceView) -> Box | None:
    rows, columns = np.nonzero(view.ventricle)
    if not len(rows):
        return None
    step = view.grid.pixel_mm
    return view.box(
        view.grid.left_mm + step * float(columns.min() + columns.max()) / 2,
        view.grid.top_mm + step * float(rows.min() + rows.max()) / 2,
        step * float(np.ptp(columns)) / 2 + 4,
        step * float(np.ptp(rows)) / 2 + 4,
    )


def _septum(view: SliceView, box: Box) -> _Floats:
    """Distance from the septum to the image's right, mm of a usual head, float32[h, w].

    It is the brightest line near the plane of symmetry, where fluid lies on both sides.
    """
    across, _ = view.tissue_places(box)
    hu = ndimage.gaussian_filter(np.clip(view.hu[box.part], 0, 60), 0.7 / view.grid.pixel_mm)
    near = np.clip(1 - np.abs(across) / _SEPTUM_WITHIN_MM, 0, 1)
    weight = near * np.clip((hu - 10) / 20, 0.03, 1) ** 3
    middle = (weight * across).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-3)
    middle = ndimage.gaussian_filter1d(middle, 2.5 / view.grid.pixel_mm)
    return np.asarray(across - middle[:, None], np.float32)


def _beside_ventricles(view: SliceView, box: Box) -> NDArray[np.bool_]:
    """Where fissure or cistern lies against a ventricle, and may have been taken for a part."""
    if view.below > _FOURTH_BELOW:
        return np.zeros((box.bottom - box.top, box.right - box.left), np.bool_)
    across, along = view.tissue_places(box)
    fissure = (np.abs(across) < 5) & (along < -30)
    cistern = (np.abs(across) < 9) & (along > 17) & (view.below > 62)
    return np.asarray(fissure | cistern)


def _unpaired(view: SliceView, septum: _Floats, box: Box) -> _Floats:
    """1 where the third and the fourth ventricle lie, which belong to both sides."""
    if view.below > _FOURTH_BELOW:
        return np.ones_like(septum)
    if view.below < _THIRD_FROM_BELOW:
        return np.zeros_like(septum)
    _, along = view.head_places(box)
    ends = np.clip((along + 16) / 4, 0, 1) * np.clip((16 - along) / 4, 0, 1)
    return np.asarray(np.clip(_THIRD_HALF_MM - np.abs(septum), 0, 1) * ends, np.float32)


def _one_half(view: SliceView, septum: _Floats, box: Box, side: int) -> _Floats:
    half = np.clip(septum * side + 0.5, 0, 1)
    return np.asarray(np.maximum(half, _unpaired(view, septum, box)), np.float32)


def shows_ventricle(anatomy: SeriesAnatomy, index: int) -> bool:
    """Whether slice `index` has a place for blood in a ventricle."""
    pixels = int(np.count_nonzero(anatomy.codes[index] & VENTRICLE))
    return bool(pixels * anatomy.grids[index].pixel_mm ** 2 >= _LEAST_VENTRICLE_MM2)


def draw_intraventricular(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator
) -> Intraventricular | None:
    """Draw one that slice `index` shows; None where it shows no ventricle."""
    frame = anatomy.frame
    rows, columns = np.nonzero(anatomy.codes[index] & VENTRICLE)
    grid = anatomy.grids[index]
    if frame is None or not shows_ventricle(anatomy, index):
        return None
    x, y = (
        grid.left_mm + grid.pixel_mm * columns,
        grid.top_mm + grid.pixel_mm * rows,
    )
    across = frame.across(x, y, grid.z_mm) / frame.scale
    third = np.flatnonzero(np.abs(across) < _THIRD_HALF_MM)
    pick = int(rng.integers(len(rows)))
    if len(third) and rng.random() < 0.25:
        pick = int(third[int(rng.integers(len(third)))])
    form = str(rng.choice(["level", "cast", "clot"], p=[0.4, 0.4, 0.2]))
    if form == "level" and frame.below_vertex(grid.z_mm) > _FOURTH_BELOW:
        form = "clot"
    radius = {"level": 0.0, "cast": rng.uniform(12, 70), "clot": rng.uniform(2.5, 8)}[form]
    both = rng.random() < (0.6 if form == "level" else 0.4)
    # Much lies in the back at first, and a little is easily overlooked.
    deep = float(rng.uniform(2.5, 7.0) if rng.random() < 0.6 else rng.uniform(5.0, 16.0))
    return Intraventricular(
        form=form,
        sides=(-1, 1) if both else (1 if across[pick] > 0 else -1,),
        middle=(float(x[pick]), float(y[pick]), grid.z_mm + float(rng.normal(0, 3))),
        radius_mm=float(radius),
        soft_mm=float(rng.uniform(3, 14)) if form == "cast" else float(rng.uniform(1, 2.5)),
        level_y_mm=float(y.max()) - deep,
        swell=float(rng.uniform(0, 1)),
        hu=float(rng.uniform(44, 68)),
        patchy_hu=float(rng.uniform(2, 6)),
        seed=noise_shift(rng),
    )
