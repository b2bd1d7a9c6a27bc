"""The skull: the cavity for the brain, the vault around it and the base below, and the scalp."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from model.data.synthetic.head import Head
from model.data.synthetic.shapes import Floats, Places, Window, ellipsoid, hump, paint, rise, window
from model.data.synthetic.texture import texture

_COVER_MM: Final = 36.0
"""Bone and soft tissue are nowhere thicker."""
_SKIN_MM: Final = 2.2
_SELLA_Y: Final = (-40.0, -29.0, -27.0, -18.0, -15.0, -11.0, 17.0)
_SELLA_Z: Final = (-22.0, -18.0, -23.0, -25.0, -16.0, -18.0, -56.0)
"""Height of the floor along the midline, from the anterior fossa over sella and clivus."""


@dataclass(frozen=True)
class Cavity:
    """The cranial cavity in a plane.

    Parameters
    ----------
    outward
        float32[H, W], how far out a point is: 1 at the vault's inner table, 0 in the middle.
    vault, floor, inside
        Distances in mm from the vault's inner table, from the floor, and from the nearer of both.
    """

    outward: Floats
    vault: Floats
    floor: Floats
    inside: Floats

    def cut(self, part: Window) -> "Cavity":
        """Keep a part of the plane."""
        return Cavity(self.outward[part], self.vault[part], self.floor[part], self.inside[part])


def cavity(at: Places, head: Head) -> Cavity:
    """Find the cavity: an egg, wider behind, that the floor of three fossae cuts off."""
    above, below = np.float32(1 / 70), np.float32(1 / 76)
    front = np.clip((-10 - at.y) / 70, 0, 1.2)
    u = at.aside / (67.5 * (1 - head.taper * front * front))
    v = np.abs(at.y) * np.float32(1 / 82)
    w = np.abs(at.z - 5) * np.where(at.z > 5, above, below)
    powers = [one * one * np.sqrt(np.sqrt(one)) for one in (u, v, w)]
    outward = (powers[0] + powers[1] + powers[2]) ** np.float32(1 / 2.25)
    radius = np.sqrt(at.x * at.x + at.y * at.y + (at.z - 5) ** 2)
    vault = radius * (1 / np.maximum(outward, 0.05) - 1) * np.float32(0.93)
    # The frontal crest and the internal occipital protuberance, at the ends of the falx.
    vault -= 4 * hump(at.x / 4) * hump((at.y + 84) / 14) * hump((at.z + 4) / 32)
    vault -= 5.5 * hump(at.x / 9) * hump((at.y - 84) / 14) * hump((at.z + 4) / 22)
    floor = (at.z - _floor_height(at)) * np.float32(0.75)
    apart = np.clip(0.5 - (vault - floor) / 8, 0, 1)
    inside = floor + (vault - floor) * apart - 4 * apart * (1 - apart)
    return Cavity(outward, vault, floor, np.asarray(inside))


def _floor_height(at: Places) -> Floats:
    """Height of the floor: anterior, middle and posterior fossa, and sella and clivus between."""
    x, y = at.aside, at.y
    wing = -18 - 0.3 * x
    ridge = 2 + 0.58 * x
    frontal = -20 + 3 * hump((x - 28) / 20) * hump((y + 52) / 28) - 5 * hump(x / 9)
    frontal = frontal + 3 * hump((y - wing) / 7)
    temporal = -46 + 18 * rise((20 - x) / 5)
    behind = rise((y - ridge) / 5)
    height = temporal + (-58 - temporal) * behind
    height += (-25 - height) * hump((y - ridge) / 12) * rise((x - 6) / 4)
    before = rise((wing - y) / 4)
    height += (frontal - height) * before
    sella = np.interp(y, _SELLA_Y, _SELLA_Z).astype(np.float32)
    wide = 9 + 6 * rise((y + 4) / 6) + 5 * rise((-20 - y) / 4)
    height += (sella - height) * rise((wide - x) / 3) * rise((22 - y) / 5)
    hole = 1 - (x / 15) ** 2 - ((y - 33) / 18) ** 2
    return np.asarray(height - 60 * rise(4 * hole))


def paint_skull(hu: Floats, at: Places, inner: Cavity, head: Head) -> None:
    """Paint scalp, vault and base, from the skin inward."""
    uneven = texture("smooth", (at.x, at.y, at.z), 60.0, (head.seed, 11), 4)
    bone = _vault_thickness(at, head) * (1 + np.float32(0.12) * uneven)
    cover = _scalp_thickness(at, head) * (1 + np.float32(0.1) * uneven)
    skin = inner.vault + bone + cover
    low = bool(at.z.min() < -12)
    if low:
        skin = np.maximum(skin, _face_and_neck(at))
    _paint_soft(hu, at, skin, head)
    outer = inner.vault + bone
    ends_at = -46 - 10 * rise((at.y - 20) / 12) + 20 * rise((-48 - at.y) / 12)
    shell = np.minimum(np.minimum(outer, 1 - inner.vault), (at.z - ends_at) * np.float32(0.8))
    if low:
        plate = 3.5 + 14 * hump((at.y - 4 - 0.58 * at.aside) / 17) + 9 * hump(at.aside / 15)
        shell = np.maximum(shell, np.minimum(inner.floor + plate, outer))
    spongy = texture("folded", (at.x, at.y, at.z), 6.0, (head.seed, 12), 2)
    depth = np.minimum(outer, -inner.inside)
    diploe = rise((depth - 0.3 * head.skull_mm) / 1.2)
    hard = 1350 - (720 - np.float32(150) * spongy) * diploe
    paint(hu, at.share(shell), hard)


def find_head(at: Places, head: Head) -> Window | None:
    """Find where a head can be in a plane of which every `STRIDE`-th point is given."""
    return window((cavity(at, head).vault > -_COVER_MM) | (_face_and_neck(at) > 0))


def _vault_thickness(at: Places, head: Head) -> Floats:
    side = hump((at.y + 8) / 50) * hump((at.z + 15) / 38) * rise((at.aside - 40) / 12)
    back = hump(at.x / 22) * hump((at.z + 12) / 22) * rise((at.y - 55) / 15)
    brow = rise((-60 - at.y) / 15) * hump((at.z + 14) / 24)
    return np.asarray(head.skull_mm * (1 - 0.4 * side + 0.6 * back + 0.5 * brow))


def _scalp_thickness(at: Places, head: Head) -> Floats:
    temple = hump((at.y + 26) / 38) * rise((22 - at.z) / 30) * rise((at.aside - 35) / 15)
    nape = rise((-12 - at.z) / 25) * rise((at.y - 20) / 30)
    return np.asarray(head.scalp_mm + 8 * temple + 12 * nape)


def _face_and_neck(at: Places) -> Floats:
    face = ellipsoid(at.aside, at.y, at.z, (0, -36, -52), (64, 60, 62))
    nose = ellipsoid(at.aside, at.y, at.z, (0, -98, -58), (13, 15, 24))
    neck = ellipsoid(at.aside, at.y, at.z, (0, 22, -90), (62, 66, 60))
    ear = ellipsoid(at.aside, at.y, at.z, (81, 18, -34), (4, 13, 25))
    return np.asarray(np.maximum(np.maximum(face, nose), np.maximum(neck, ear)))


def _paint_soft(hu: Floats, at: Places, skin: Floats, head: Head) -> None:
    """Skin, the fat under it, and muscle where there is more than that."""
    layers = texture("folded", (at.x, at.y, 0.4 * at.z), 26.0, (head.seed, 13), 4)
    paint(hu, at.share(skin), 40.0)
    paint(hu, at.share(skin - _SKIN_MM), -92 + 14 * layers)
    fat = 0.6 * head.scalp_mm * (1 - 0.7 * rise((-70 - at.y) / 10) * rise((-25 - at.z) / 8))
    muscle = 56 - 90 * rise(1 - np.abs(layers) * 9)
    paint(hu, at.share(skin - _SKIN_MM - fat), muscle)
