"""Inserted bleeding: deterministic, inside the skull, as bright as blood, alike across slices."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.simulate.epidural import Epidural
from model.data.simulate.grid import common_grids
from model.data.simulate.insert import (
    Plan,
    SimulatedSeries,
    draw_lesions,
    draw_subtype,
    insert_slice,
    simulate_series,
)
from model.data.simulate.lesion import Lesion
from model.data.simulate.look_alikes import LOOK_ALIKES, draw_look_alike
from model.data.simulate.series_anatomy import INSIDE, SeriesAnatomy, series_anatomy
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import make_series
from model.labels import LABELS, SUBTYPES

HEAD = Scan(n_slices=26, pixels=160)
Z_MM = np.array([HEAD.position_mm(index)[2] for index in range(HEAD.n_slices)])
MIDDLE = 12
"""A slice through the ventricles."""


@cache
def head() -> NDArray[np.int16]:
    return make_series(4, HEAD).hu


@cache
def anatomy() -> SeriesAnatomy:
    return series_anatomy(list(head()), common_grids(Z_MM, HEAD.pixel_mm))


def inserted(lesions: list[Lesion]) -> SimulatedSeries:
    slices = [
        insert_slice(head()[index], anatomy(), index, lesions) for index in range(HEAD.n_slices)
    ]
    return SimulatedSeries(
        np.stack([one.hu for one in slices]),
        np.stack([one.targets for one in slices]),
        np.stack([one.masks for one in slices]),
    )


def drawn(subtype: str, seed: int) -> SimulatedSeries:
    rng = np.random.default_rng((seed, SUBTYPES.index(subtype)))
    return inserted(list(draw_subtype(subtype, anatomy(), MIDDLE, rng)))


def planned(plan: Plan, seed: int) -> SimulatedSeries:
    return inserted(draw_lesions(anatomy(), MIDDLE, np.random.default_rng(seed), plan))


@cache
def visible(subtype: str) -> list[SimulatedSeries]:
    found = [drawn(subtype, seed) for seed in range(8)]
    return [one for one in found if one.targets[:, 0].any()]


def a_lens() -> Epidural:
    return Epidural(
        angle=1.5,
        z_mm=float(Z_MM[MIDDLE]),
        half_length_mm=24,
        half_height_mm=16,
        thick_mm=14,
        hu=66,
        swirl_hu=0,
        seed=(0.1, 0.2, 0.3),
    )


def test_the_anatomy_of_a_head_is_found() -> None:
    found = anatomy()
    frame = found.frame

    assert frame is not None
    assert found.good[4:22].all()
    middle_x = HEAD.field_mm / 2
    assert abs(frame.x_mm + frame.x_per_y * middle_x - middle_x) < 3
    assert 0.9 < frame.scale < 1.15
    assert (found.codes[MIDDLE] & 2).any()


def test_a_slice_of_air_is_left_alone() -> None:
    air = np.full((3, 64, 64), -1000, np.int16)

    made = simulate_series(air, np.array([0.0, 5.0, 10.0]), 3.0, np.random.default_rng(0))

    assert (made.hu == air).all()
    assert not made.targets.any()


def test_the_same_seed_gives_the_same_series_and_another_one_does_not() -> None:
    some = slice(MIDDLE - 3, MIDDLE + 4)  # to find the anatomy of all takes a second
    first, again, other = (
        simulate_series(
            head()[some], Z_MM[some], HEAD.pixel_mm, np.random.default_rng(seed), Plan(bleeding=1.0)
        )
        for seed in (3, 3, 4)
    )

    assert (first.hu == again.hu).all()
    assert (first.masks == again.masks).all()
    assert first.description == again.description
    assert (first.hu != other.hu).any()


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_every_subtype_can_be_drawn(subtype: str) -> None:
    assert len(visible(subtype)) >= 2


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_the_labels_are_the_masks(subtype: str) -> None:
    for made in visible(subtype):
        assert (made.targets[:, 1:] == made.masks.any(axis=(2, 3))).all()
        assert (made.targets[:, 0] == made.targets[:, 1:].max(axis=1)).all()
        assert made.targets[:, LABELS.index(subtype)].any()


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_blood_stays_inside_the_skull(subtype: str) -> None:
    inside = (anatomy().codes & INSIDE) > 0

    for made in visible(subtype):
        assert not (made.masks.any(axis=1) & ~inside).any()
        assert (made.hu == head())[~inside].all()


@pytest.mark.parametrize("subtype", ["epidural", "intraparenchymal", "intraventricular"])
def test_inserted_blood_is_as_bright_as_blood(subtype: str) -> None:
    for made in visible(subtype):
        values = made.hu[made.masks.any(axis=1)]

        assert 30 < np.median(values) < 90


def test_blood_in_sulci_is_brighter_than_the_fluid_it_replaces() -> None:
    for made in visible("subarachnoid"):
        mask = made.masks.any(axis=1)

        assert made.hu[mask].mean() > head()[mask].mean() + 6


def test_a_bleed_goes_on_in_the_neighbouring_slices_and_becomes_smaller() -> None:
    made = inserted([a_lens()])
    areas = made.masks.sum(axis=(1, 2, 3))

    positive = np.flatnonzero(areas)
    assert MIDDLE in positive
    assert len(positive) >= 4
    assert (np.diff(positive) == 1).all()
    assert areas[MIDDLE] >= areas[positive[0]]
    assert areas[MIDDLE] >= areas[positive[-1]]
    both = made.masks[MIDDLE].any(axis=0) & made.masks[MIDDLE + 1].any(axis=0)
    assert both.sum() > 0.6 * areas[MIDDLE + 1]


def test_slices_that_a_bleed_does_not_reach_keep_every_value() -> None:
    made = inserted([a_lens()])
    far = np.abs(Z_MM - Z_MM[MIDDLE]) > 26

    assert (made.hu[far] == head()[far]).all()
    assert not made.targets[far].any()


def test_a_large_bleed_pushes_the_brain() -> None:
    made = inserted([a_lens()])
    outside = (anatomy().codes[MIDDLE] > 0) & ~made.masks[MIDDLE].any(axis=0)

    assert (made.hu[MIDDLE] != head()[MIDDLE])[outside].sum() > 200


def test_the_noise_in_blood_is_that_of_the_slice() -> None:
    made = inserted([a_lens()])
    mask = made.masks[MIDDLE].any(axis=0)
    inner = mask & (anatomy().depths[MIDDLE] > 16)

    def roughness(hu: NDArray[np.int16]) -> float:
        return float((hu.astype(float)[1:] - hu[:-1])[inner[1:] & inner[:-1]].std())

    assert 0.7 < roughness(made.hu[MIDDLE]) / roughness(head()[MIDDLE]) < 1.5


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_look_alike_is_seen_and_labelled_negative(name: str) -> None:
    frame = anatomy().frame
    assert frame is not None

    changed = False
    for seed in range(4):
        made = inserted(list(draw_look_alike(name, frame, np.random.default_rng(seed))))
        assert not made.targets.any()
        assert not made.masks.any()
        changed |= bool((made.hu != head()).any())
    assert changed


def test_a_plan_without_bleeding_gives_negatives_only() -> None:
    for seed in range(6):
        assert not planned(Plan(bleeding=0, look_alikes=4), seed).targets.any()


def test_mixtures_have_several_labels() -> None:
    plan = Plan(bleeding=1.0, mixture=0.8)
    most = 0
    for seed in range(6):
        most = max(most, int(planned(plan, seed).targets[:, 1:].max(axis=0).sum()))

    assert most >= 2
