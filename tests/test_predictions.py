"""Predictions come from the originals, series by series, in the order and scale of service."""

from pathlib import Path

import numpy as np
import pytest

from cache_factory import write_cache
from model.data.cached import CachedSet, open_cache
from model.errors import DeviceError, TrainingError
from model.evaluation.predictions import (
    SeriesJob,
    order_in_series,
    read_series,
    series_of,
    served_positions,
)
from model.system.device import device_named


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    return open_cache(write_cache(tmp_path_factory.mktemp("cache"), patients=4))


def test_a_series_is_ordered_by_position_then_by_number() -> None:
    z_mm, number = np.array([10.0, 0.0, 10.0, 5.0]), np.array([4, 1, 3, 2])

    assert order_in_series(z_mm, number).tolist() == [1, 3, 2, 0]


def test_one_unknown_position_leaves_the_order_to_the_numbers() -> None:
    z_mm, number = np.array([10.0, 0.0, np.nan]), np.array([1, 3, 2])

    assert order_in_series(z_mm, number).tolist() == [0, 2, 1]


def test_positions_start_at_zero_and_are_assumed_where_one_is_unknown() -> None:
    known = served_positions(np.array([-30.0, -25.0, -17.5]), np.array([5.0, 5.0, 5.0]))
    assumed = served_positions(np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.5, 2.5]))
    nothing = served_positions(np.array([np.nan, np.nan]), np.array([np.nan, np.nan]))

    assert known.tolist() == [0, 5, 12.5]
    assert assumed.tolist() == [0, 2.5, 5]
    assert nothing.tolist() == [0, 5]
    assert known.dtype == assumed.dtype == np.float32


def test_the_originals_of_a_series_are_read_at_full_resolution(cached: CachedSet) -> None:
    rows = series_of(cached, ["simulated:p001"])

    hu = read_series(SeriesJob(cached.data_set, rows[0]["name"].tolist()))

    assert len(rows) == 1
    assert [one.shape for one in hu] == [(64, 64)] * 4
    assert rows[0]["z_mm"].is_monotonic_increasing


def test_an_original_that_is_gone_is_named(tmp_path: Path) -> None:
    cached = open_cache(write_cache(tmp_path, patients=2))
    (tmp_path / "originals" / "p001_002.dcm").unlink()
    rows = series_of(cached, ["simulated:p001"])

    with pytest.raises(TrainingError, match=r"The original of p001_002\.dcm cannot be read any"):
        read_series(SeriesJob(cached.data_set, rows[0]["name"].tolist()))


def test_a_device_that_is_not_there_is_an_error() -> None:
    assert device_named("cpu") == "cpu"
    with pytest.raises(DeviceError, match="The device tpu is not there"):
        device_named("tpu")
