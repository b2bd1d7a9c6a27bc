"""Blood in the subarachnoid space: seen in narrow sulci, not in ventricles, and else no label."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.compose import LEAST_EXCESS_HU_MM2, compose
from model.data.simulate.subarachnoid import Subarachnoid, Territory
from model.labels import SUBTYPES
from round_head import BRAIN_HU, MIDDLE, SIDE, a_skull, a_view

NONE = np.zeros((SIDE, SIDE), np.bool_)
SULCI = Subarachnoid(
    pattern="sulci",
    territories=(Territory((60, 0, 50), (40, 50, 15)),),
    hu=68.0,
    spread=1.0,
    spaces=("sulci",),
    swell_mm=1.5,
    seed=(0.3, 0.6, 0.1),
)


def mask_of(hu: NDArray[np.float32], lesion: Subarachnoid) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = compose(a_view(hu, NONE), [lesion]).masks[
        SUBTYPES.index("subarachnoid")
    ]
    return found


def test_a_young_brain_without_visible_sulci_shows_lines_from_the_surface_in() -> None:
    mask = mask_of(a_skull(), SULCI)
    rows, columns = np.nonzero(mask)

    assert mask.sum() > 60
    depth = 80 - np.hypot(rows - MIDDLE, columns - MIDDLE)
    assert depth.max() < 22
    assert np.median(depth) > 3


def test_blood_too_thin_to_be_seen_is_neither_drawn_nor_labelled() -> None:
    hu = a_skull()
    thin = dataclasses.replace(SULCI, hu=BRAIN_HU + 9)
    made = compose(a_view(hu, NONE), [thin])

    assert not made.masks.any()
    assert (made.hu == hu).all()


def test_what_is_labelled_is_brighter_by_the_least_amount() -> None:
    hu = a_skull()
    made = compose(a_view(hu, NONE), [SULCI])
    change = (made.hu - hu)[made.masks.any(axis=0)]

    assert change.sum() > LEAST_EXCESS_HU_MM2["subarachnoid"]


def test_ventricles_and_what_lies_beside_them_stay_free() -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    fluid = np.hypot(x - MIDDLE - 40, y - MIDDLE) < 8
    hu = np.where(fluid, 8, a_skull()).astype(np.float32)
    view = a_view(hu, fluid)
    near = np.hypot(x - MIDDLE - 40, y - MIDDLE) < 10
    made = compose(view, [dataclasses.replace(SULCI, spaces=("cisterns", "sulci"))])

    assert not made.masks[:, near].any()
