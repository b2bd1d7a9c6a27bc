"""Mass effect: lesions push tissue away, smoothly, without folding it; the noise stays."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import Box, twice, where_any
from model.data.simulate.slice_view import Shift, SliceView

_BONE_EDGE_MM: Final = 4.0
_SMOOTH_MM: Final = 1.6
_GRAIN: Final = 2.0
"""Standard deviations of the noise: what differs more from its surroundings is structure."""
_STEEPEST: Final = 0.7
"""Largest change of a displacement over a distance: from 1 on, tissue would fold."""

_Floats = NDArray[np.floating[Any]]


def displaced(view: SliceView, shifts: Sequence[Shift]) -> SliceView:
    """Move tissue as all these shifts together say."""
    shifts = [_trimmed(one) for one in shifts]
    if not shifts:
        return view
    box = Box(
        min(one.box.top for one in shifts),
        max(one.box.bottom for one in shifts),
        min(one.box.left for one in shifts),
        max(one.box.right for one in shifts),
    )
    down = np.zeros((box.bottom - box.top, box.right - box.left), np.float32)
    right = np.zeros_like(down)
    for one in shifts:
        part = (
            slice(one.box.top - box.top, one.box.bottom - box.top),
            slice(one.box.left - box.left, one.box.right - box.left),
        )
        down[part] += one.down
        right[part] += one.right
    return _moved(view, box, *gentle(down, right, view.grid.pixel_mm))


def gentle(down: _Floats, right: _Floats, pixel_mm: float) -> tuple[_Floats, _Floats]:
    """Weaken a displacement where it changes so fast that tissue would fold or swirl.

    Where no derivative exceeds 1, the map has no fold (its Jacobian determinant stays positive).

    Parameters
    ----------
    down, right
        float32[h, w], pixels.
    pixel_mm
        Distance of pixels.
    """
    height, width = down.shape
    sigma = _SMOOTH_MM / pixel_mm / 2
    coarse = [ndimage.gaussian_filter(one[::2, ::2], sigma) for one in (down, right)]
    for _ in range(5):
        slopes = [slope / 2 for one in coarse if min(one.shape) > 1 for slope in np.gradient(one)]
        if not slopes:
            break
        steep = np.sqrt(np.asarray(sum(slope**2 for slope in slopes)))
        if steep.max() <= _STEEPEST:
            break
        weaker = np.minimum(1, _STEEPEST / np.maximum(steep, 1e-6))
        weaker = ndimage.gaussian_filter(ndimage.minimum_filter(weaker, 3), 2 * sigma)
        coarse = [one * weaker for one in coarse]
    full = [twice(one)[:height, :width] for one in coarse]
    return full[0], full[1]


def _trimmed(one: Shift) -> Shift:
    """Leave out the margins of a shift in which nothing moves by a tenth of a pixel."""
    part = where_any(np.abs(one.down) + np.abs(one.right), 0.1)
    return Shift(one.box.inner(part), one.down[part], one.right[part])


def _moved(view: SliceView, box: Box, down: _Floats, aside: _Floats) -> SliceView:
    """Move tissue; the noise stays where it is, so that it is not smoothed."""
    whole = box.part
    # Pixels come from at most `margin` outside the part that moves.
    margin = int(max(np.abs(down).max(), np.abs(aside).max())) + 4
    top, bottom, left, right = box.top, box.bottom, box.left, box.right
    y0, x0 = max(top - margin, 0), max(left - margin, 0)
    around = (slice(y0, bottom + margin), slice(x0, right + margin))
    rows = np.arange(top - y0, bottom - y0, dtype=np.float32)[:, None] + down
    columns = np.arange(left - x0, right - x0, dtype=np.float32)[None, :] + aside
    inner = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
    structure = _without_grain(view, around)
    came = ndimage.map_coordinates(structure, [rows, columns], order=1, mode="nearest")
    # Noise stays where it is, and so does the blurred edge of bone.
    far = np.abs(down) + np.abs(aside)
    share = np.clip(far / 0.7, 0, 1) * np.clip((view.depth_mm[whole] - 0.8) / 1.5, 0, 1)
    hu = view.hu.copy()
    hu[whole] += share * (came - structure[inner])
    ventricle = view.ventricle
    if ventricle[around].any():
        places = [np.rint(rows).astype(np.intp), np.rint(columns).astype(np.intp)]
        height, width = structure.shape
        picked = ventricle[around][places[0].clip(0, height - 1), places[1].clip(0, width - 1)]
        ventricle = ventricle.copy()
        ventricle[whole] = picked & view.inside[whole]
    return replace(view, hu=hu, ventricle=ventricle, moved=Shift(box, down, aside))


def _without_grain(view: SliceView, part: tuple[slice, slice]) -> _Floats:
    """HU of brain, ventricles and calcium, without noise and without the blurred edge of bone."""
    soft = np.clip(view.hu[part], -60, 400)
    edge = view.depth_mm[part] < _BONE_EDGE_MM
    soft[edge] = np.minimum(soft[edge], view.brain_hu + 2)
    smooth = ndimage.gaussian_filter(soft, 0.55 / view.grid.pixel_mm)
    grain = np.clip(soft - smooth, -_GRAIN * view.noise_hu, _GRAIN * view.noise_hu)
    return np.asarray(soft - grain, np.float32)
