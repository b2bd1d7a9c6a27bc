"""Slices in order along the head, and what is odd about their places."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from model.dicom.series import SlicePlacement, order_slices, position_along_normal_mm

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Placement:
    """One slice's place, as a row of a database has it."""

    position_mm: tuple[float, float, float] | None
    orientation: tuple[float, ...] | None = AXIAL
    instance_number: int | None = None
    slice_thickness_mm: float | None = 5.0


def stack(n_slices: int = 20, spacing_mm: float = 5.0) -> list[Placement]:
    """Return axial slices from the neck upward, numbered from the vertex downward."""
    return [
        Placement((-100, -100, index * spacing_mm), instance_number=n_slices - index)
        for index in range(n_slices)
    ]


def warned(slices: list[Placement], text: str) -> bool:
    return any(text in warning for warning in order_slices(slices).warnings)


def test_slices_are_ordered_upward_whatever_their_order_and_numbers() -> None:
    slices = stack()
    shuffled = [slices[i] for i in np.random.default_rng(1).permutation(len(slices))]

    geometry = order_slices(shuffled)

    assert [shuffled[index] for index in geometry.order] == slices
    np.testing.assert_allclose(geometry.z_mm, np.arange(20) * 5.0)
    assert geometry.z_mm.dtype == np.float32
    assert geometry.spacing_mm == 5
    assert geometry.tilt_degrees == 0
    assert geometry.warnings == ()


def test_a_patient_lying_the_other_way_round_is_still_ordered_upward() -> None:
    slices = [replace(s, orientation=(-1.0, 0, 0, 0, 1.0, 0)) for s in stack()]

    assert order_slices(slices[::-1]).order == list(range(19, -1, -1))


def test_the_gantry_s_tilt_is_measured_and_told() -> None:
    tilt = math.radians(18.5)
    tilted = (1.0, 0.0, 0.0, 0.0, math.cos(tilt), -math.sin(tilt))

    geometry = order_slices([replace(s, orientation=tilted) for s in stack()])

    assert geometry.tilt_degrees == pytest.approx(18.5, abs=0.01)
    assert geometry.spacing_mm == pytest.approx(5 * math.cos(tilt))
    assert geometry.warnings == ("The gantry was tilted by 18.5 degrees.",)


def test_oblique_slices_stacked_along_their_normal_are_not_tilted() -> None:
    angle = math.radians(15)
    oblique = (1.0, 0.0, 0.0, 0.0, math.cos(angle), math.sin(angle))
    normal = np.array((0, -math.sin(angle), math.cos(angle)))
    places = [normal * 5.0 * index for index in range(20)]

    geometry = order_slices(
        [Placement((float(p[0]), float(p[1]), float(p[2])), oblique) for p in places]
    )

    assert geometry.tilt_degrees == pytest.approx(0, abs=0.01)
    assert geometry.warnings == ()


def test_missing_slices_are_told() -> None:
    assert warned(stack()[:8] + stack()[9:], "Slices seem to be missing: 1 distances")


def test_uneven_distances_are_told_but_are_no_gap() -> None:
    thin = stack(14, 4.0)
    thick = [Placement((-100, -100, 53 + 7.0 * n), slice_thickness_mm=7.0) for n in range(14)]

    assert warned(thin + thick, "unevenly spaced, 1.0 to 7.0 mm")
    assert not warned(thin + thick, "missing")


def test_slices_at_one_place_are_told() -> None:
    assert warned([*stack(), stack()[3]], "2 slices or more lie at the same place")


def test_thick_slices_are_told_from_above_five_millimetres() -> None:
    thick = [replace(s, slice_thickness_mm=7.0) for s in stack(20, 7.0)]

    assert warned(thick, "thick (7 mm)")
    assert not warned(stack(), "thick")


@pytest.mark.parametrize("thickness", [5.0, None])
def test_a_single_slice_is_a_series(thickness: float | None) -> None:
    geometry = order_slices([Placement(None, None, None, thickness)])

    assert geometry.order == [0]
    assert geometry.z_mm.tolist() == [0]
    assert geometry.spacing_mm == (thickness or 0)
    assert geometry.warnings == ("Only 1 slice was given; the rest of the head was not analysed.",)


def test_few_slices_are_told() -> None:
    assert warned(stack(9), "Only 9 slices were given")
    assert not warned(stack(10), "Only")


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        (Placement(None, AXIAL, 3), "do not state their position"),
        (Placement((0, 0, 7), None, 3), "do not state their position"),
        (Placement((0, 0, 7), (1.0, 0, 0, 1.0, 0, 0), 3), "impossible orientation"),
        (Placement((0, 0, 7), (1.0, 0, 0, 0, 0.0, -1.0), 3), "face different ways"),
    ],
    ids=["no position", "no orientation", "no plane", "coronal"],
)
def test_without_places_the_numbers_decide_with_a_warning(spoiled: Placement, why: str) -> None:
    slices = [spoiled, *stack(12)]

    geometry = order_slices(slices)

    assert [slices[i].instance_number for i in geometry.order] == sorted([3, *range(1, 13)])
    assert geometry.spacing_mm == 5
    assert any(why in warning and "by instance number" in warning for warning in geometry.warnings)


def test_without_places_and_numbers_the_given_order_stays() -> None:
    geometry = order_slices([Placement(None, None, None, None)] * 12)

    assert geometry.order == list(range(12))
    assert any("as they were given" in w and "distance of 5 mm" in w for w in geometry.warnings)


def test_no_slices_are_no_series() -> None:
    none: list[SlicePlacement] = []

    with pytest.raises(ValueError, match="no slices to order"):
        order_slices(none)


@pytest.mark.parametrize("tilt_degrees", [0.0, 18.5, -20.0])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_slice_alone_has_the_place_that_it_has_in_its_series(
    tilt_degrees: float, side: float
) -> None:
    tilt = math.radians(tilt_degrees)
    orientation = (side, 0.0, 0.0, 0.0, math.cos(tilt), -math.sin(tilt))
    slices = [replace(s, orientation=orientation) for s in stack()]

    alone = np.array([position_along_normal_mm(s) for s in slices])

    np.testing.assert_allclose(alone - alone[0], order_slices(slices).z_mm, atol=1e-4)


@pytest.mark.parametrize(
    "placement",
    [Placement(None), Placement((0, 0, 0), None), Placement((0, 0, 0), (1, 0, 0, 1, 0, 0))],
    ids=["no position", "no orientation", "impossible orientation"],
)
def test_a_slice_without_a_place_is_nowhere(placement: Placement) -> None:
    assert math.isnan(position_along_normal_mm(placement))
