"""What another scanner would show: the same head with another grain, other edges and ends."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.phantom import HeadPhantom, simulate_slice
from model.data.simulate import scanner

HEAD = HeadPhantom(n_slices=12, spacing_mm=10, pixels=96)


@pytest.fixture(scope="module")
def hu() -> NDArray[np.float32]:
    slices = [simulate_slice(HEAD, index) for index in (5, 6, 7)]
    return np.stack(slices).astype(np.float32)


def roughness(hu: NDArray[np.floating]) -> float:
    inner = hu[:, 30:60, 30:60]
    return float(np.diff(inner, axis=2).std())


def test_a_smoother_kernel_has_less_noise_and_a_sharper_one_more(hu: NDArray[np.float32]) -> None:
    smooth = scanner.smoother_kernel(hu, 1.0)
    sharp = scanner.sharper_kernel(hu, 0.8)

    assert roughness(smooth) < 0.7 * roughness(hu)
    assert roughness(sharp) > 1.2 * roughness(hu)
    assert abs(smooth.mean() - hu.mean()) < 2


def test_coarse_noise_has_grain_and_air_stays_quiet(hu: NDArray[np.float32]) -> None:
    flat = np.full((1, 64, 64), 40, np.float32)
    white = scanner.coloured_noise(flat, np.random.default_rng(0), 5, 0)
    grainy = scanner.coloured_noise(flat, np.random.default_rng(0), 5, 1.5)
    air = scanner.coloured_noise(np.full((1, 64, 64), -1000.0), np.random.default_rng(0), 5, 0)

    assert white.std() == pytest.approx(5, rel=0.1)
    assert grainy.std() == pytest.approx(5, rel=0.1)
    assert np.diff(grainy, axis=2).std() < 0.6 * np.diff(white, axis=2).std()
    assert (air == -1000).all()


def test_thicker_slices_mix_neighbours_and_a_single_one_stays(hu: NDArray[np.float32]) -> None:
    mixed = scanner.thicker_slices(hu, 0.5)

    assert np.allclose(mixed[1], (hu[1] + 0.5 * (hu[0] + hu[2])) / 2, atol=0.01)
    assert (scanner.thicker_slices(hu[:1], 0.5) == hu[:1]).all()


def test_a_larger_field_shows_a_smaller_head_in_air(hu: NDArray[np.float32]) -> None:
    shown = scanner.other_field(hu, 1.3, (0, 0))

    assert shown.shape == hu.shape
    ratio = (shown > -500).sum() / (hu > -500).sum()
    assert ratio == pytest.approx(1 / 1.3**2, rel=0.05)


def test_a_head_rest_lies_in_the_air(hu: NDArray[np.float32]) -> None:
    shown = scanner.head_holder(hu, np.random.default_rng(0), 200)

    assert (shown != hu).any()
    assert (shown == hu)[hu >= -500].all()


def test_eight_bits_keep_256_levels_of_a_window(hu: NDArray[np.float32]) -> None:
    shown = scanner.eight_bits(hu, 40, 80)

    assert shown.min() == 0
    assert shown.max() == 80
    assert len(np.unique(shown)) <= 256


def test_padding_fills_the_corners_alone(hu: NDArray[np.float32]) -> None:
    shown = scanner.padding(hu, -1024)

    assert (shown[:, 0, 0] == -1024).all()
    assert (shown[:, 40:56, 40:56] == hu[:, 40:56, 40:56]).all()


def test_the_same_seed_varies_alike(hu: NDArray[np.float32]) -> None:
    stored = hu.astype(np.int16)

    first = scanner.vary_scanner(stored, np.random.default_rng(5))
    again = scanner.vary_scanner(stored, np.random.default_rng(5))
    other = scanner.vary_scanner(stored, np.random.default_rng(6))

    assert first.dtype == np.int16
    assert (first == again).all()
    assert (first != other).any()
