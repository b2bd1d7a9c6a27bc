"""What stays the same during a run of training."""

from dataclasses import dataclass
from pathlib import Path

import torch

from model.data.resident import ResidentPixels
from model.network import HemorrhageNetwork
from model.training.data import TrainingData
from model.training.distributed import Processes
from model.training.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """All that stays the same during a run."""

    recipe: Recipe
    data: TrainingData
    processes: Processes
    folder: Path
    workers: int
    steps: int
    checkpoint_seconds: float
    deadline: float
    teacher: HemorrhageNetwork | None = None
    resident: ResidentPixels | None = None

    @property
    def slices_a_step(self) -> int:
        """Of all processes."""
        return self.recipe.batch_size * self.recipe.accumulate * self.processes.world


def casting(job: Job) -> torch.autocast:
    """Compute in bfloat16 where the recipe says so."""
    return torch.autocast(
        job.processes.device.type, torch.bfloat16, enabled=job.recipe.precision == "bf16"
    )
