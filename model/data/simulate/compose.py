"""Put deposits into a slice: tissue moves, blood takes its place, the slice's own noise stays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.slice_view import FLUID_HU, Deposit, Lesion, Shift, SliceView
from model.labels import SUBTYPES

LEAST_VISIBLE_MM2: Final = 9.0
"""A slice is positive for a subtype from this area of visible blood on."""
_BONE_EDGE_MM: Final = 4.0
_HIDDEN_MM: Final = 0.8
"""So close to bone, its blurred edge hides blood."""
_LEAST_CHANGE_HU: Final = 7.0
_BACKGROUND_MM: Final = 1.6
_NOISE_KEPT: Final = 2.6
"""Standard deviations: beyond them, what differs from its surroundings is structure."""

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Composed:
    """A slice after insertion: hu float32[H, W], masks bool[5, H, W] in `SUBTYPES` order."""

    hu: _Floats
    masks: NDArray[np.bool_]


def compose(view: SliceView, lesions: Sequence[Lesion]) -> Composed:
    """Insert lesions into a slice, the first ones undermost.

    What would not be visible is not inserted at all: a slice's labels tell what can be seen.
    """
    shifts = [one for one in (lesion.shift(view) for lesion in lesions) if one is not None]
    moved = _moved(view, shifts) if shifts else view
    hu = moved.hu.copy()
    masks = np.zeros((len(SUBTYPES), *hu.shape), np.bool_)
    for lesion in lesions:
        put = lesion.deposit(moved)
        if put is None:
            continue
        after = _blended(view, hu, put)
        if lesion.kind in SUBTYPES:
            visible = _visible(view, after, hu, put)
            if visible.sum() * view.grid.pixel_mm**2 < LEAST_VISIBLE_MM2:
                continue
            part = put.box.part
            # What lies on top hides what was there before.
            masks[(slice(None), *part)] &= ~visible
            masks[(SUBTYPES.index(lesion.kind), *part)] |= visible
        hu[put.box.part] = after
    return Composed(hu, masks)


def _visible(view: SliceView, after: _Floats, before: _Floats, put: Deposit) -> NDArray[np.bool_]:
    """Where the deposit makes up half a pixel, or changes it clearly."""
    change = np.abs(after - before[put.box.part])
    smooth = ndimage.uniform_filter(change, 3)
    seen = view.depth_mm[put.box.part] > _HIDDEN_MM
    return np.asarray((put.share > 0.35) & (smooth > _LEAST_CHANGE_HU) & seen)


def _blended(view: SliceView, hu: _Floats, put: Deposit) -> _Floats:
    part = put.box.part
    now = hu[part] if put.extra_hu is None else hu[part] + put.extra_hu
    if put.fills:
        return np.asarray(now + put.share * (put.blood_hu - FLUID_HU), np.float32)
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
    return np.asarray(np.where(kept > limit, kept, kept * 1.12), np.float32)


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
    rows = np.arange(top, bottom, dtype=np.float32)[:, None] + down
    columns = np.arange(left, right, dtype=np.float32)[None, :] + aside
    depth = view.depth_mm[whole]
    soft = np.clip(view.hu, -60, 120)
    # The blurred edge of bone stays at the bone: brain alone moves.
    edge = view.depth_mm < _BONE_EDGE_MM
    soft[edge] = np.minimum(soft[edge], view.brain_hu + 2)
    smooth = ndimage.gaussian_filter(soft, 0.55 / view.grid.pixel_mm)
    limit = 3 * view.noise_hu
    noise = np.clip((soft - smooth)[whole], -limit, limit)
    far = np.abs(down) + np.abs(aside)
    sampled = ndimage.map_coordinates(smooth, [rows, columns], order=1, mode="nearest") + noise
    # Near the skull, and where hardly anything moves, the pixel stays what it is.
    share = np.clip(far / 0.7, 0, 1) * np.clip((depth - 0.7) / 1.5, 0, 1)
    hu = view.hu.copy()
    hu[whole] += share * (sampled - view.hu[whole])
    ventricle = view.ventricle.copy()
    if ventricle[whole].any():
        picked = ndimage.map_coordinates(
            view.ventricle.astype(np.float32), [rows, columns], order=1, mode="nearest"
        )
        ventricle[whole] = (picked > 0.5) & view.inside[whole]
    return replace(view, hu=hu, ventricle=ventricle)
