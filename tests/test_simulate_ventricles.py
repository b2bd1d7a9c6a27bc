"""Blood in ventricles: it fills fluid, respects the septum, dilutes at its end, spares calcium."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.intraventricular import Intraventricular
from model.data.simulate.slice_view import SliceView
from round_head import BRAIN_HU, MIDDLE, SIDE, a_view

SEED = (0.3, 0.6, 0.1)


def two_ventricles() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bodies of the lateral ventricles, 60 mm long, with a septum of 3 mm between them."""
    y, x = np.mgrid[:SIDE, :SIDE]
    beside = np.abs(x - MIDDLE)
    fluid = (beside > 1) & (beside < 14) & (np.abs(y - MIDDLE) < 30)
    noise = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE))
    return np.where(fluid, 8, BRAIN_HU).astype(np.float32) + noise.astype(np.float32), fluid


def a_cast(**changed: object) -> Intraventricular:
    values: dict[str, object] = {
        "form": "cast",
        "sides": (1,),
        "middle": (MIDDLE + 8.0, float(MIDDLE), 50.0),
        "radius_mm": 60.0,
        "soft_mm": 6.0,
        "level_y_mm": 0.0,
        "swell": 0.3,
        "hu": 60.0,
        "patchy_hu": 2.0,
        "seed": SEED,
    }
    return Intraventricular(**(values | changed))  # type: ignore[arg-type]


def after(view: SliceView, lesion: Intraventricular) -> NDArray[np.float32]:
    put = lesion.deposit(view)
    assert put is not None
    assert put.added_hu is not None
    made = view.hu.copy()
    made[put.box.part] += put.added_hu
    return made


def test_a_cast_of_one_side_fills_it_up_to_the_septum_and_leaves_the_other() -> None:
    hu, fluid = two_ventricles()
    made = after(a_view(hu, fluid), a_cast())
    own, other = fluid.copy(), fluid.copy()
    own[:, : MIDDLE + 3], other[:, MIDDLE - 2 :] = False, False

    assert made[own].mean() > 50
    assert abs(made[other].mean() - 8) < 1
    septum = made[MIDDLE - 20 : MIDDLE + 20, MIDDLE]
    assert septum.mean() < 48


def test_a_cast_that_ends_within_its_ventricle_is_diluted_not_cut() -> None:
    hu, fluid = two_ventricles()
    lesion = a_cast(radius_mm=14.0, soft_mm=10.0, middle=(MIDDLE + 8.0, MIDDLE + 25.0, 50.0))
    profile = after(a_view(hu, fluid), lesion)[:, MIDDLE + 4 : MIDDLE + 12].mean(axis=1)

    rise = profile[MIDDLE - 29 : MIDDLE + 25]
    assert rise[-5:].mean() > 48
    assert rise[:5].mean() < 15
    assert ((rise > 20) & (rise < 45)).sum() >= 4


def test_blood_leaves_no_ring_around_calcified_plexus() -> None:
    hu, fluid = two_ventricles()
    y, x = np.mgrid[:SIDE, :SIDE]
    far = np.hypot(x - MIDDLE - 8, y - MIDDLE)
    calcified = ndimage.gaussian_filter(np.where(far < 3, 280.0, 0), 0.8)
    made = after(a_view((hu + calcified).astype(np.float32), fluid), a_cast())

    around = (far > 3) & (far < 6)
    assert made[around].min() > 40
    assert made[MIDDLE, MIDDLE + 8] == pytest.approx((hu + calcified)[MIDDLE, MIDDLE + 8], abs=1)


def test_a_level_lies_flat_below_fluid() -> None:
    hu, fluid = two_ventricles()
    made = after(a_view(hu, fluid), a_cast(form="level", sides=(-1, 1), level_y_mm=MIDDLE + 15.0))

    assert made[MIDDLE + 20 : MIDDLE + 28][fluid[MIDDLE + 20 : MIDDLE + 28]].mean() > 45
    assert made[MIDDLE : MIDDLE + 10][fluid[MIDDLE : MIDDLE + 10]].mean() < 10
