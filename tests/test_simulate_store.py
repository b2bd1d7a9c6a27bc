"""Anatomy beside a cache, training draws from it, and the command that makes the gallery."""

from pathlib import Path

import numpy as np
import pytest

from model import simulate
from model.data.cache_writer import write_cache
from model.data.cached import CachedSet, open_cache
from model.data.simulate.insert import Plan
from model.data.simulate.store import StoredSeries, negative_series, open_store
from model.data.simulate.training import draw_training_slice
from model.data.simulated import SimulatedSet
from model.errors import TrainingError

SIZE = 128
BLEEDING = Plan(bleeding=1.0, look_alikes=0.5)


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    folder = tmp_path_factory.mktemp("simulate") / "cache"
    write_cache(SimulatedSet(patients=4, slices=12, pixels=SIZE), folder, size=SIZE)
    simulate.main(["--cache", str(folder), "--workers", "1"])
    return open_cache(folder)


@pytest.fixture(scope="module")
def store(cached: CachedSet) -> list[StoredSeries]:
    return open_store(cached)


def test_a_series_with_a_bleed_is_no_ground_for_another(
    cached: CachedSet, store: list[StoredSeries]
) -> None:
    bleeding = set(cached.frame.loc[cached.frame["any"] == 1, "patient"])

    assert len(negative_series(cached)) == 2
    assert not {series.patient for series in store} & bleeding


def test_the_anatomy_lies_over_the_slices(cached: CachedSet, store: list[StoredSeries]) -> None:
    series = store[0]
    index = len(series.rows) // 2

    inside = series.anatomy.codes[index] > 0
    assert series.anatomy.good[index]
    assert 15 < np.median(cached.hu[series.rows[index]][inside]) < 45


def test_without_anatomy_the_reader_is_told_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    write_cache(SimulatedSet(patients=1, slices=2, pixels=64), folder, size=64)

    with pytest.raises(TrainingError, match=r"python -m model\.simulate --cache"):
        open_store(open_cache(folder))


def test_the_same_generator_draws_the_same_sample(
    cached: CachedSet, store: list[StoredSeries]
) -> None:
    first = draw_training_slice(cached.hu, store, np.random.default_rng(3), BLEEDING)
    again = draw_training_slice(cached.hu, store, np.random.default_rng(3), BLEEDING)

    assert (first.hu == again.hu).all()
    assert (first.targets == again.targets).all()
    assert first.description == again.description


def test_most_samples_that_shall_bleed_do_and_all_subtypes_come(
    cached: CachedSet, store: list[StoredSeries]
) -> None:
    draws = [
        draw_training_slice(cached.hu, store, np.random.default_rng((7, number)), BLEEDING)
        for number in range(80)
    ]

    counts = np.sum([draw.targets for draw in draws], axis=0)
    assert counts[0] > 55
    assert (counts[1:] >= 3).all()
    for draw in draws:
        assert (draw.targets[1:] == draw.masks.any(axis=(1, 2))).all()


def test_neighbours_come_with_the_same_lesions(
    cached: CachedSet, store: list[StoredSeries]
) -> None:
    alone = draw_training_slice(cached.hu, store, np.random.default_rng(5), BLEEDING)
    three = draw_training_slice(cached.hu, store, np.random.default_rng(5), BLEEDING, neighbours=1)

    assert three.hu.shape == (3, SIZE, SIZE)
    assert (three.hu[1] == alone.hu[0]).all()
    assert three.row == alone.row


def test_the_gallery_is_one_page_that_says_what_it_shows(cached: CachedSet, tmp_path: Path) -> None:
    simulate.main(["--cache", str(cached.folder), "--gallery", "--to", str(tmp_path)])

    page = (tmp_path / simulate.PAGE).read_text()
    assert "SIMULATED" in page
    assert "Look-alikes" in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_a_gallery_without_a_folder_is_refused(cached: CachedSet) -> None:
    with pytest.raises(TrainingError, match="--gallery needs --to"):
        simulate.main(["--cache", str(cached.folder), "--gallery"])
