"""What lies before and under the skull's base: air cells, orbits, nose, cheeks, temporal bones."""

from collections.abc import Callable
from typing import Final

import numpy as np

from model.data.synthetic.head import Head
from model.data.synthetic.shapes import Box, Floats, Places, ellipsoid, paint, rise, tube
from model.data.synthetic.skull import Cavity
from model.data.synthetic.texture import texture

_AIR_HU: Final = -970.0
_BONE_HU: Final = 900.0
_FAT_HU: Final = -95.0


def paint_face(hu: Floats, at: Places, inner: Cavity, head: Head) -> None:
    """Paint all of it, where the plane is low enough."""
    for paint_part, box in _PARTS:
        part = at.near(*box)
        if part:
            paint_part(hu[part], at.cut(part), inner.inside[part], head)


def _paint_frontal_sinus(hu: Floats, at: Places, inside: Floats, head: Head) -> None:  # noqa: ARG001
    size = head.sinus
    if size < 0.7:
        return
    x, y, z = at.aside, at.y - np.float32(0.004) * at.x * at.x, at.z
    for side, grow in ((1, 1.1), (-1, 0.9)):
        middle = (9.0 * side * size, -88.0, -12.0)
        half = (12 * size * grow, 3.4, 12 * size * grow)
        hollow = ellipsoid(at.x, y, z, middle, half)
        paint(hu, at.share(hollow + 2) * (hu > 0), _BONE_HU)
        paint(hu, at.share(np.minimum(hollow, x - 0.4)), _AIR_HU)


def _paint_cheeks(hu: Floats, at: Places, inside: Floats, head: Head) -> None:  # noqa: ARG001
    """Zygomatic arch, maxilla with its sinus, and jaw."""
    x, y, z = at.aside, at.y, at.z
    arch = tube(x, y, z, [(46, -74, -50, 4), (60, -52, -54, 3), (66, -14, -52, 3)])
    rim = tube(x, y, z, [(48, -72, -24, 5), (47, -73, -40, 4), (46, -74, -52, 4)])
    jaw = tube(x, y, z, [(53, -2, -54, 6), (53, -8, -90, 5)])
    paint(hu, at.share(np.maximum(np.maximum(arch, rim), jaw)), _BONE_HU)
    antrum = ellipsoid(x, y, z, (28, -62, -70), (15, 17, 15))
    paint(hu, at.share(antrum + 2), _BONE_HU)
    paint(hu, at.share(antrum), _AIR_HU)


def _paint_orbits(hu: Floats, at: Places, inside: Floats, head: Head) -> None:  # noqa: ARG001
    """Bony funnel, fat, eye with lens, optic nerve and two muscles."""
    x, y, z = at.aside, at.y, at.z
    funnel = tube(x, y, z, [(16, -28, -27, 2), (25, -54, -35, 15), (31, -76, -36, 18)])
    below = -1 - inside
    open_front = rise((-78 - y) / 4)
    paint(hu, at.share(np.minimum(funnel + 2, below)) * (1 - open_front), _BONE_HU)
    paint(hu, at.share(np.minimum(np.minimum(funnel, below - 1.5), y + 92)), _FAT_HU)
    eye = ellipsoid(x, y, z, (31, -80, -36), (12, 12, 12))
    nerve = tube(x, y, z, [(14, -26, -26, 1.5), (27, -56, -36, 2), (31, -69, -36, 2.2)])
    muscles = np.maximum(
        tube(x, y, z, [(18, -34, -29, 1), (14, -60, -37, 2.4), (21, -78, -38, 1.2)]),
        tube(x, y, z, [(20, -34, -29, 1), (37, -56, -37, 2.4), (44, -78, -38, 1.2)]),
    )
    paint(hu, at.share(np.maximum(nerve, np.minimum(muscles, funnel))), 42.0)
    paint(hu, at.share(eye), 45.0)
    paint(hu, at.share(eye - 1.4), 10.0)
    paint(hu, at.share(ellipsoid(x, y, z, (31, -89, -36), (4.6, 2.0, 4.6))), 85.0)


def _paint_nose(hu: Floats, at: Places, inside: Floats, head: Head) -> None:
    """Ethmoid cells, sphenoid sinus, nasal cavity with septum and conchae, and throat."""
    x, y, z = at.aside, at.y, at.z
    cells = _cells(at, head)
    under = -2 - inside
    ethmoid = ellipsoid(x, y, z, (0, -57, -38), (13, 24, 19))
    ethmoid = np.minimum(np.minimum(ethmoid, under), 11.5 - x + 2 * cells)
    paint(hu, at.share(ethmoid + 1.2), 500.0)
    walls = rise(1.3 - np.abs(cells) * 5)
    paint(hu, at.share(ethmoid), _AIR_HU + 1250 * walls)
    sphenoid = np.minimum(ellipsoid(x, y, z, (8, -22, -37), (10, 13, 10)), under)
    paint(hu, at.share(sphenoid + 2), _BONE_HU)
    paint(hu, at.share(np.minimum(sphenoid, x - 0.6)), _AIR_HU)
    nasal = ellipsoid(x, y, z, (0, -62, -66), (16, 36, 17))
    paint(hu, at.share(nasal), _AIR_HU)
    conchae = np.minimum(nasal, 2.6 - np.abs(x - 9))
    paint(hu, at.share(conchae), 40 - 250 * np.abs(cells))
    paint(hu, at.share(np.minimum(nasal, 0.9 - x)), 450.0)
    throat = ellipsoid(x, y, z, (0, -8, -76), (14, 12, 14))
    paint(hu, at.share(throat), _AIR_HU)


def _paint_temporal_bone(hu: Floats, at: Places, inside: Floats, head: Head) -> None:
    """Petrous bone's dense capsule, mastoid cells, and the canal of the ear."""
    x, y, z = at.aside, at.y, at.z
    capsule = tube(x, y, z, [(22, 12, -40, 5), (38, 22, -40, 7)])
    paint(hu, at.share(np.minimum(capsule, -1 - inside)), 1650.0)
    mastoid = ellipsoid(x, y, z, (59, 32, -46), (11, 17, 20))
    mastoid = np.minimum(mastoid, -2 - inside)
    paint(hu, at.share(mastoid + 1.5), _BONE_HU)
    hollow = rise((_cells(at, head) + 2.2 * (head.cells - 0.5)) * 4)
    paint(hu, at.share(mastoid), _BONE_HU + (_AIR_HU - _BONE_HU) * hollow)
    canal = tube(x, y, z, [(46, 12, -42, 3.5), (64, 10, -44, 3.5), (84, 10, -40, 4)])
    paint(hu, at.share(np.minimum(canal, -2 - inside)), _AIR_HU)
    condyle = tube(x, y, z, [(19, 22, -60, 7), (22, 30, -72, 8)])
    ring = 6 - np.abs(np.hypot(x / 1.15, y - 33) - 23)
    ring = np.minimum(ring, 6 - np.abs(z + 76))
    paint(hu, at.share(np.maximum(condyle, ring)), _BONE_HU)


def _cells(at: Places, head: Head) -> Floats:
    """Texture that divides air cells from one another."""
    return texture("folded", (at.x, at.y, at.z), 13.0, (head.seed, 21), 2)


_Paint = Callable[[Floats, Places, Floats, Head], None]

_PARTS: Final[tuple[tuple[_Paint, Box], ...]] = (
    (_paint_frontal_sinus, (40, (-110, -70), (-40, 20))),
    (_paint_cheeks, (90, (-100, 20), (-120, -15))),
    (_paint_orbits, (60, (-100, -20), (-70, -10))),
    (_paint_nose, (32, (-100, 10), (-120, -14))),
    (_paint_temporal_bone, (95, (-15, 75), (-120, -20))),
)
"""What is painted, and the box that it lies in."""
