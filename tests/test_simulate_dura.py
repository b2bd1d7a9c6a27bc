"""At falx and tentorium: a tent with a notch, thin subdural crescents, dense dura on both sides."""

import numpy as np

from model.data.simulate.compose import compose
from model.data.simulate.dura import DenseTentorium, beyond_notch, tentorium
from model.data.simulate.grid import common_grids
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.series_anatomy import SeriesAnatomy
from model.data.simulate.subdural import ConvexitySubdural, draw_subdural
from round_head import MIDDLE, SIDE, a_skull, a_view

NONE = np.zeros((SIDE, SIDE), np.bool_)


def test_the_tentorium_falls_to_all_sides_of_its_highest_point() -> None:
    outward, along = np.meshgrid(np.arange(0.0, 50), np.arange(-5.0, 66), indexing="xy")
    leaf = tentorium(66.0, 0.8, outward.astype(np.float32), along.astype(np.float32))

    row, column = np.unravel_index(int(leaf.argmin()), leaf.shape)
    assert abs(along[row, column] - 22) < 3
    assert column == 0
    assert leaf[-1, 0] > leaf.min() + 12
    assert (np.diff(leaf, axis=1) > 0).all()


def test_the_brain_stem_lies_in_the_notch() -> None:
    at = np.array([[0.0, 8.0, 20.0]], np.float32)

    assert (beyond_notch(at, np.full_like(at, 5)) == [[0, 0, 1]]).all()


def test_a_dense_tentorium_is_alike_on_both_sides_and_no_bleed() -> None:
    hu = a_skull()
    tent = DenseTentorium(36.0, 0.8, 3.0, 60.0, (0.1, 0.2, 0.3))
    made = compose(a_view(hu, NONE), [tent])

    assert not made.masks.any()
    brighter = made.hu - hu > 8
    left, right = brighter[:, :MIDDLE].sum(), brighter[:, MIDDLE + 1 :].sum()
    assert left > 40
    assert 0.6 < left / right < 1.7


def test_a_subdural_is_a_crescent_and_never_a_lens() -> None:
    shape = (1, SIDE, SIDE)
    anatomy = SeriesAnatomy(
        grids=common_grids(np.array([50.0]), 1.0),
        codes=np.ones(shape, np.uint8),
        depths=np.zeros(shape, np.uint8),
        good=np.ones(1, np.bool_),
        brain_hu=np.full(1, 32, np.float32),
        noise_hu=np.full(1, 3, np.float32),
        frame=HeadFrame(float(MIDDLE), 0.0, 0.0, float(MIDDLE), 100.0, 1.0),
    )
    drawn = [draw_subdural(anatomy, 0, np.random.default_rng(seed)) for seed in range(60)]

    crescents = [one for one in drawn if isinstance(one, ConvexitySubdural)]
    assert len(crescents) > 30
    assert all(one.thick_mm < 0.25 * one.half_angle * 68 for one in crescents)
    assert min(one.thick_mm for one in crescents) < 4
    assert {one.age.name for one in crescents} >= {"acute", "mixed", "chronic"}
