"""Batches of samples as tensors, read ahead of the device in processes of their own."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from model.data.mixture import Samples
from model.data.resident import Batch, ResidentSamples


class Numbered(Protocol):
    """Numbered samples: a pool's slices, or an epoch's draws."""

    def read(self, chosen: NDArray[np.int64], /) -> Samples:
        """Read the samples of these numbers, int64[B]."""
        ...


class _Batches(Dataset[Batch]):
    """Samples in which an index is all the numbers of a batch."""

    def __init__(self, samples: Numbered) -> None:
        self.samples = samples

    def __getitem__(self, numbers: NDArray[np.int64]) -> Batch:
        samples = self.samples.read(numbers)
        return Batch(
            torch.from_numpy(samples.hu),
            torch.from_numpy(samples.placement),
            torch.from_numpy(samples.targets).float(),
            torch.from_numpy(samples.cells),
        )


def read_batches(
    samples: Numbered | ResidentSamples,
    batches: Sequence[NDArray[np.int64]],
    device: torch.device,
    workers: int = 0,
) -> Iterator[Batch]:
    """Read batches, each given by its samples' numbers, and bring them to the device.

    Parameters
    ----------
    samples
        Those that are resident are gathered where they lie, by this process alone.
    workers
        Reading processes; 0 reads in this one. They read the memory map, so that nothing of the
        caches is copied to them; what is simulated, they make.
    """
    if isinstance(samples, ResidentSamples):
        yield from map(samples.gather, batches)
        return
    pinned = device.type == "cuda"
    loader = DataLoader(
        _Batches(samples),
        sampler=batches,
        batch_size=None,
        num_workers=workers,
        pin_memory=pinned,
        # Torch's threads do not survive a fork; the readers use NumPy alone.
        multiprocessing_context="fork" if workers else None,
    )
    for batch in loader:
        yield Batch(*(part.to(device, non_blocking=pinned) for part in batch))
