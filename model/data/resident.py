"""Pixels that lie on the device: batches are gathered there, and no process has to read for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.data.cells import SIDE, UNKNOWN
from model.data.mixture import Pool
from model.labels import SUBTYPES


class Batch(NamedTuple):
    """Samples as tensors on the device: `Samples`, but for targets, which are float32."""

    hu: Tensor
    placement: Tensor
    targets: Tensor
    cells: Tensor


_AT_ONCE: Final = 512
"""Slices on their way to the device."""


@dataclass(frozen=True)
class ResidentSamples:
    """Numbered samples whose pixels lie on the device.

    Parameters
    ----------
    pixels
        int16[M, N, N], HU, of all memory maps.
    rows
        int64[n, C], the rows of an input's slices in them.
    placement, targets
        float32[n, C, 3] and float32[n, 6].
    cells, cell_rows
        As of a `Pool`: uint8[K, 5, SIDE, SIDE] and int64[n]; K may be 0.
    """

    pixels: Tensor
    rows: Tensor
    placement: Tensor
    targets: Tensor
    cells: Tensor
    cell_rows: Tensor

    def gather(self, chosen: NDArray[np.int64]) -> Batch:
        """The samples of these numbers, int64[B], as a batch."""
        at = torch.from_numpy(chosen).to(self.rows.device)
        targets, rows = self.targets[at], self.cell_rows[at]
        cells = (targets[:, :1] * UNKNOWN).to(torch.uint8)[:, :, None, None]
        cells = cells.expand(-1, len(SUBTYPES), SIDE, SIDE)
        if len(self.cells):
            known = self.cells[rows.clip(min=0)]
            cells = torch.where((rows >= 0)[:, None, None, None], known, cells)
        return Batch(self.pixels[self.rows[at]], self.placement[at], targets, cells)


@dataclass(frozen=True)
class ResidentPixels:
    """The pixels of several memory maps of one size, on a device.

    Parameters
    ----------
    maps
        The memory maps, int16[., N, N].
    pixels
        int16[M, N, N], one after the other.
    """

    maps: tuple[NDArray[np.int16], ...]
    pixels: Tensor

    def samples(self, pool: Pool) -> ResidentSamples:
        """The slices of a pool over some of these maps."""
        ends = np.cumsum([len(one) for one in self.maps])
        first = {id(one): end - len(one) for one, end in zip(self.maps, ends, strict=True)}
        rows = np.array([first[id(one)] for one in pool.hu])[pool.source][:, None] + pool.rows
        device = self.pixels.device
        cells = np.zeros((0, len(SUBTYPES), SIDE, SIDE), np.uint8)
        cells = cells if pool.cells is None else np.array(pool.cells)
        unknown = np.full(len(pool), -1)
        return ResidentSamples(
            self.pixels,
            torch.from_numpy(rows).to(device),
            torch.from_numpy(pool.placement).to(device),
            torch.from_numpy(pool.targets).to(device).float(),
            torch.from_numpy(cells).to(device),
            torch.from_numpy(unknown if pool.cell_rows is None else pool.cell_rows).to(device),
        )


def bytes_of(maps: Sequence[NDArray[np.int16]]) -> int:
    """What the maps take on a device."""
    return sum(one.nbytes for one in maps)


def copy_to_device(maps: Sequence[NDArray[np.int16]], device: torch.device) -> ResidentPixels:
    """Copy memory maps of one size to the device, a part at a time."""
    shape = (sum(len(one) for one in maps), *maps[0].shape[1:])
    pixels = torch.empty(shape, dtype=torch.int16, device=device)
    at = 0
    for one in maps:
        for start in range(0, len(one), _AT_ONCE):
            part = np.array(one[start : start + _AT_ONCE])  # torch wants an array it may write to
            pixels[at : at + len(part)] = torch.from_numpy(part).to(device)
            at += len(part)
    return ResidentPixels(tuple(maps), pixels)
