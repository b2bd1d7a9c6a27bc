"""Several caches are one pool, read where they lie and drawn by weight."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cache_factory import write_cache
from model.data.cached import CachedSet, open_cache
from model.data.mixture import (
    Drawing,
    Pool,
    drawn_prevalence,
    epoch_length,
    epoch_order,
    make_pool,
    neighbour_rows,
    require_trainable,
    shares_of,
    true_prevalence,
)
from model.errors import TrainingError


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[CachedSet]:
    """Caches of 40 and of 24 slices."""
    root = tmp_path_factory.mktemp("caches")
    return [
        open_cache(write_cache(root / "a", patients=10, slices=4, name="a")),
        open_cache(write_cache(root / "b", patients=6, slices=4, seed=1, name="b")),
    ]


def whole(sets: list[CachedSet], slices_per_input: int = 1) -> Pool:
    return make_pool(sets, [np.ones(len(item.frame), bool) for item in sets], slices_per_input)


def test_a_pool_reads_each_slice_with_its_own_labels(sets: list[CachedSet]) -> None:
    pool = whole(sets)

    samples = pool.read(np.array([50, 3]))

    first, second = sets[1].frame.iloc[10], sets[0].frame.iloc[3]
    assert np.array_equal(samples.hu[0, 0], sets[1].hu[first["row"]])
    assert np.array_equal(samples.hu[1, 0], sets[0].hu[second["row"]])
    assert samples.targets[:, 0].tolist() == [first["any"], second["any"]]


def test_three_slices_an_input_are_the_neighbours_in_the_series(sets: list[CachedSet]) -> None:
    rows = neighbour_rows(pd.Series(["s", "s", "s", "t", "u", "u"]), 3)

    assert rows.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2], [3, 3, 3], [4, 4, 5], [4, 5, 5]]


def test_a_neighbour_counts_though_it_is_not_learnt_from(sets: list[CachedSet]) -> None:
    keep = [np.arange(40) == 1, np.zeros(24, bool)]

    samples = make_pool(sets, keep, slices_per_input=3).read(np.array([0]))

    wanted = sets[0].hu[sets[0].frame["row"].to_numpy()[:3]]
    assert np.array_equal(samples.hu[0], wanted)


def test_an_epoch_draws_each_cache_by_its_weight(sets: list[CachedSet]) -> None:
    pool = whole(sets)
    drawing = Drawing(shares_of([1, 0.25]))

    order = epoch_order(pool, drawing, slices=50, seed=0, epoch=0)

    assert np.bincount(pool.source[order]).tolist() == [40, 10]
    assert epoch_length(pool, drawing) == 50
    assert len(set(order)) == 50


def test_short_epochs_see_every_slice_in_the_end(sets: list[CachedSet]) -> None:
    pool = whole(sets[:1])

    orders = [epoch_order(pool, Drawing((1.0,)), 8, seed=0, epoch=epoch) for epoch in range(5)]

    assert sorted(np.concatenate(orders)) == list(range(40))


def test_the_order_depends_on_seed_and_epoch_alone(sets: list[CachedSet]) -> None:
    pool, drawing = whole(sets), Drawing((0.5, 0.5), "hybrid")

    orders = [
        epoch_order(pool, drawing, 30, seed, epoch).tolist()
        for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0)]
    ]

    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]


def test_the_true_prevalence_is_that_of_the_first_cache(sets: list[CachedSet]) -> None:
    pool = whole(sets)

    assert true_prevalence(pool) == pytest.approx(sets[0].targets.mean(axis=0))


def test_the_drawn_prevalence_is_what_an_epoch_holds(sets: list[CachedSet]) -> None:
    pool, drawing = whole(sets), Drawing((0.8, 0.2), "over", 0.5)

    order = epoch_order(pool, drawing, slices=20_000, seed=0, epoch=0)

    assert drawn_prevalence(pool, drawing) == pytest.approx(
        pool.targets[order].mean(axis=0), abs=0.01
    )


def test_caches_of_different_sizes_cannot_be_mixed(sets: list[CachedSet], tmp_path: Path) -> None:
    other = open_cache(write_cache(tmp_path, patients=2, slices=2, size=40, name="c"))

    with pytest.raises(TrainingError, match=r"must have one size .*32 pixels, .*40 pixels"):
        whole([sets[0], other])


def test_a_cache_with_one_class_is_named(sets: list[CachedSet]) -> None:
    keep = [np.ones(40, bool), sets[1].targets[:, 0] == 0]
    pool = make_pool(sets, keep)

    with pytest.raises(TrainingError, match=r"/b: Training needs .* here 0 of"):
        require_trainable(pool, sets)


def test_a_cache_without_slices_is_named(sets: list[CachedSet]) -> None:
    pool = make_pool(sets, [np.ones(40, bool), np.zeros(24, bool)])

    with pytest.raises(TrainingError, match=r"No slice of .*/b is left for training"):
        require_trainable(pool, sets)
