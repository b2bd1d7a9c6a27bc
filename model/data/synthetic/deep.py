"""Deep in the hemispheres: the nuclei, the lateral and the third ventricle, harmless calcium."""

from typing import Final

import numpy as np

from model.data.synthetic.head import Head
from model.data.synthetic.shapes import Floats, Places, ellipsoid, paint, tube

_HORNS: Final = (
    (
        (14, -37, 4, 2.5),
        (11, -31, 10, 4.5),
        (7, -19, 16, 5.5),
        (8, -5, 21, 5.0),
        (13, 8, 23, 4.5),
        (20, 24, 19, 6.0),
        (24, 33, 10, 7.0),
    ),
    ((24, 33, 10, 6.5), (23, 46, 5, 4.0), (21, 57, 3, 2.0)),
    ((24, 33, 10, 6.0), (31, 24, -5, 4.0), (33, 6, -19, 3.0), (29, -6, -24, 2.5)),
)
"""Frontal horn, body and atrium; occipital horn; temporal horn: x, y, z and radius."""


def paint_deep(hu: Floats, at: Places, head: Head) -> None:
    """Paint the nuclei, then the ventricles beside them."""
    part = at.near(50, (-50, 70), (-36, 40))
    if part is None:
        return
    hu, at = hu[part], at.cut(part)
    x, y, z = at.aside, at.y, at.z
    lens = ellipsoid(x - 0.25 * (y + 4), y, z, (26.5, -4, 4), (6.5, 16, 11))
    thalamus = ellipsoid(x, y - 0.5 * (x - 10), z, (10.5, 9, 5), (8.5, 13, 10))
    caudate = tube(x, y, z, [(16, -24, 7, 5), (16, -17, 16, 5), (19, 2, 24, 3), (26, 22, 22, 1.5)])
    nuclei = np.maximum(np.maximum(lens, thalamus), caudate)
    paint(hu, at.share(nuclei), head.grey_hu + 0.5)
    paint(hu, at.share(_lateral(at, head)), head.fluid_hu)
    wide = 1.5 * head.ventricles + 3 * max(head.ventricles - 0.9, 0)
    third = ellipsoid(x * (4 / wide), y, z, (0, 3, -3), (4, 16, 12)) * min(wide / 4, 1)
    paint(hu, at.share(third), head.fluid_hu)
    _paint_calcium(hu, at, head)


def _lateral(at: Places, head: Head) -> Floats:
    """Distance into the lateral ventricles."""
    best = np.full_like(at.x, -1e3)
    # A wider horn is wider to the side, and hardly nearer to the midline.
    grow = head.ventricles * (1 + head.ventricle_skew * np.sign(at.x))
    x = 4.5 + (at.aside - 4.5) / np.where(at.aside > 4.5, grow, 1.0)
    for horn in _HORNS:
        line = [(px, py, pz, r * head.ventricles**0.5) for px, py, pz, r in horn]
        np.maximum(best, tube(x, at.y, at.z, line), out=best)
    head_of_caudate = ellipsoid(
        at.aside, at.y, at.z, (16 * head.ventricles**0.5, -18, 12), (5.5, 11, 9)
    )
    septum = at.aside - 0.9
    return np.asarray(np.minimum(np.minimum(best, -head_of_caudate), septum))


def _paint_calcium(hu: Floats, at: Places, head: Head) -> None:
    if head.calcified_pineal:
        pineal = ellipsoid(at.x, at.y, at.z, (0.5, 23.5, 2), (2.0, 2.6, 2.0))
        paint(hu, at.share(pineal), 240.0)
    if head.calcified_plexus:
        plexus = ellipsoid(at.aside, at.y, at.z, (24.5, 35, 9), (2.2, 3.4, 2.2))
        paint(hu, at.share(plexus), 210.0)
