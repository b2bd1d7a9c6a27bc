"""One process or many: what `torchrun` started, and what the processes tell each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from model.system.device import device_named


@dataclass(frozen=True)
class Processes:
    """A process among all of a run, from its own point of view.

    Parameters
    ----------
    device
        The one that this process computes on.
    rank, world
        Number of this process from 0, and of all; only rank 0 writes files.
    """

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Average gradients over the processes.

        Running statistics are rank 0's, sent to all before each step: they come from its share of
        each batch, a random one, and every process holds the same network at any time.
        """
        if self.world == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def mean(self, value: Tensor) -> float:
        """The mean of a number, float[], over the processes."""
        if self.world > 1:
            distributed.all_reduce(value)
        return value.item() / self.world

    def agreed(self, *, answer: bool) -> bool:
        """Rank 0's answer: clocks differ, and all must do the same."""
        told = torch.tensor(float(answer), device=self.device)
        self.as_rank_0([told])
        return bool(told)

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, by rank."""
        values = [value] * self.world
        if self.world > 1:
            distributed.all_gather_object(values, value)
        return values

    def as_rank_0(self, tensors: list[Tensor]) -> None:
        """Overwrite tensors with those of rank 0."""
        for tensor in tensors if self.world > 1 else []:
            distributed.broadcast(tensor, 0)

    @contextmanager
    def rank_0_first(self) -> Iterator[None]:
        """Run a block on rank 0, then on the others: what it writes, they read."""
        if self.rank > 0:
            distributed.barrier()
        yield
        if self.rank == 0 and self.world > 1:
            distributed.barrier()


@contextmanager
def joined_processes(device: str = "auto") -> Iterator[Processes]:
    """Join the processes that `torchrun` started; without it this is the only one.

    Parameters
    ----------
    device
        `auto`, `cpu` or `cuda`; each process of a machine takes a GPU of its own.

    Raises
    ------
    TrainingError
        The device is not there.
    """
    kind = device_named(device)
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    place = torch.device("cuda", local_rank) if kind == "cuda" else torch.device(kind)
    if place.type == "cuda":
        torch.cuda.set_device(place)
        torch.backends.cudnn.benchmark = True  # all batches are of one shape
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(place)
        return
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Processes(place, distributed.get_rank(), distributed.get_world_size())
        # Gloo's threads need the interpreter to let go of tensors. They get it while this waits;
        # without, the end of a process could hold it and wait for them forever.
        distributed.barrier()
    finally:
        distributed.destroy_process_group()
