"""How much of each place blood covers: what a network is shown beside the labels of a slice.

A slice has `SIDE` x `SIDE` cells over its cached crop. How much of them blood covers is known of a
simulated slice, and of one without hemorrhage (none); where blood lies in a real slice is not.
"""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.data.field import coarse_mean
from model.labels import SUBTYPES

SIDE: Final = 64
COVERED: Final = 254
"""Stands for a cell that blood covers wholly."""
UNKNOWN: Final = 255

_FINER: Final = 4
"""Samples across a cell of the network's map."""
_BLOOD_WEIGHT: Final = 5.0
"""Of what blood covers in the loss: it is little."""


def cells_of_masks(masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which share of each cell's area blood covers.

    Parameters
    ----------
    masks
        bool[5, H, W] over a cached crop, in `SUBTYPES` order.

    Returns
    -------
    uint8[5, SIDE, SIDE], 0 to `COVERED`.
    """
    height, width = masks.shape[1:]
    shares = _overlap(height) @ masks.astype(np.float32) @ _overlap(width).T
    cells: NDArray[np.uint8] = np.rint(shares * COVERED).astype(np.uint8)
    return cells


def _overlap(pixels: int) -> NDArray[np.float32]:
    """Which share of each cell each pixel of a line takes, float32[SIDE, pixels]."""
    edges = np.arange(SIDE + 1)[:, None] * pixels / SIDE
    first = np.arange(pixels)
    common = np.minimum(edges[1:], first + 1) - np.maximum(edges[:-1], first)
    shares: NDArray[np.float32] = (np.clip(common, 0, None) * SIDE / pixels).astype(np.float32)
    return shares


def cells_of_real(targets: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Cells of real slices, uint8[B, 5, SIDE, SIDE] of 0 or `UNKNOWN`, from int8[B, 6] targets."""
    known = np.where(targets[:, 0] == 0, 0, UNKNOWN).astype(np.uint8)
    shape = (len(targets), len(SUBTYPES), SIDE, SIDE)
    return np.ascontiguousarray(np.broadcast_to(known[:, None, None, None], shape))


def cells_in_field(cells: Tensor, theta: Tensor, side: int) -> Tensor:
    """Show cells in the network's field, as its map lies there.

    Parameters
    ----------
    cells
        uint8[B, 5, SIDE, SIDE].
    theta
        float32[B, 2, 3], from the network's field into each crop (`functional.affine_grid`).
    side
        Rows and columns of the map.

    Returns
    -------
    float32[B, 6, side, side], the share of each place's area, 0..1, any first; nan where it is
    not known.
    """
    unknown = (cells == UNKNOWN).flatten(1).any(dim=1)
    shape = [len(cells), 1, _FINER * side, _FINER * side]
    grid = functional.affine_grid(theta, shape, align_corners=False)
    blood = functional.grid_sample(cells.float() / COVERED, grid, align_corners=False)
    there = coarse_mean(blood, _FINER)
    # A pixel has one subtype, that which lies on top.
    shown = torch.cat([there.sum(dim=1, keepdim=True).clip(max=1), there], dim=1)
    return shown.masked_fill(unknown[:, None, None, None], float("nan"))


def blood_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Binary cross-entropy over the known cells, blood weighing more.

    The weight is taken off the logits again, so that their sigmoid is the share that is expected:
    added up, it neither over- nor underestimates the area.

    Parameters
    ----------
    logits, shares
        float32[B, 6, h, w]; `shares` as of `cells_in_field`.
    """
    known = ~shares.isnan()
    weight = logits.new_tensor(_BLOOD_WEIGHT)
    loss = functional.binary_cross_entropy_with_logits(
        logits + math.log(_BLOOD_WEIGHT), shares.nan_to_num(), pos_weight=weight, reduction="none"
    )
    return (loss * known).sum() / known.sum().clip(min=1)
