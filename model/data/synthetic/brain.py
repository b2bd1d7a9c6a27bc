"""The brain in its fluid: hemispheres with gyri, fissures and cisterns, and what stands between."""

from typing import Final

import numpy as np

from model.data.synthetic.deep import paint_deep
from model.data.synthetic.head import Head
from model.data.synthetic.hindbrain import paint_hindbrain, tentorium
from model.data.synthetic.shapes import (
    STRIDE,
    Floats,
    Places,
    ellipsoid,
    hump,
    paint,
    rise,
    tube,
    window,
)
from model.data.synthetic.skull import Cavity
from model.data.synthetic.texture import texture

_CORTEX_MM: Final = 3.0
_GYRUS_MM: Final = 22.0
"""Two gyri, from sulcus over sulcus to sulcus."""
_DURA_HU: Final = 52.0
_VESSEL_HU: Final = 44.0


def paint_brain(hu: Floats, at: Places, inner: Cavity, head: Head) -> None:
    """Paint all that lies within the skull."""
    part = window(inner.inside[::STRIDE, ::STRIDE] > -2 * at.step_mm)
    if part is None:
        return
    hu, at, inner = hu[part], at.cut(part), inner.cut(part)
    within = at.share(inner.inside)
    filled = np.full_like(hu, head.fluid_hu)
    tent = tentorium(at)
    fluid = _spaces(at, inner, tent, head)
    tissue = head.white_hu + (head.grey_hu - head.white_hu) * _cortex(-fluid)
    paint(filled, at.share(-fluid), tissue)
    paint_hindbrain(filled, at, inner, tent, head)
    paint_deep(filled, at, head)
    _paint_dura(filled, at, inner, tent)
    _paint_vessels(filled, at)
    paint(hu, within, filled)


def _cortex(depth: Floats) -> Floats:
    """Share of grey matter at a depth below the nearest pia."""
    return rise((_CORTEX_MM + 0.6 - depth) / 1.4)


def _spaces(at: Places, inner: Cavity, tent: Floats, head: Head) -> Floats:
    """Distance into the fluid around the hemispheres; beyond it, depth in their tissue."""
    rim = 0.9 + 2.2 * head.atrophy
    between = _fissure(at, head)
    surface = np.maximum(rim - inner.inside, between)
    sylvian = _sylvian(at, head)
    sulci = _sulci(at, inner, -np.maximum(surface, sylvian), head)
    found = np.maximum(np.maximum(surface, sulci), np.maximum(sylvian, tent))
    part = at.near(45, (-45, 45), (-36, 16))
    if part:
        found[part] = np.maximum(found[part], _cisterns(at.cut(part), head))
    return np.asarray(found)


def _fissure(at: Places, head: Head) -> Floats:
    """Between the hemispheres, down to the callosal body, and before and behind it."""
    wide = 0.7 + 1.0 * head.atrophy + 0.8 * rise((-45 - at.y) / 20)
    body = ellipsoid(0 * at.x, at.y, at.z, (0, -3, 2), (1e3, 37, 27))
    under = rise((-18 - at.z) / 4) * rise((at.y + 25) / 5)
    return np.asarray(np.minimum(wide - at.aside, -body) - 20 * under)


def _sylvian(at: Places, head: Head) -> Floats:
    """The lateral fissure: over the insula, and from there to the surface, rising to the back."""
    wide = 0.8 + 2.0 * head.atrophy
    x, y, z = at.aside, at.y, at.z
    uneven = texture("smooth", (at.x, y, z), 30.0, (head.seed, 33), 4)
    half = wide * (1 + 0.3 * uneven)
    island = 37 + np.float32(0.006) * (y + 2) ** 2 + 1.5 * uneven
    ends = np.minimum(np.minimum(y + 26, 22 - y), np.minimum(z + 14, 19 - z)) * 0.6
    insular = np.minimum(half - np.abs(x - island), ends)
    lips = half - np.abs(z + 5 - 0.5 * (y + 8) + 5 * uneven) * 0.8
    lips = np.minimum(lips, np.minimum(x - island, np.minimum(y + 34, 40 - y)))
    front = tube(x, y, z, [(12, -17, -17, 2.5), (26, -22, -16, 2), (40, -27, -13, 2.5)])
    return np.asarray(np.maximum(np.maximum(insular, lips), front + 1.5 * head.atrophy - 0.7))


def _sulci(at: Places, inner: Cavity, depth: Floats, head: Head) -> Floats:
    """Sheets of fluid from the surface inward."""
    # Seen from the middle, a sheet stands upright on the surface.
    spread = np.clip(inner.outward, 0.6, 1.2) ** np.float32(-0.7)
    outward = (at.x * spread + 50 * np.sign(at.x), at.y * spread, at.z * spread)
    folds = texture("folded", outward, _GYRUS_MM, (head.seed, 31), 2)
    uneven = texture("smooth", (at.x, at.y, at.z), 45.0, (head.seed, 32), 4)
    sheet = np.abs(folds) * np.float32(_GYRUS_MM / 6.3)
    deepest = 13 + 4 * uneven - 5 * hump(at.x / 25)
    wide = (0.25 + 1.0 * head.atrophy) * (1 + 0.5 * uneven) * (1.15 - depth / deepest)
    return np.minimum(wide - sheet, deepest - depth)


def _cisterns(at: Places, head: Head) -> Floats:
    """Around the brain stem and above the sella, all open to one another."""
    x, y, z = at.aside, at.y, at.z
    more = 1.5 * head.atrophy
    star = ellipsoid(x, y, z, (0, -14, -17), (12, 13, 8)) + 2 * hump(x / 5) + more
    legs = ellipsoid(x, y, z, (0, -3, -16), (9, 8, 9)) + more
    ambient = ellipsoid(x, y, z, (0, 9, -13), (18 + more, 14 + more, 13)) - 3 * rise((2 - y) / 5)
    plate = ellipsoid(x, y, z, (0, 25, -3), (12, 4.5, 8)) + 0.5 * more
    wings = tube(x, y, z, [(0, 27, 3, 2), (12, 23, 4, 1.2), (19, 15, -2, 0.8)])
    about = np.maximum(np.maximum(star, legs), ambient)
    return np.asarray(np.maximum(about, np.maximum(plate, wings)))


def _paint_dura(hu: Floats, at: Places, inner: Cavity, tent: Floats) -> None:
    """Falx and tentorium, and the venous sinuses along their edges."""
    x, y, z = at.aside, at.y, at.z
    reach = np.interp(y, [-80, -30, 40, 80], [22, 24, 44, 60]).astype(np.float32)
    falx = np.minimum(0.75 - x, reach - inner.vault)
    behind = np.minimum(falx, np.maximum(z - 8 + 0.35 * (y - 24), z + 20 - 100 * rise(y / 5)))
    sagittal = 4.2 - x - 0.6 * np.maximum(inner.inside, 0)
    sagittal = np.minimum(sagittal, np.maximum(z - 20, np.minimum(y - 40, z + 14)))
    transverse = tube(x, y, z, [(0, 80, -14, 4), (34, 70, -17, 3.5), (58, 36, -23, 3.5)])
    straight = tube(x, y, z, [(0, 28, 8, 2), (0, 78, -11, 2.5)])
    sinuses = np.maximum(np.maximum(sagittal, transverse), straight)
    sheet = np.minimum(0.45 - np.abs(tent + 0.5), inner.inside)
    paint(hu, at.share(np.maximum(np.maximum(behind, sinuses), sheet)), _DURA_HU)


def _paint_vessels(hu: Floats, at: Places) -> None:
    """Basilar, carotid and cerebral arteries, as thick as one sees them without contrast."""
    part = at.near(34, (-42, 4), (-42, 6))
    if part is None:
        return
    hu, at = hu[part], at.cut(part)
    x, y, z = at.aside, at.y, at.z
    basilar = tube(x, y, z, [(0, -4, -36, 1.5), (0, -8, -18, 1.5)])
    middle = tube(x, y, z, [(7, -19, -22, 1.8), (11, -18, -16, 1.6), (28, -22, -15, 1.2)])
    anterior = tube(x, y, z, [(11, -18, -16, 1.0), (2, -26, -12, 1.0), (1, -36, 0, 1.0)])
    paint(hu, at.share(np.maximum(np.maximum(basilar, middle), anterior)), _VESSEL_HU)
