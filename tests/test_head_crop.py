"""The head is found in a slice, cut out square, and resized without aliasing."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from model.data.head_crop import LEAST_SHARE, MARGIN, Box, head_box, resize_slice, square_slice
from model.preprocess import pad_to_square
from model.windowing import HU_MIN

AIR = -1000


def field(size: int = 200) -> NDArray[np.int16]:
    return np.full((size, size), AIR, np.int16)


def with_head(top: int, left: int, height: int, width: int) -> NDArray[np.int16]:
    hu = field()
    hu[top : top + height, left : left + width] = 40
    return hu


def test_the_box_holds_the_head_with_a_margin_and_is_centered_on_it() -> None:
    box = head_box(with_head(40, 60, 120, 80))

    assert box.side == pytest.approx(120 * (1 + 2 * MARGIN), abs=1)
    assert box.top + box.side / 2 == pytest.approx(100, abs=2)
    assert box.left + box.side / 2 == pytest.approx(100, abs=2)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 120), (80, 0), (80, 120)])
def test_a_head_at_the_edge_keeps_the_box_inside_the_field(top: int, left: int) -> None:
    box = head_box(with_head(top, left, 120, 80))

    assert 0 <= box.top <= top
    assert 0 <= box.left <= left
    assert top + 120 <= box.top + box.side <= 200
    assert left + 80 <= box.left + box.side <= 200


def test_a_head_rest_apart_from_the_head_is_cut_off() -> None:
    hu = with_head(20, 60, 100, 80)
    hu[180:184, 10:190] = 300

    box = head_box(hu)

    assert box.top + box.side < 180


def test_a_head_that_fills_the_field_is_not_cropped() -> None:
    assert head_box(np.full((200, 200), 40, np.int16)) == Box(0, 0, 200)


def test_without_a_body_the_whole_slice_stays() -> None:
    assert head_box(field()) == Box(0, 0, 200)


def test_the_last_bit_of_a_vertex_is_not_blown_up() -> None:
    box = head_box(with_head(96, 96, 8, 8))

    assert box.side == LEAST_SHARE * 200
    assert box.top <= 96
    assert box.top + box.side >= 104


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (7, 7), (408, 374)])
def test_padding_is_that_of_service(shape: tuple[int, int]) -> None:
    hu = np.random.default_rng(0).integers(-1024, 2000, shape).astype(np.int16)

    expected = pad_to_square(torch.from_numpy(hu[None].astype(np.float32)))[0]

    assert np.array_equal(square_slice(hu), expected.numpy().astype(np.int16))


@pytest.mark.parametrize(("before", "after"), [(512, 256), (300, 256), (100, 256), (413, 64)])
def test_resizing_is_torchs_antialiased_one_to_half_a_unit(before: int, after: int) -> None:
    hu = np.random.default_rng(0).integers(HU_MIN, 3000, (before, before)).astype(np.int16)

    expected = functional.interpolate(
        torch.from_numpy(hu[None, None].astype(np.float32)),
        [after, after],
        mode="bilinear",
        antialias=True,
    )[0, 0].numpy()

    resized = resize_slice(hu, after)
    assert resized.dtype == np.int16
    assert np.abs(resized - expected).max() <= 0.51


def test_a_slice_of_the_right_size_is_kept_as_it_is() -> None:
    hu = with_head(0, 0, 50, 50)

    assert np.array_equal(resize_slice(hu, 200), hu)
