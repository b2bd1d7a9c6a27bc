"""The synthetic head: the same every time, anatomy where it should be, bleeding with its masks."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.insert import Plan
from model.data.simulate.series_anatomy import INSIDE, VENTRICLE, SeriesAnatomy, series_anatomy
from model.data.synthetic.head import draw_head
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import SyntheticSeries, bleeding_of, make_series
from model.labels import LABELS, SUBTYPES

SCAN = Scan(n_slices=15, spacing_mm=9, pixels=128)
SEED = 6
MIDDLE = 7
"""A slice through the ventricles."""


@cache
def healthy(scan: Scan = SCAN, seed: int = SEED) -> SyntheticSeries:
    return make_series(seed, scan)


@cache
def bleeding(subtype: str) -> SyntheticSeries:
    return make_series(SEED, SCAN, bleeding_of(subtype))


@cache
def anatomy(scan: Scan = SCAN) -> SeriesAnatomy:
    return series_anatomy(list(healthy(scan).hu), [scan.grid(i) for i in range(scan.n_slices)])


def around(index: int, half: int = 6) -> NDArray[np.int16]:
    """The middle of a slice."""
    middle = SCAN.pixels // 2
    return healthy().hu[index, middle - half : middle + half, middle - half : middle + half]


def test_the_same_seed_gives_the_same_series_and_another_one_another_head() -> None:
    few = Scan(n_slices=3, spacing_mm=30, pixels=64)

    first, again, other = (make_series(seed, few).hu for seed in (1, 1, 2))

    assert (first == again).all()
    assert ((first > 300) != (other > 300)).sum() > 200, "another skull"
    assert draw_head(1) != draw_head(2)


def test_tissues_have_the_hu_they_should_have() -> None:
    hu = healthy().hu
    inside = (anatomy().codes & INSIDE) > 0
    head = draw_head(SEED)
    deep = ndimage.binary_erosion(inside[MIDDLE], iterations=6)

    assert np.percentile(hu[:, :4, :4], [1, 99]) == pytest.approx([-1000, -1000], abs=10)
    assert hu.max() > 1000
    assert head.white_hu - 1 < np.median(hu[MIDDLE][deep]) < head.grey_hu + 1
    fluid = ndimage.binary_erosion((anatomy().codes[MIDDLE] & VENTRICLE) > 0, iterations=2)
    assert np.median(hu[MIDDLE][fluid]) == pytest.approx(head.fluid_hu, abs=5)
    assert (hu[:3] < -500)[:, 30:98, 40:88].any(), "air in the sinuses"


@pytest.mark.parametrize("tilt", [0.0, -15.0, 18.0])
def test_brain_ventricles_and_midline_are_found(tilt: float) -> None:
    scan = replace(SCAN, tilt_degrees=tilt)
    found, head = anatomy(scan), draw_head(SEED)

    areas_cm2 = ((found.codes & INSIDE) > 0).sum(axis=(1, 2)) * scan.pixel_mm**2 / 100
    ventricles_cm2 = ((found.codes & VENTRICLE) > 0).sum(axis=(1, 2)) * scan.pixel_mm**2 / 100
    assert found.good[3:13].all()
    assert 110 < areas_cm2.max() < 200
    assert 2 < ventricles_cm2.max() < 25
    assert found.frame is not None
    assert found.frame.x_per_y == pytest.approx(np.tan(np.deg2rad(-head.turn)), abs=0.05)
    assert found.frame.x_mm == pytest.approx(head.shift_mm[0], abs=4)
    assert 0.9 < found.frame.scale < 1.15


def test_thick_slices_blur_the_vertex_and_are_quieter() -> None:
    few = Scan(n_slices=3, spacing_mm=30, pixels=128, noise_hu=6)

    thin, thick = (healthy(replace(few, thickness_mm=mm)).hu for mm in (1.5, 10.0))

    def roughness(hu: NDArray[np.int16]) -> float:
        part = hu[1, 50:80, 50:80].astype(float)
        return float((part - ndimage.uniform_filter(part, 3)).std())

    assert roughness(thick) < 0.7 * roughness(thin)
    steep = [np.abs(np.diff(hu[2].astype(float), axis=1)).max() for hu in (thin, thick)]
    assert steep[1] < steep[0]


def test_noise_is_as_asked_and_has_a_grain() -> None:
    quiet, noisy = (
        make_series(SEED, Scan(n_slices=1, pixels=256, noise_hu=noise)).hu[0].astype(float)
        for noise in (0.0, 5.0)
    )

    noise = (noisy - quiet)[100:156, 100:156]
    assert noise.std() == pytest.approx(5, rel=0.15)
    beside = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    assert 0.2 < beside < 0.9


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_each_subtype_is_inserted_where_it_belongs(subtype: str) -> None:
    made = bleeding(subtype)
    number = LABELS.index(subtype)

    assert made.targets[:, number].any()
    assert (made.targets[:, 0] == made.targets[:, number]).all(), "and no other"
    assert (made.targets[:, 1:] == made.masks.any(axis=(2, 3))).all()
    mask = made.masks[:, number - 1]
    inside = (anatomy().codes & INSIDE) > 0
    assert (mask & inside).sum() > 0.9 * mask.sum()
    depth_mm = anatomy().depths[mask & inside] / 4
    fluid = ndimage.gaussian_filter(healthy().hu.astype(float), (0, 1, 1))[mask]
    if subtype in ("epidural", "subdural"):
        assert np.percentile(depth_mm, 5) < 4, "it lies at the bone"
    elif subtype == "intraparenchymal":
        assert np.median(depth_mm) > 4
    elif subtype == "intraventricular":
        assert ((anatomy().codes & VENTRICLE) > 0)[mask].mean() > 0.5
    else:
        assert fluid.mean() < draw_head(SEED).white_hu, "it took the place of fluid"


def test_blood_is_brighter_than_what_it_replaces_and_the_rest_stays() -> None:
    made = bleeding("intraparenchymal")
    mask = made.masks.any(axis=1)
    same = np.all(made.hu == healthy().hu, axis=(1, 2))

    assert made.hu[mask].mean() > healthy().hu[mask].mean() + 12
    assert same.sum() >= 5, "slices far from it keep every value"
    assert not (same & np.any(mask, axis=(1, 2))).any()
    assert made.description[0].startswith("intraparenchymal")


def test_look_alikes_alone_give_no_label() -> None:
    made = make_series(SEED, SCAN, Plan(bleeding=0, look_alikes=6))

    assert made.description
    assert not made.targets.any()
    assert not made.masks.any()
    assert (made.hu != healthy().hu).any()


def test_a_scan_that_shows_no_brain_takes_up_no_bleeding() -> None:
    made = make_series(SEED, Scan(n_slices=2, pixels=8), bleeding_of("subdural"))

    assert not made.masks.any()
