"""Put deposits into a slice: tissue moves, blood takes its place, the slice's own noise stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.box import where_any
from model.data.simulate.displacement import displaced
from model.data.simulate.lesion import Deposit, Lesion
from model.data.simulate.slice_view import SliceView
from model.labels import SUBTYPES

LEAST_VISIBLE_MM2: Final = 9.0
"""A slice is positive for a subtype from this area of visible blood on."""
LEAST_EXCESS_HU_MM2: Final = {
    "epidural": 400.0,
    "intraparenchymal": 220.0,
    "intraventricular": 130.0,
    "subarachnoid": 420.0,
    "subdural": 400.0,
}
"""And from this much brightness above brain, summed over that area: more at bone and in sulci,
where brightness varies anyway."""
LEAST_MEAN_HU: Final = 12.0
"""And by so much on average."""
LARGE_EXCESS_HU_MM2: Final = 2500.0
"""So much is seen by its extent, however faint."""
LEAST_MEAN_SULCI_HU: Final = 9.0
LEAST_TO_NOISE: Final = 15.0
"""And by so many standard deviations of a sum over that area, were the noise white."""
LEAST_DARK_MM2: Final = 180.0
"""Old blood, as bright as brain or darker, is seen where it has at least this area."""
_HIDDEN_MM: Final = 1.3
"""So close to bone, its blurred edge hides blood."""
_BONE_HU: Final = 75.0
"""Above the brain: bone makes up so much of the pixel that blood in it does not count."""
_LEAST_CHANGE_HU: Final = 7.0
_BRIGHTER_HU: Final = 5.0
_BACKGROUND_MM: Final = 1.25
_AT_BONE_MM: Final = 2.0
_NOISE_KEPT: Final = 2.5
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
    moved = displaced(view, [one for one in (lesion.shift(view) for lesion in lesions) if one])
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
    least = LEAST_EXCESS_HU_MM2[kind]
    clear = excess >= max(min(mean * area, LARGE_EXCESS_HU_MM2), least, LEAST_TO_NOISE * sum_noise)
    if area >= LEAST_VISIBLE_MM2 and clear:
        return visible
    return visible if kind == "subdural" and visible.sum() * pixel_mm2 >= LEAST_DARK_MM2 else None


def _cropped(put: Deposit) -> Deposit:
    """Leave out the margins of a deposit in which it changes nothing."""
    amount = put.share
    for other in (put.extra_hu, put.added_hu):
        if other is not None:
            amount = np.maximum(amount, np.abs(other))
    part = where_any(amount, 0.01)

    def cut(values: _Floats) -> _Floats:
        return values[part]

    blood = put.blood_hu
    return Deposit(
        box=put.box.inner(part),
        share=cut(put.share),
        blood_hu=cut(blood) if isinstance(blood, np.ndarray) else blood,
        extra_hu=None if put.extra_hu is None else cut(put.extra_hu),
        added_hu=None if put.added_hu is None else cut(put.added_hu),
    )


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
    limit = _NOISE_KEPT * view.noise_hu
    smooth, held = view.without_noise(put.box)
    grain = np.clip(1.15 * (hu - smooth) + held * view.grain[part], -limit, limit)
    soft = (view.inside[part] & (hu > -10) & (hu < 80)).astype(np.float32)
    width = _BACKGROUND_MM / view.grid.pixel_mm
    weight = ndimage.gaussian_filter(soft, width)
    mean = ndimage.gaussian_filter(soft * hu, width) / np.maximum(weight, 0.05)
    edge = hu - np.where(weight > 0.05, mean, view.brain_hu)
    near_bone = (view.depth_mm[part] <= _AT_BONE_MM) & (edge > limit)
    return np.asarray(np.where(near_bone, edge, grain), np.float32)
