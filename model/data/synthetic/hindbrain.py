"""Below the tentorium: cerebellum, brain stem and fourth ventricle."""

import numpy as np

from model.data.synthetic.head import Head
from model.data.synthetic.shapes import Floats, Places, ellipsoid, paint, rise, tube
from model.data.synthetic.skull import Cavity
from model.data.synthetic.texture import texture


def tentorium(at: Places) -> Floats:
    """Distance below the tentorium, mm; far above 0 in its opening around the midbrain, too."""
    slope = np.where(at.y < 28, np.float32(-0.7), np.float32(0.36))
    height = 6 - slope * (at.y - 28) - np.float32(0.42) * at.aside
    opening = 21 * np.sqrt(np.clip((32 - at.y) / 32, 0, 1))
    below = (height - at.z) * np.float32(0.85)
    return np.asarray(
        np.minimum(below, np.minimum(at.aside - opening + 1, at.y - 2 - 0.5 * at.aside))
    )


def paint_hindbrain(hu: Floats, at: Places, inner: Cavity, tent: Floats, head: Head) -> None:
    """Paint cerebellum and brain stem; `tent` is what `tentorium` found."""
    part = at.near(80, (-20, 100), (-130, 14))
    if part is None:
        return
    _paint_cerebellum(hu[part], at.cut(part), inner.cut(part), tent[part], head)
    part = at.near(36, (-20, 60), (-130, 8))
    if part is None:
        return
    hu, at = hu[part], at.cut(part)
    x, y, z = at.aside, at.y, at.z
    midbrain = ellipsoid(x, y, z, (0, 8, -10), (16, 12, 14))
    notch = ellipsoid(x, y, z, (0, -5, -12), (4.5, 7, 12))
    pons = ellipsoid(x, y, z, (0, 10, -29), (16, 12.5, 14))
    cord = tube(
        0.85 * x, y, z, [(0, 14, -38, 9), (0, 20, -50, 7.5), (0, 30, -75, 5.5), (0, 33, -99, 5)]
    )
    arms = tube(x, y, z, [(8, 14, -31, 8), (22, 30, -34, 8)])
    stem = np.maximum(np.maximum(np.minimum(midbrain, -notch), pons), np.maximum(cord, arms))
    paint(hu, at.share(stem), head.white_hu + 0.35 * (head.grey_hu - head.white_hu))
    fourth = ellipsoid(x, y, z, (0, 27.5, -33), (7.5, 6.0, 11)) + 3 * (head.ventricles - 1)
    fourth = np.minimum(fourth, 9 + 0.6 * (z + 38) - 0 * x - 0.2 * np.abs(y - 27))
    aqueduct = tube(x, y, z, [(0, 18, 0, 1.0), (0, 21, -16, 1.0), (0, 25, -26, 1.6)])
    paint(hu, at.share(np.maximum(fourth, aqueduct)), head.fluid_hu)


def _paint_cerebellum(hu: Floats, at: Places, inner: Cavity, tent: Floats, head: Head) -> None:
    x, y, z = at.aside, at.y, at.z
    whole = ellipsoid(x, y, z, (0, 46, -22), (60, 46, 32))
    front = y - 17 - 10 * rise((z + 14) / 8) * rise((15 - x) / 5)
    cleft = np.minimum(3.5 - x, np.minimum(y - 60, -16 - z)) * 0.7
    bulk = np.minimum(np.minimum(whole, front), inner.inside - 1.2 - 1.2 * head.atrophy)
    bulk = np.minimum(np.minimum(bulk, tent - 1.6), -cleft)
    # Folia: leaves about parallel to the tentorium, finer than a gyrus.
    leaves = texture("folded", (0.35 * at.x, 0.6 * y + 0.3 * x, z), 7.0, (head.seed, 41), 2)
    grooves = rise(1.4 - np.abs(leaves) * 2.5) * rise((9 - bulk) / 5)
    core = rise((bulk - 11) / 4)
    tissue = head.grey_hu - 1 - (6 + 4 * head.atrophy) * grooves
    tissue += (head.white_hu + 3 - tissue) * core
    paint(hu, at.share(bulk), tissue)
