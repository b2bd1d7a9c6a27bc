"""A series becomes batches of inputs, in order, each slice with its neighbours."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.slice_batches import input_batches


def numbered(count: int, side: int = 4, first: int = 0) -> list[NDArray[np.int16]]:
    return [np.full((side, side), first + number, np.int16) for number in range(count)]


def values(batches: list[NDArray[np.int16]]) -> list[list[list[int]]]:
    """The number of each slice in each input of each batch."""
    return [batch[:, :, 0, 0].tolist() for batch in batches]


def test_every_slice_comes_once_and_in_order() -> None:
    batches = list(input_batches(numbered(5), 1, 2))

    assert values(batches) == [[[0], [1]], [[2], [3]], [[4]]]
    assert batches[0].dtype == np.int16


def test_neighbours_reach_across_batches_and_the_ends_stand_in() -> None:
    batches = list(input_batches(numbered(4), 3, 2))

    assert values(batches) == [[[0, 0, 1], [0, 1, 2]], [[1, 2, 3], [2, 3, 3]]]


def test_another_shape_begins_a_batch_and_is_nobodys_neighbour() -> None:
    series = [*numbered(2), *numbered(1, side=6, first=2), *numbered(1, first=3)]

    batches = list(input_batches(series, 3, 8))

    assert values(batches) == [[[0, 0, 1], [0, 1, 1]], [[2, 2, 2]], [[3, 3, 3]]]


@pytest.mark.parametrize("slices_per_input", [1, 3])
def test_a_single_slice_is_a_series(slices_per_input: int) -> None:
    assert values(list(input_batches(numbered(1), slices_per_input, 4))) == [
        [[0] * slices_per_input]
    ]


def test_nothing_gives_no_batch() -> None:
    assert list(input_batches([], 1, 4)) == []
