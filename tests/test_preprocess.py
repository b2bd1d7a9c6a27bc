"""Hounsfield units become the network's input, the same way in training and in serving."""

import numpy as np
import pytest
import torch

from model.data.augment import augmented_input, random_placement, vary_hu
from model.preprocess import ModelWindows, Preprocess, normalise, pad_to_square
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


def test_augmentation_keeps_the_form_of_the_input_and_repeats_with_its_seed() -> None:
    hu = head_like(4)

    first = augmented_input(hu, 64, torch.Generator().manual_seed(5))
    second = augmented_input(hu, 64, torch.Generator().manual_seed(5))

    assert first.shape == (4, 3, 64, 64)
    assert torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert first.min() >= normalise(torch.tensor(0.0)) - 1e-6
    assert first.max() <= normalise(torch.tensor(1.0)) + 1e-6


def test_hu_vary_as_much_as_scanners_do_and_no_more() -> None:
    varied = vary_hu(torch.full((64, 32, 32), 40.0), torch.Generator().manual_seed(0))

    means = varied.mean(dim=(1, 2))
    assert means.min() > 40 * 0.95 - 5
    assert means.max() < 40 * 1.05 + 5
    assert means.std() > 1


def test_half_of_the_placements_are_mirrored() -> None:
    placement = random_placement(1000, torch.Generator().manual_seed(0))

    mirrored = torch.linalg.det(placement[:, :, :2]) < 0

    assert 400 < int(mirrored.sum()) < 600
