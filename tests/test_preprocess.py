"""Hounsfield units become the network's input, the same way in training and in serving."""

import numpy as np
import pytest
import torch

from model.preprocess import ModelWindows, Preprocess, neighbours, normalise, pad_to_square
from model.windowing import MODEL_WINDOWS, apply_window


def head_like(count: int = 2, rows: int = 96, columns: int = 96) -> torch.Tensor:
    """Air with a disc of brain in a ring of bone, int16[S, H, W]."""
    y, x = np.mgrid[:rows, :columns]
    radius = np.hypot(y - rows / 2, x - columns / 2) / min(rows, columns)
    hu = np.where(radius < 0.35, 35, np.where(radius < 0.4, 900, -1000))
    return torch.from_numpy(np.stack([hu] * count).astype(np.int16))


def test_the_channels_are_the_model_windows_of_the_one_windowing() -> None:
    hu = torch.linspace(-1024, 3000, 64).reshape(1, 8, 8)

    windowed = ModelWindows()(hu)

    for channel, window in enumerate(MODEL_WINDOWS):
        assert windowed[0, channel].numpy() == pytest.approx(apply_window(hu[0].numpy(), window))


@pytest.mark.parametrize(("rows", "columns"), [(408, 374), (374, 408), (5, 8), (7, 7)])
def test_a_slice_of_any_shape_is_centred_in_a_square_of_air(rows: int, columns: int) -> None:
    size = max(rows, columns)
    top, left = (size - rows) // 2, (size - columns) // 2

    square = pad_to_square(torch.full((2, rows, columns), 40.0))

    assert square.shape == (2, size, size)
    assert (square[:, top : top + rows, left : left + columns] == 40).all()
    assert (square == 40).sum() == 2 * rows * columns
    assert set(square.flatten().tolist()) <= {-1024.0, 40.0}


@pytest.mark.parametrize("shape", [(64, 64), (512, 512), (408, 374)])
def test_every_shape_becomes_the_input_size(shape: tuple[int, int]) -> None:
    hu = torch.zeros((1, *shape), dtype=torch.int16)

    assert Preprocess(128)(hu[:, None]).shape == (1, 3, 128, 128)


def test_windowing_comes_before_resizing() -> None:
    """A rim half bone, half air would average to soft tissue the other way round."""
    hu = torch.full((1, 64, 64), -1000, dtype=torch.int16)
    hu[:, :, ::2] = 1000

    network_input = Preprocess(32)(hu[:, None])

    brain = normalise(torch.tensor(0.5))
    assert network_input[0, 0, 8:24, 8:24].numpy() == pytest.approx(brain.item(), abs=0.02)


def test_padding_outside_the_scan_circle_counts_as_air() -> None:
    padding = torch.full((1, 32, 32), -3024, dtype=torch.int16)
    air = torch.full((1, 32, 32), -1024, dtype=torch.int16)

    assert torch.equal(Preprocess(32)(padding[:, None]), Preprocess(32)(air[:, None]))


def test_preprocessing_survives_torchscript_with_changing_shapes() -> None:
    module = Preprocess(64)
    first, second = head_like(1), head_like(3, 80, 50)
    expected = [module(first[:, None]), module(second[:, None])]
    module.windows = torch.jit.trace(module.windows, torch.zeros(1, 4, 4))  # type: ignore[no-untyped-call]

    scripted = torch.jit.script(module)

    for hu, wanted in zip([first, second], expected, strict=True):
        assert torch.allclose(scripted(hu[:, None]), wanted, atol=1e-6)


def test_neighbours_are_below_itself_and_above_and_the_ends_stand_in() -> None:
    hu = torch.arange(4, dtype=torch.int16)[:, None, None].expand(4, 2, 2)

    beside = neighbours(hu, 3)

    assert beside.shape == (4, 3, 2, 2)
    assert beside[:, :, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert neighbours(hu, 1)[:, :, 0, 0].tolist() == [[0], [1], [2], [3]]
    assert neighbours(hu[:1], 3)[:, :, 0, 0].tolist() == [[0, 0, 0]]


def test_the_channels_of_three_slices_are_the_windows_of_each_in_turn() -> None:
    hu = torch.randint(-100, 200, (2, 3, 40, 40)).to(torch.int16)
    module = Preprocess(32)

    together = module(hu)

    assert together.shape == (2, 9, 32, 32)
    for place in range(3):
        alone = module(hu[:, place : place + 1])
        assert torch.allclose(together[:, 3 * place : 3 * place + 3], alone, atol=1e-6)
