"""Put deposits into a slice: tissue moves, blood takes its place, the slice's own noise stays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.slice_view import Box, Deposit, Lesion, Shift, SliceView
from model.labels import SUBTYPES

LEAST_VISIBLE_MM2: Final = 9.0
"""A slice is positive for a subtype from this area of visible blood on."""
LEAST_EXCESS_HU_MM2: Final = 130.0
"""And from this much brightness above brain, summed over that area."""
LEAST_MEAN_HU: Final = 12.0
"""And by so much on average."""
LEAST_MEAN_SULCI_HU: Final = 9.0
LEAST_TO_NOISE: Final = 15.0
"""And by so many standard deviations of a sum over that area, were the noise white."""
LEAST_DARK_MM2: Final = 180.0
"""Old blood, as bright as brain or darker, is seen where it has at least this area."""
_HIDDEN_MM: Final = 1.3
"""So close to bone, its blurred edge hides blood."""
_BONE_EDGE_MM: Final = 4.0
_BONE_HU: Final = 75.0
"""Above the brain: bone makes up so much of the pixel that blood in it does not count."""
_LEAST_CHANGE_HU: Final = 7.0
_BRIGHTER_HU: Final = 5.0
_BACKGROUND_MM: Final = 1.25
_NOISE_KEPT: Final = 2.2
"""Standard deviations: beyond them, what differs from its surroundings is structure."""

_Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Composed:
    """A slice after insertion: hu float32[H, W], masks bool[5, H, W] in `SUBTYPES` order."""

    hu: _Floats
    masks: NDArray[np.bool_]


def compose(view: SliceView, lesions: Sequence[Lesion]) -> Composed:
    """Insert lesions into a slice, the first ones undermost.

    What would not be visible is not inserted at all: a slice's labels tell what can be seen.
    """
    shifts = [_trimmed(one) for one in (lesion.shift(view) for lesion in lesions) if one]
    moved = _moved(view, shifts) if shifts else view
    hu = moved.hu.copy()
    masks = np.zeros((len(SUBTYPES), *hu.shape), np.bool_)
    for lesion in lesions:
        put = lesion.deposit(moved)
        if put is None:
            continue
        put = _cropped(put)
        after = _blended(view, hu, put)
        if lesion.kind in SUBTYPES:
            visible = _visible(view, after, hu, put, lesion.kind)
            if visible is None:
                continue
            part = put.box.part
            # What lies on top hides what was there before.
            masks[(slice(None), *part)] &= ~visible
            masks[(SUBTYPES.index(lesion.kind), *part)] |= visible
        hu[put.box.part] = after
    return Composed(hu, masks)


def _visible(
    view: SliceView, after: _Floats, before: _Floats, put: Deposit, kind: str
) -> NDArray[np.bool_] | None:
    """Where a reader would see the deposit; None where there is too little to be seen.

    Old subdural blood may be as bright as brain, or darker, and still be seen; blood in many sulci
    is seen as a pattern, and by what it hides.
    """
    change = np.abs(ndimage.uniform_filter(after - before[put.box.part], 3))
    bright = ndimage.uniform_filter(after, 3) - view.brain_hu
    seen = (view.depth_mm[put.box.part] > _HIDDEN_MM) & (bright < _BONE_HU)
    visible: NDArray[np.bool_] = (put.share > 0.3) & (change > _LEAST_CHANGE_HU) & seen
    brighter = visible & (bright > _BRIGHTER_HU)
    pixel_mm2 = view.grid.pixel_mm**2
    area = float(brighter.sum()) * pixel_mm2
    # What bone's blurred edge brightens is not the blood's.
    own = np.minimum(np.minimum(bright, change), 40)
    excess = float(own[brighter].sum()) * pixel_mm2
    sum_noise = view.noise_hu * (max(area, 1e-3) * pixel_mm2) ** 0.5
    mean = LEAST_MEAN_SULCI_HU if kind == "subarachnoid" else LEAST_MEAN_HU
    clear = excess >= max(mean * area, LEAST_EXCESS_HU_MM2, LEAST_TO_NOISE * sum_noise)
    if area >= LEAST_VISIBLE_MM2 and clear:
        return visible
    return visible if kind == "subdural" and visible.sum() * pixel_mm2 >= LEAST_DARK_MM2 else None


def _around(amount: _Floats, least: float) -> tuple[slice, slice]:
    """Rows and columns in which anything is at least `least`."""
    rows, columns = (np.flatnonzero((amount >= least).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _inner(box: Box, part: tuple[slice, slice]) -> Box:
    rows, columns = part
    return Box(
        box.top + rows.start, box.top + rows.stop, box.left + columns.start, box.left + columns.stop
    )


def _cropped(put: Deposit) -> Deposit:
    """Leave out the margins of a deposit in which it changes nothing."""
    amount = put.share
    for other in (put.extra_hu, put.added_hu):
        if other is not None:
            amount = np.maximum(amount, np.abs(other))
    part = _around(amount, 0.01)

    def cut(values: _Floats) -> _Floats:
        return values[part]

    blood = put.blood_hu
    return Deposit(
        box=_inner(put.box, part),
        share=cut(put.share),
        blood_hu=cut(blood) if isinstance(blood, np.ndarray) else blood,
        extra_hu=None if put.extra_hu is None else cut(put.extra_hu),
        added_hu=None if put.added_hu is None else cut(put.added_hu),
    )


def _trimmed(one: Shift) -> Shift:
    """Leave out the margins of a shift in which nothing moves by a tenth of a pixel."""
    part = _around(np.abs(one.down) + np.abs(one.right), 0.1)
    return Shift(_inner(one.box, part), one.down[part], one.right[part])


def _blended(view: SliceView, hu: _Floats, put: Deposit) -> _Floats:
    part = put.box.part
    now = hu[part] if put.extra_hu is None else hu[part] + put.extra_hu
    if put.added_hu is not None:
        return now + put.added_hu
    rest = _noise_of(view, put)
    return np.asarray(now * (1 - put.share) + put.share * (put.blood_hu + rest), np.float32)


def _noise_of(view: SliceView, put: Deposit) -> _Floats:
    """The slice's own noise, and near bone its blurred edge, without the tissue."""
    part = put.box.part
    hu = view.hu[part]
    soft = (view.inside[part] & (hu > -10) & (hu < 80)).astype(np.float32)
    width = _BACKGROUND_MM / view.grid.pixel_mm
    weight = ndimage.gaussian_filter(soft, width)
    mean = ndimage.gaussian_filter(soft * hu, width) / np.maximum(weight, 0.05)
    rest = hu - np.where(weight > 0.05, mean, view.brain_hu)
    limit = _NOISE_KEPT * view.noise_hu
    deep = view.depth_mm[part] > 2.0
    kept = np.clip(rest, -limit, np.where(deep, limit, 3000))
    # The mean took the coarse part of the noise away.
    return np.asarray(np.where(kept > limit, kept, kept * 1.2), np.float32)


def _moved(view: SliceView, shifts: Sequence[Shift]) -> SliceView:
    """Move tissue; the noise stays where it is, so that it is not smoothed."""
    top, left = min(s.box.top for s in shifts), min(s.box.left for s in shifts)
    bottom, right = max(s.box.bottom for s in shifts), max(s.box.right for s in shifts)
    down = np.zeros((bottom - top, right - left), np.float32)
    aside = np.zeros_like(down)
    for one in shifts:
        part = (
            slice(one.box.top - top, one.box.bottom - top),
            slice(one.box.left - left, one.box.right - left),
        )
        down[part] += one.down
        aside[part] += one.right
    whole = (slice(top, bottom), slice(left, right))
    # Pixels come from at most `margin` outside the part that moves.
    margin = int(max(np.abs(down).max(), np.abs(aside).max())) + 4
    y0, x0 = max(top - margin, 0), max(left - margin, 0)
    around = (slice(y0, bottom + margin), slice(x0, right + margin))
    rows = np.arange(top - y0, bottom - y0, dtype=np.float32)[:, None] + down
    columns = np.arange(left - x0, right - x0, dtype=np.float32)[None, :] + aside
    inner = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
    depth = view.depth_mm[whole]
    soft = np.clip(view.hu[around], -60, 120)
    # The blurred edge of bone stays at the bone: brain alone moves.
    edge = view.depth_mm[around] < _BONE_EDGE_MM
    soft[edge] = np.minimum(soft[edge], view.brain_hu + 2)
    smooth = ndimage.gaussian_filter(soft, 0.55 / view.grid.pixel_mm)
    far = np.abs(down) + np.abs(aside)
    came = ndimage.map_coordinates(smooth, [rows, columns], order=1, mode="nearest")
    # Only the smooth part changes: noise stays, and so does the blurred edge of bone.
    share = np.clip(far / 0.7, 0, 1) * np.clip((depth - 0.8) / 1.5, 0, 1)
    hu = view.hu.copy()
    hu[whole] += share * (came - smooth[inner])
    ventricle = view.ventricle
    if ventricle[around].any():
        places = [np.rint(rows).astype(np.intp), np.rint(columns).astype(np.intp)]
        height, width = soft.shape
        picked = ventricle[around][places[0].clip(0, height - 1), places[1].clip(0, width - 1)]
        ventricle = ventricle.copy()
        ventricle[whole] = picked & view.inside[whole]
    return replace(view, hu=hu, ventricle=ventricle)
