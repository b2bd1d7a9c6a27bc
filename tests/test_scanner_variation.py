"""What another scanner would show: the same head with another grain, other edges and ends."""

import pytest
import torch
from torch import Tensor

from model.data import scanner_variation as scanner
from model.data.synthetic.scan import Scan
from plain_head import plain_slice

HEAD = Scan(n_slices=12, spacing_mm=10, pixels=96)


@pytest.fixture(scope="module")
def hu() -> Tensor:
    """float32[2, 3, 96, 96]: three neighbours each."""
    slices = [torch.from_numpy(plain_slice(HEAD, index)) for index in (4, 5, 6, 7)]
    return torch.stack([torch.stack(slices[:3]), torch.stack(slices[1:])]).to(torch.float32)


def roughness(hu: Tensor) -> Tensor:
    """One number an input."""
    return hu[..., 30:60, 30:60].diff(dim=-1).std(dim=(1, 2, 3))


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize("sigma", [0.5, 0.7, 1.2, 2.0, 3.0])
def test_a_blur_is_nearly_gaussian(sigma: float) -> None:
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 1

    spread = scanner.blur(point, numbers(sigma))[0, 0]

    distance = torch.arange(41.0) - 20
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert (spread.sum(dim=0) * distance**2).sum().sqrt() == pytest.approx(sigma, rel=0.01)
    gaussian = torch.exp(-(distance**2) / (2 * sigma**2))
    assert (spread.sum(dim=0) - gaussian / gaussian.sum()).abs().max() < 0.07


def test_a_blur_leaves_what_is_even_up_to_the_border() -> None:
    even = torch.full((1, 1, 9, 9), -1000.0)

    assert torch.allclose(scanner.blur(even, numbers(1.5)), even, atol=1e-3)


def test_a_smoother_kernel_has_less_noise_and_a_sharper_one_more(hu: Tensor) -> None:
    varied = scanner.reconstruction_kernel(hu, numbers(-1, 0.8), numbers(1, 1))

    assert roughness(varied)[0] < 0.7 * roughness(hu)[0]
    assert roughness(varied)[1] > 1.2 * roughness(hu)[1]
    assert (varied - hu).mean().abs() < 1


def test_noise_has_its_strength_and_grain_and_air_stays_quiet() -> None:
    torch.manual_seed(0)
    flat = torch.full((3, 1, 64, 64), 40.0)
    flat[2] = -1000

    varied = scanner.textured_noise(flat, numbers(5, 5, 5), numbers(0, 1.5, 0))

    assert varied[0].std() == pytest.approx(5, rel=0.05)
    assert varied[1].std() == pytest.approx(5, rel=0.1)
    white, grainy = varied[:2].diff(dim=-1).std(dim=(1, 2, 3))
    assert grainy < 0.6 * white
    assert (varied[2] == -1000).all()


def test_offset_and_gain_calibrate_otherwise(hu: Tensor) -> None:
    varied = scanner.offset_and_gain(hu, numbers(5, 0), numbers(1, 1.1))

    assert torch.allclose(varied[0], hu[0] + 5)
    assert torch.allclose(varied[1], hu[1] * 1.1)


def test_coarser_pixels_lose_detail_and_keep_the_rest(hu: Tensor) -> None:
    varied = scanner.coarser_pixels(hu, numbers(1, 2))

    assert torch.allclose(varied[0], hu[0], atol=1e-3)
    assert roughness(varied)[1] < 0.6 * roughness(hu)[1]
    assert (varied - hu).mean().abs() < 1


def test_thicker_slices_mix_neighbours(hu: Tensor) -> None:
    mixed = scanner.thicker_slices(hu, numbers(1, 2), numbers(0, 0))

    assert torch.allclose(mixed[0, 0], hu[0, 1])
    assert torch.allclose(mixed[1, 0], (hu[1, 0] + 2 * hu[1, 1] + hu[1, 2]) / 4, atol=1e-3)


def test_a_tilted_slice_runs_from_the_one_below_to_the_one_above() -> None:
    stack = torch.tensor([10.0, 20.0, 30.0])[None, :, None, None].expand(1, 3, 5, 4)

    tilted = scanner.thicker_slices(stack, numbers(1), numbers(0.5))[0, 0]

    assert torch.allclose(tilted[:, 0], torch.tensor([15.0, 17.5, 20.0, 22.5, 25.0]))


def test_a_holder_lies_in_the_air_below_the_head(hu: Tensor) -> None:
    shown = scanner.head_holder(
        hu,
        holder_hu=numbers(200, 200),
        radius=numbers(0.5, 2),
        lowest=numbers(0.95, 0.95),
        across=numbers(0.5, 0.5),
        shell=numbers(2, 2),
    )

    assert (shown == hu)[hu > -400].all()
    assert (shown == hu)[..., :55, :].all()
    assert (shown[:, :, 88:93, 48].amax(dim=-1) == 200).all()


def test_eight_bits_keep_256_levels_of_a_window(hu: Tensor) -> None:
    shown = scanner.eight_bits(hu, numbers(40, 50), numbers(80, 400))

    assert shown[0].min() == 0
    assert shown[0].max() == 80
    assert len(set(shown[1].flatten().tolist())) <= 256
    inside = (hu[1] > -150) & (hu[1] < 250)
    assert (shown[1] - hu[1])[inside].abs().max() <= 400 / 255 / 2 + 1e-3


def test_padding_fills_the_corners_alone(hu: Tensor) -> None:
    shown = scanner.padding(hu, numbers(0, -2000), numbers(0.5, 0.5))

    assert (shown[:, :, 0, 0] == numbers(0, -2000)[:, None]).all()
    assert (shown == hu)[:, :, 40:56, 2:-2].all()
