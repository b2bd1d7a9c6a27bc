"""Without augmentation a batch is what serving sees; each kind of it changes what it says."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cache_factory import write_cache
from model.data.augment import (
    NO_AUGMENTATION,
    Augmentation,
    network_input,
    random_affine,
    roll,
    vary_hu,
    vary_windows,
)
from model.data.cached import CachedSet, field_placement, open_cache
from model.data.dataset import SourceSlice
from model.data.field import compose, in_field
from model.data.slice_row import reduce_slice
from model.preprocess import Preprocess

KINDS = [item.name for item in fields(Augmentation)]
BESIDE = ["thickness", "tilt"]


def only(kind: str) -> Augmentation:
    return replace(NO_AUGMENTATION, **{kind: True})


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    return open_cache(write_cache(tmp_path_factory.mktemp("cache"), patients=4, slices=2, size=64))


def batch_of(cached: CachedSet) -> tuple[Tensor, Tensor]:
    hu = torch.from_numpy(cached.hu[cached.frame["row"].to_numpy()])
    return hu[:, None], torch.from_numpy(field_placement(cached.frame))[:, None]


def head(height: int, width: int) -> NDArray[np.int16]:
    """Brain with a bleed in a skull, off the middle of a slice."""
    down, right = np.mgrid[:height, :width].astype(float)
    oval = np.hypot((down - 140) / 100, (right - 110) / 80)
    bleed = np.hypot(down - 120, right - 90) < 25
    return np.where(oval > 1, -1000, np.where(oval > 0.9, 900, 32 + 40 * bleed)).astype(np.int16)


@pytest.mark.parametrize("size", [32, 64, 128, 160])
@pytest.mark.parametrize("shape", [(256, 256), (256, 230)])
def test_without_augmentation_a_batch_is_what_serving_sees(
    size: int, shape: tuple[int, int]
) -> None:
    original = head(*shape)
    crop, row = reduce_slice(SourceSlice("a", original, "p", "s", "s", 0.0, 1), 128)
    placement = torch.from_numpy(field_placement(pd.DataFrame([row])))

    mine = network_input(torch.from_numpy(crop)[None, None], placement[:, None], size)

    served = Preprocess(size)(torch.from_numpy(original)[None, None])
    # Of a range of 3.3; half the pixels of the crop are lost to the cache, which moves rims.
    assert (mine - served).abs().mean() < 0.045
    assert (mine - served).abs().median() < 0.001
    assert torch.corrcoef(torch.stack([mine.flatten(), served.flatten()]))[0, 1] > 0.98


def test_three_slices_an_input_lie_slice_by_slice(cached: CachedSet) -> None:
    hu, placement = batch_of(cached)

    inputs = network_input(hu[:3, 0][None], placement[:3, 0][None], size=32)

    alone = network_input(hu[:3], placement[:3], size=32)
    assert inputs.shape == (1, 9, 32, 32)
    assert torch.allclose(inputs[0].reshape(3, 3, 32, 32), alone)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in BESIDE])
def test_every_kind_changes_the_batch_and_does_so_by_chance(cached: CachedSet, kind: str) -> None:
    torch.manual_seed(0)
    # Enough inputs for what seldom happens, and enough pixels for what is lost in them.
    hu, placement = (part.repeat(8, *[1] * (part.ndim - 1)) for part in batch_of(cached))
    first, second = (network_input(hu, placement, 96, only(kind)) for _ in range(2))

    assert not torch.equal(first, network_input(hu, placement, 96))
    assert not torch.equal(first, second)
    assert first.isfinite().all()


@pytest.mark.parametrize("kind", BESIDE)
def test_other_slabs_use_up_the_slices_beside_an_input(cached: CachedSet, kind: str) -> None:
    hu, placement = (torch.stack([part[:4, 0]] * 8) for part in batch_of(cached))

    torch.manual_seed(0)
    varied = network_input(hu, placement, 32, only(kind))

    own = network_input(hu[:, 1:-1], placement[:, 1:-1], 32)
    assert varied.shape == own.shape == (8, 6, 32, 32)
    changed = [(a - b).abs().amax() > 0.01 for a, b in zip(varied, own, strict=True)]
    assert any(changed)
    # Still nearer to the slices themselves than to those below.
    below = network_input(hu[:, :-2], placement[:, :-2], 32)
    assert (varied - own).abs().mean() < 0.5 * (varied - below).abs().mean()


def test_the_same_seed_gives_the_same_batch(cached: CachedSet) -> None:
    batches = []
    for _ in range(2):
        torch.manual_seed(3)
        batches.append(network_input(*batch_of(cached), 32, Augmentation()))

    assert torch.equal(*batches)


def test_without_a_kind_the_others_vary_as_with_it(cached: CachedSet) -> None:
    batches = []
    for kinds in (only("kernel"), replace(only("kernel"), eight_bit=True)):
        torch.manual_seed(3)
        batches.append(network_input(*batch_of(cached), 96, kinds))

    same = [torch.equal(a, b) for a, b in zip(*batches, strict=True)]
    assert any(same)
    assert not all(same)


def test_flips_exchange_left_and_right_and_nothing_else(cached: CachedSet) -> None:
    hu, placement = batch_of(cached)
    plain = network_input(hu, placement, 32)

    torch.manual_seed(0)
    flipped = network_input(hu, placement, 32, only("flip"))

    mirrored = [
        torch.allclose(after, before.flip(-1), atol=1e-4)
        for after, before in zip(flipped, plain, strict=True)
    ]
    same = [
        torch.allclose(after, before, atol=1e-4)
        for after, before in zip(flipped, plain, strict=True)
    ]
    assert any(mirrored)
    assert any(same)
    assert all(np.logical_xor(mirrored, same))


def test_rotation_turns_by_up_to_25_degrees() -> None:
    maps = random_affine(1000, only("rotate"))

    degrees = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert maps[:, :, 2].abs().max() == 0
    assert torch.linalg.det(maps[:, :, :2]).sub(1).abs().max() < 1e-5
    assert 24 < degrees.max() <= 25
    assert -25 <= degrees.min() < -24


def test_a_crop_shows_three_quarters_to_eleven_tenths_of_the_field() -> None:
    maps = random_affine(1000, only("crop"))

    assert 0.75 <= maps[:, 1, 1].min() < 0.76
    assert 1.09 < maps[:, 1, 1].max() <= 1.1
    assert 0.11 < maps[:, :, 2].abs().max() <= 0.12


def test_the_head_turns_about_the_middle_of_the_field_not_of_its_crop() -> None:
    half_turn = torch.tensor([[[-1.0, 0, 0], [0, -1, 0]]])
    placement = torch.tensor([[[2.0, 0.5, -0.25]]])

    theta = compose(half_turn, placement)

    assert theta.tolist() == [[[[-2, 0, 0.5], [0, -2, -0.25]]]]


def test_contrast_scales_hu_by_up_to_a_twentieth() -> None:
    hu = torch.full((500, 1, 4, 4), 100.0)

    varied = vary_hu(hu, only("contrast"), roll(len(hu)))

    assert 95 <= varied.min() < 95.5
    assert 104.5 < varied.max() <= 105
    assert (varied.amax(dim=(1, 2, 3)) == varied.amin(dim=(1, 2, 3))).all()


def test_noise_has_no_mean_and_up_to_6_hu() -> None:
    varied = vary_hu(torch.zeros(300, 1, 32, 32), only("noise"), roll(300))

    deviations = varied.std(dim=(1, 2, 3))
    assert abs(varied.mean()) < 0.05
    assert 4 < deviations.max() < 6.1
    assert deviations.median() == pytest.approx(2.1, abs=0.4)


def test_offsets_are_a_few_hu_and_seldom_more() -> None:
    varied = vary_hu(torch.full((2000, 1, 1, 1), 40.0), only("offset"), roll(2000)).flatten() - 40

    assert abs(varied.mean()) < 0.3
    assert (varied.abs() > 5).float().mean() == pytest.approx(0.1, abs=0.03)


def test_what_is_seldom_varied_stays_in_all_other_inputs() -> None:
    hu = torch.full((2000, 1, 4, 4), 500.0)

    varied = vary_hu(hu.clone(), only("eight_bit"), roll(2000))

    share = (varied != hu).any(dim=(1, 2, 3)).float().mean()
    assert share == pytest.approx(0.1, abs=0.03)


def test_a_wide_field_shows_up_to_1_4_of_it() -> None:
    maps = random_affine(3000, only("wide_field"))

    scale = maps[:, 0, 0]
    assert (scale > 1).float().mean() == pytest.approx(0.1, abs=0.03)
    assert 1.35 < scale.max() <= 1.4
    assert scale.min() == 1


def test_outside_the_crop_lies_air() -> None:
    crop = torch.full((1, 1, 8, 8), 40, dtype=torch.int16)
    twice_as_wide = torch.tensor([[[[2.0, 0, 0], [0, 2, 0]]]])

    field = in_field(crop, twice_as_wide, 16)[0, 0]

    assert (field[:3] == -1024).all()
    assert (field[5:11, 5:11] == 40).all()


def test_the_grid_is_that_of_torch() -> None:
    torch.manual_seed(0)
    crop = torch.randint(-1000, 1000, (2, 1, 16, 16), dtype=torch.int16)
    theta = random_affine(2, Augmentation())[:, None] * 0.5

    grid = functional.affine_grid(theta[:, 0], [2, 1, 12, 12], align_corners=False)
    wanted = functional.grid_sample(crop.float(), grid, align_corners=False)

    assert torch.allclose(in_field(crop, theta, 12), wanted, atol=0.01)


def test_jittered_windows_stay_near_their_center() -> None:
    hu = torch.full((500, 1, 1, 1), 40.0)

    brain = vary_windows(hu, only("window_jitter"), roll(500))[:, 0, 0]

    # The center moves by 5 % of the width, which a window of 90 % of the width makes more of.
    assert brain.min() > 0.5 - 0.05 / 0.9 - 1e-3
    assert brain.max() < 0.5 + 0.05 / 0.9 + 1e-3
    assert brain.std() > 0.02
