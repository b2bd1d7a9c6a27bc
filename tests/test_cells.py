"""Cells say where simulated blood lies, follow the image wherever it is put, and are learnt."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model import train
from model.architecture.cell_head import build_cell_head, with_cells
from model.data.augment import Augmentation, network_input, training_input
from model.data.cells import (
    SIDE,
    UNKNOWN,
    cell_loss,
    cells_in_field,
    cells_of_masks,
    cells_of_real,
)
from model.data.resident import Batch
from model.errors import TrainingError
from model.network import NetworkSpec, build_network
from model.training import data as training_data
from model.training.checkpoint import load_checkpoint

NAN = float("nan")


def test_a_cell_has_blood_where_any_pixel_of_it_has() -> None:
    masks = np.zeros((5, 64, 64), np.bool_)
    masks[2, 10, 63] = True

    cells = cells_of_masks(masks)

    assert cells.shape == (5, SIDE, SIDE)
    assert np.argwhere(cells).tolist() == [[2, 5, 31]]


def test_real_slices_are_known_where_nothing_bleeds() -> None:
    targets = np.array([[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0]], np.int8)

    cells = cells_of_real(targets)

    assert (cells[0] == 0).all()
    assert (cells[1] == UNKNOWN).all()


def test_cells_in_the_field_name_any_first_and_what_is_unknown() -> None:
    cells = torch.zeros(2, 5, SIDE, SIDE, dtype=torch.uint8)
    cells[0, 3, :16, :16] = 1
    cells[1] = UNKNOWN
    identity = torch.eye(2, 3).expand(2, 2, 3)

    shown = cells_in_field(cells, identity, 4)

    wanted = torch.zeros(4, 4)
    wanted[:2, :2] = 1
    # Samples between two cells see half of each.
    torch.testing.assert_close(shown[0, 0].round(), wanted)
    assert torch.equal(shown[0, 4], shown[0, 0])
    assert (shown[0, [1, 2, 3, 5]] == 0).all()
    assert shown[1].isnan().all()


def test_cells_follow_the_image_wherever_it_is_put() -> None:
    """A bright square and its cells end at the same place after flip, rotation and crop."""
    hu = torch.full((16, 1, 64, 64), -1000, dtype=torch.int16)
    hu[:, :, 8:24, 36:52] = 400
    cells = torch.zeros(16, 5, SIDE, SIDE, dtype=torch.uint8)
    cells[:, 1, 4:12, 18:26] = 1
    placement = torch.tensor([1.2, 0.1, -0.1]).expand(16, 1, 3)
    batch = Batch(hu, placement, torch.zeros(16, 6), cells)
    moved = Augmentation(contrast=False, noise=False, offset=False, kernel=False, padding=False)
    torch.manual_seed(4)

    inputs, shown = training_input(batch, 64, moved, 16)

    torch.manual_seed(4)
    assert torch.equal(inputs, network_input(hu, placement, 64, moved))
    bright = (inputs[:, 0] > 0).float().reshape(16, 16, 4, 16, 4).mean(dim=(2, 4))
    assert (bright.amax(dim=(1, 2)) > 0.9).all()
    assert (shown[:, 2][bright > 0.9] > 0.9).all()
    assert (shown[:, 2].sum(dim=(1, 2)) < 3 * bright.sum(dim=(1, 2))).all()


def test_the_loss_leaves_out_what_is_not_known() -> None:
    logits = torch.zeros(2, 6, 2, 2, requires_grad=True)
    cells = torch.full((2, 6, 2, 2), NAN)
    cells[0] = 0
    cells[0, 0, 0, 0] = 1

    loss = cell_loss(logits, cells)
    loss.backward()  # type: ignore[no-untyped-call]

    assert loss.item() == pytest.approx(np.log(2))
    gradient = logits.grad
    assert gradient is not None
    assert (gradient[1] == 0).all()
    # One cell with blood weighs five times as much as one without.
    assert gradient[0, 0, 0, 0] == pytest.approx(-5 * gradient[0, 0, 0, 1].item())
    assert cell_loss(logits, torch.full_like(cells, NAN)).item() == 0


@pytest.mark.parametrize("architecture", ["tf_efficientnet_lite0", "resnext50_32x4d"])
def test_features_are_the_same_with_and_without_cells(architecture: str) -> None:
    encoder = build_network(NetworkSpec(architecture, 64)).eval().encoder
    slices = torch.randn(1, 3, 64, 64)

    with torch.inference_mode():
        features, cells = with_cells(encoder, slices)
        alone = encoder(slices)
        judged = build_cell_head(encoder)(cells)

    torch.testing.assert_close(features, alone)
    assert judged.shape == (1, 6, 4, 4)


def test_a_network_without_maps_of_cells_is_refused() -> None:
    encoder = build_network(NetworkSpec("test_vit", 64)).encoder

    with pytest.raises(TrainingError, match="leave out --cell-weight"):
        build_cell_head(encoder)


def test_a_run_that_learns_cells_can_be_stopped(
    simulated_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "_ESTIMATE_DRAWS", 20)
    small = ["--architecture=resnet10t", "--size=32", "--batch-size=4", "--device=cpu"]
    drawn = ["--simulate=0.5", "--epochs=1", "--slices-per-epoch=16", "--cell-weight=1"]
    command = [f"--cache={simulated_cache}", *small, *drawn]

    train.main([*command, f"--run={tmp_path / 'whole'}"])
    train.main([*command, f"--run={tmp_path / 'parts'}", "--minutes=0"])
    train.main([*command, f"--run={tmp_path / 'parts'}"])

    whole, parts = (
        load_checkpoint(tmp_path / name / "last.pt")["cell_head"] for name in ("whole", "parts")
    )
    assert torch.equal(whole["weight"], parts["weight"])
    assert whole["bias"].std() > 0
