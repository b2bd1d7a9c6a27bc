"""Cells say how much of each place blood covers, and follow the image wherever it is put."""

import numpy as np
import pytest
import torch

from model.data.augment import Augmentation, network_input, training_input
from model.data.cells import (
    COVERED,
    SIDE,
    UNKNOWN,
    blood_loss,
    cells_in_field,
    cells_of_masks,
    cells_of_real,
)
from model.data.resident import Batch

NAN = float("nan")


def test_a_cell_tells_which_share_of_it_blood_covers() -> None:
    masks = np.zeros((5, 2 * SIDE, 2 * SIDE), np.bool_)
    masks[2, 10, 63] = True
    masks[4, :20, :20] = True

    cells = cells_of_masks(masks)

    assert cells.shape == (5, SIDE, SIDE)
    assert np.argwhere(cells[:4]).tolist() == [[2, 5, 31]]
    assert cells[2, 5, 31] == round(COVERED / 4)
    assert (cells[4, :10, :10] == COVERED).all()


@pytest.mark.parametrize("pixels", [32, 96, 100, 320])
def test_cells_keep_the_area_whatever_the_size_of_the_crop(pixels: int) -> None:
    rows, columns = np.mgrid[:pixels, :pixels] / pixels
    masks = np.zeros((5, pixels, pixels), np.bool_)
    masks[1] = (rows - 0.4) ** 2 + (columns - 0.55) ** 2 < 0.2**2

    cells = cells_of_masks(masks)

    assert cells[1].mean() / COVERED == pytest.approx(masks[1].mean(), rel=0.002)


def test_real_slices_are_known_where_nothing_bleeds() -> None:
    targets = np.array([[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0]], np.int8)

    cells = cells_of_real(targets)

    assert (cells[0] == 0).all()
    assert (cells[1] == UNKNOWN).all()


def test_cells_in_the_field_name_any_first_and_what_is_unknown() -> None:
    cells = torch.zeros(2, 5, SIDE, SIDE, dtype=torch.uint8)
    cells[0, 3, : SIDE // 2, : SIDE // 2] = COVERED // 2
    cells[0, 1, : SIDE // 4, : SIDE // 4] = COVERED // 2
    cells[1] = UNKNOWN
    identity = torch.eye(2, 3).expand(2, 2, 3)

    shown = cells_in_field(cells, identity, 4)

    wanted = torch.zeros(4, 4)
    wanted[:2, :2] = 0.5
    torch.testing.assert_close(shown[0, 4], wanted, rtol=0, atol=0.04)
    wanted[0, 0] = 1
    torch.testing.assert_close(shown[0, 0], wanted, rtol=0, atol=0.07)
    assert (shown[0, [1, 3, 5]] == 0).all()
    assert shown[1].isnan().all()


def test_cells_in_a_wider_field_cover_as_much_of_the_head() -> None:
    cells = torch.zeros(1, 5, SIDE, SIDE, dtype=torch.uint8)
    cells[0, 0, 20:45, 30:50] = COVERED
    shifted = torch.tensor([[[1.25, 0.0, 0.11], [0.0, 1.25, -0.07]]])

    shown = cells_in_field(cells, shifted, 20)

    covered = cells.float().mean(dim=(2, 3))[0, 0] / COVERED
    assert shown[0, 1].mean().item() * 1.25**2 == pytest.approx(covered.item(), rel=0.01)


def test_cells_follow_the_image_wherever_it_is_put() -> None:
    """A bright square and its cells end at the same place after flip, rotation and crop."""
    hu = torch.full((16, 1, 64, 64), -1000, dtype=torch.int16)
    hu[:, :, 8:24, 36:52] = 400
    cells = torch.zeros(16, 5, SIDE, SIDE, dtype=torch.uint8)
    cells[:, 1, 8:24, 36:52] = COVERED
    placement = torch.tensor([1.2, 0.1, -0.1]).expand(16, 1, 3)
    batch = Batch(hu, placement, torch.zeros(16, 6), cells)
    moved = Augmentation(contrast=False, noise=False, offset=False, kernel=False, padding=False)
    torch.manual_seed(4)

    inputs, theta = training_input(batch, 64, moved)
    shown = cells_in_field(cells, theta, 16)

    torch.manual_seed(4)
    assert torch.equal(inputs, network_input(hu, placement, 64, moved))
    bright = (inputs[:, 0] > 0).float().reshape(16, 16, 4, 16, 4).mean(dim=(2, 4))
    assert (bright.amax(dim=(1, 2)) > 0.9).all()
    assert (shown[:, 2][bright > 0.99] > 0.7).all()
    # What is so much brighter than its surroundings looks larger than it is.
    torch.testing.assert_close(
        shown[:, 2].mean(dim=(1, 2)), bright.mean(dim=(1, 2)), rtol=0.4, atol=0
    )


def test_the_loss_leaves_out_what_is_not_known() -> None:
    logits = torch.zeros(2, 6, 2, 2, requires_grad=True)
    shares = torch.full((2, 6, 2, 2), NAN)
    shares[0] = 0

    blood_loss(logits, shares).backward()  # type: ignore[no-untyped-call]

    gradient = logits.grad
    assert gradient is not None
    assert (gradient[1] == 0).all()
    assert (gradient[0] > 0).all()
    assert blood_loss(logits, torch.full_like(shares, NAN)).item() == 0


@pytest.mark.parametrize("mean", [0.02, 0.3, 0.9])
def test_the_loss_is_least_where_the_sigmoid_is_the_mean_share(mean: float) -> None:
    """Blood's weight moves nothing: areas are neither over- nor underestimated."""
    shares = torch.tensor([0.0, 2 * mean if mean < 0.5 else mean, mean, mean])
    shares[0] = 4 * mean - shares[1:].sum()
    logit = torch.logit(torch.tensor(mean)).requires_grad_()

    blood_loss(logit.expand(1, 6, 2, 2), shares.reshape(2, 2).expand(1, 6, 2, 2)).backward()  # type: ignore[no-untyped-call]

    assert logit.grad is not None
    assert abs(logit.grad.item()) < 1e-6
