"""Where simulated blood lies, coarsely: what a network is shown beside the labels of a slice.

A slice has `SIDE` x `SIDE` cells over its cached crop. Those of a simulated slice are known, and
those of one without hemorrhage (none); where blood lies in a real slice is not.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.labels import SUBTYPES

SIDE: Final = 32
UNKNOWN: Final = 255

_FINER: Final = 4
"""Samples across a cell of the network's map."""
_BLOOD_WEIGHT: Final = 5.0
"""Of a cell with blood in the loss: few have any."""


def cells_of_masks(masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which cells any blood lies in.

    Parameters
    ----------
    masks
        bool[5, H, W] over a cached crop, in `SUBTYPES` order.

    Returns
    -------
    uint8[5, SIDE, SIDE], 0 or 1.
    """
    cells = np.zeros((len(SUBTYPES), SIDE, SIDE), np.uint8)
    label, row, column = np.nonzero(masks)
    height, width = masks.shape[1:]
    cells[label, row * SIDE // height, column * SIDE // width] = 1
    return cells


def cells_of_real(targets: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Cells of real slices, uint8[B, 5, SIDE, SIDE] of 0 or `UNKNOWN`, from int8[B, 6] targets."""
    known = np.where(targets[:, 0] == 0, 0, UNKNOWN).astype(np.uint8)
    shape = (len(targets), len(SUBTYPES), SIDE, SIDE)
    return np.ascontiguousarray(np.broadcast_to(known[:, None, None, None], shape))


def cells_in_field(cells: Tensor, theta: Tensor, side: int) -> Tensor:
    """Show cells in the network's field, as its feature map lies there.

    Parameters
    ----------
    cells
        uint8[B, 5, SIDE, SIDE].
    theta
        float32[B, 2, 3], from the network's field into each crop (`functional.affine_grid`).
    side
        Rows and columns of the feature map.

    Returns
    -------
    float32[B, 6, side, side], 0..1, any first; nan where it is not known.
    """
    unknown = (cells == UNKNOWN).flatten(1).any(dim=1)
    shape = [len(cells), 1, _FINER * side, _FINER * side]
    grid = functional.affine_grid(theta, shape, align_corners=False)
    blood = functional.grid_sample(cells.float(), grid, align_corners=False)
    there = functional.max_pool2d(blood, _FINER).clip(max=1)
    shown = torch.cat([there.amax(dim=1, keepdim=True), there], dim=1)
    return shown.masked_fill(unknown[:, None, None, None], float("nan"))


def cell_loss(logits: Tensor, cells: Tensor) -> Tensor:
    """Binary cross-entropy over the known cells, the rare ones with blood weighing more.

    Parameters
    ----------
    logits, cells
        float32[B, 6, h, w]; `cells` as of `cells_in_field`.
    """
    known = ~cells.isnan()
    wanted = cells.nan_to_num()
    loss = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    weight = known * (1 + (_BLOOD_WEIGHT - 1) * wanted)
    return (loss * weight).sum() / weight.sum().clip(min=1)
