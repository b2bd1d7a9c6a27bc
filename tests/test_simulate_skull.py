"""At the skull: fractures that the bone window shows, swelling over them, epidural lenses."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.simulate.bone_gap import Fracture
from model.data.simulate.compose import compose
from model.data.simulate.epidural import Epidural
from model.data.simulate.scalp import ScalpHematoma
from round_head import MIDDLE, SIDE, a_skull, a_view

NONE = np.zeros((SIDE, SIDE), np.bool_)
RIGHT = np.pi / 2


def a_fracture(**changed: float) -> Fracture:
    values: dict[str, Any] = {
        "angle": RIGHT,
        "z_mm": 50.0,
        "half_height_mm": 20.0,
        "lean": 0.0,
        "oblique": 0.3,
        "width_mm": 1.4,
        "half_piece_mm": 0.0,
        "step_mm": 0.0,
    }
    return Fracture(**(values | changed), seed=(0.1, 0.2, 0.3))


def after(lesion: Fracture | ScalpHematoma | Epidural) -> NDArray[np.floating]:
    return compose(a_view(a_skull(), NONE), [lesion]).hu


def test_a_fracture_is_dark_through_the_whole_skull_and_narrow() -> None:
    skull = after(a_fracture())[MIDDLE - 12 : MIDDLE + 12, MIDDLE + 81 : MIDDLE + 85]

    assert (skull.min(axis=0) < 350).all()
    assert ((skull < 500).sum(axis=0) <= 3).all()


def test_a_depressed_piece_lies_deeper_between_two_lines() -> None:
    before = a_skull()
    made = after(a_fracture(half_piece_mm=10.0, step_mm=7.0, oblique=0.0))

    assert before[MIDDLE, MIDDLE + 77] < 60
    assert made[MIDDLE, MIDDLE + 77] > 500
    assert made[MIDDLE + 40, MIDDLE + 60] == before[MIDDLE + 40, MIDDLE + 60]


def test_swelling_lifts_the_scalp_and_leaves_the_bone() -> None:
    before = a_skull()
    swollen = after(ScalpHematoma(RIGHT, 50.0, 25.0, 20.0, 8.0, 60.0, (0.1, 0.2, 0.3)))

    assert before[MIDDLE, MIDDLE + 94] < -900
    assert swollen[MIDDLE, MIDDLE + 94] > -100
    assert 45 < swollen[MIDDLE - 2 : MIDDLE + 3, MIDDLE + 89].mean() < 75
    bone = before > 500
    assert (swollen[bone] == before[bone]).all()


@pytest.mark.parametrize("thick_mm", [8.0, 16.0])
def test_an_epidural_lens_bulges_into_the_head_and_thins_out_to_its_ends(thick_mm: float) -> None:
    lens = Epidural(
        z_mm=50.0,
        half_height_mm=20.0,
        thick_mm=thick_mm,
        seed=(0.1, 0.2, 0.3),
        angle=RIGHT,
        half_length_mm=26.0,
        hu=64.0,
        swirl_hu=0.0,
    )
    mask = compose(a_view(a_skull(), NONE), [lens]).masks[0]

    inner = np.array([np.flatnonzero(row)[0] if row.any() else SIDE for row in mask])
    rows = np.flatnonzero(mask.any(axis=1))
    assert abs(inner[MIDDLE] - (MIDDLE + 80 - thick_mm)) <= 2.5
    for share in (0.6, 0.8):
        row = MIDDLE + round(share * (rows[-1] - MIDDLE))
        wall = MIDDLE + np.sqrt(80**2 - (row - MIDDLE) ** 2)
        assert wall - inner[row] < (1.1 - share**2) * thick_mm + 1.5
