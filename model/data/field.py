"""From cached crops to what is seen of a slice's field, and from fine pixels to coarse ones."""

import torch
from torch import Tensor
from torch.nn import functional

from model.windowing import HU_MIN


def compose(affine: Tensor, placement: Tensor) -> Tensor:
    """Maps from the network's field into each cached crop, float32[B, C, 2, 3].

    Parameters
    ----------
    affine
        float32[B, 2, 3], from the network's field to the slice's field.
    placement
        float32[B, C, 3], from the slice's field to the crop: scale, shift_x, shift_y.
    """
    theta = affine[:, None] * placement[:, :, :1, None]
    offset = functional.pad(placement[:, :, 1:, None], (2, 0))
    return theta + offset


def in_field(hu: Tensor, theta: Tensor, side: int) -> Tensor:
    """Sample crops in their fields, with air around them: float32[B, C, side, side] in HU.

    Parameters
    ----------
    hu
        int16[B, C, H, H].
    theta
        float32[B, C, 2, 3], from the field to be seen into each crop, in the units of
        `functional.affine_grid` (whose grid this is, made several times faster).
    """
    batch, slices = hu.shape[:2]
    at = (torch.arange(side, device=hu.device) * 2 + 1) / side - 1
    across, down, shift = theta.reshape(-1, 1, 1, 2, 3).unbind(-1)
    grid = at[:, None] * across + (at[:, None, None] * down + shift)
    # What lies outside is sampled as 0.
    raised = hu.flatten(0, 1)[:, None].to(torch.float32) - HU_MIN
    sampled = functional.grid_sample(raised, grid, align_corners=False) + HU_MIN
    return sampled.reshape(batch, slices, side, side)


def coarse_mean(fine: Tensor, finer: int) -> Tensor:
    """Mean of every `finer` x `finer` pixels; several times as fast as `avg_pool2d` on a CPU."""
    total = fine[..., ::finer, ::finer].clone()
    for place in range(1, finer**2):
        total += fine[..., place // finer :: finer, place % finer :: finer]
    return total / finer**2
