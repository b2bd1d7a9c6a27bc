"""What happens to a series before the network sees it: slices lost, turned, seen elsewhere."""

import numpy as np
import pytest
import torch

from model.data.synthetic.scan import Scan
from model.evaluation.disturbances import (
    DISTURBANCES,
    SeriesInput,
    one_by_one,
    turned,
    upside_down,
    without_the_middle,
)
from plain_head import plain_slice


def numbered(slices: int) -> SeriesInput:
    """Slices that hold their own number, at uneven positions."""
    hu = [np.full((8, 8), number, np.int16) for number in range(slices)]
    return SeriesInput(hu, np.arange(slices, dtype=np.float32) ** 2, np.arange(slices))


def seen(series: SeriesInput) -> list[tuple[int, float, int]]:
    return [
        (int(hu[0, 0]), float(z_mm), int(place))
        for hu, z_mm, place in zip(series.hu, series.z_mm, series.places, strict=True)
    ]


def test_without_its_middle_a_series_keeps_the_others_where_they_are() -> None:
    (left,) = without_the_middle(numbered(5))

    assert seen(left) == [(0, 0, 0), (1, 1, 1), (3, 9, 3), (4, 16, 4)]
    assert without_the_middle(numbered(1)) == []


def test_upside_down_the_last_slice_is_first_and_positions_still_rise() -> None:
    (left,) = upside_down(numbered(3))

    assert seen(left) == [(2, 0, 2), (1, 3, 1), (0, 4, 0)]


def test_one_by_one_every_slice_is_a_series() -> None:
    assert [seen(one) for one in one_by_one(numbered(3))] == [[(0, 0, 0)], [(1, 1, 1)], [(2, 4, 2)]]


def test_a_slice_is_turned_clockwise_about_its_middle() -> None:
    hu = torch.full((1, 1, 65, 65), -1000, dtype=torch.int16)
    hu[0, 0, 2:9, 29:36] = 100

    shown = turned(hu, 90)[0, 0]

    down, right = (int(places.float().mean()) for places in torch.where(shown > 0))
    assert (down, right) == (32, 59)
    assert turned(hu, 15).min() == pytest.approx(-1024, abs=30)


@pytest.mark.parametrize(
    ("name", "change"), [("5 HU higher", 5), ("5 HU lower", -5), ("half the resolution", 0)]
)
def test_other_scanners_change_the_values_and_nothing_else(name: str, change: int) -> None:
    series = SeriesInput([np.full((64, 50), 30, np.int16)], np.zeros(1, np.float32), np.arange(1))

    (disturbed,) = DISTURBANCES[name](series)

    (hu,) = disturbed.hu
    assert hu.dtype == np.int16
    assert hu.shape == (64, 64)
    assert (hu[5:-5, 12:-12] == 30 + change).all()


@pytest.mark.parametrize("name", [name for name in DISTURBANCES if "slice" not in name])
def test_what_another_scanner_shows_is_still_the_same_head(name: str) -> None:
    head = plain_slice(Scan(n_slices=3, pixels=128), 1)
    series = SeriesInput([head], np.zeros(1, np.float32), np.arange(1))

    (disturbed,) = DISTURBANCES[name](series)

    before, after = (
        np.clip(hu.astype(np.float64), -100, 200).ravel() for hu in (head, disturbed.hu[0])
    )
    assert not np.array_equal(before, after)
    assert np.corrcoef(before, after)[0, 1] > 0.8
