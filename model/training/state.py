"""All that changes during a run of training, and its checkpoints."""

import copy
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec, build_network, set_prevalence_bias
from model.training.beginning import begin_from
from model.training.checkpoint import save_checkpoint
from model.training.job import Job
from model.training.optimisation import build_optimiser, build_schedule


@dataclass
class TrainingState:
    """All that changes during a run."""

    network: HemorrhageNetwork
    average: HemorrhageNetwork
    parallel: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: LambdaLR
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    best_loss: float = math.inf


MODULES = ("network", "average", "optimiser", "schedule")
COUNTERS = ("epoch", "step", "loss_sum", "epoch_seconds", "seconds", "best_loss")


class TrainingPath(nn.Module):
    """The network as training calls it, so that processes can share the work."""

    def __init__(self, network: HemorrhageNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """float32[B, 3 C, N, N] to logits float32[B, 6] and, of the map, float32[B, 6, h, w]."""
        network = self.network
        if network.blood_map is None:
            return network.classify(inputs), None
        features, *finer = network.encoder.pyramid(inputs)
        return network.classify_features(features), network.blood_map(*finer)


def start(job: Job, *, afresh: bool) -> TrainingState:
    """Build network, average, AdamW and a warm-up then cosine schedule over all steps.

    Parameters
    ----------
    afresh
        Whether to look for the weights to begin with: a run that goes on has its own.
    """
    recipe, processes = job.recipe, job.processes
    torch.manual_seed(recipe.seed)
    spec = NetworkSpec(
        recipe.architecture,
        recipe.size,
        recipe.slices_per_input,
        recipe.pooling,
        recipe.dropout,
        blood_map=recipe.map_weight > 0,
    )
    with processes.rank_0_first():  # one download, where there is one
        network = build_network(spec, recipe.pretrained if afresh else "")
    if recipe.small_epochs and (network.encoder.is_tokens or network.encoder.is_channels_last):
        raise TrainingError(
            f"{recipe.architecture} takes inputs of one size alone: leave out --small-epochs."
        )
    set_prevalence_bias(network, np.clip(job.data.drawn, 1e-3, 0.999).tolist())
    if afresh and recipe.begin_from:
        begin_from(Path(recipe.begin_from), network, job.data.shift)
    network.to(processes.device)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    path = TrainingPath(network)
    optimiser = build_optimiser(path, recipe.learning_rate, recipe.weight_decay)
    schedule = build_schedule(optimiser, recipe.epochs * job.steps, recipe.warm_up)
    average = copy.deepcopy(network).eval()
    parallel = processes.wrap(path)
    return TrainingState(network, average, parallel, optimiser, schedule)


def save(state: TrainingState, job: Job, name: str) -> None:
    """Write all that a run needs to go on as if it had never stopped."""
    if not job.processes.writes:
        return
    content = {
        **identity(job),
        "spec": asdict(state.network.spec),
        "folds": job.data.origin["folds"],
        "prior_shift": job.data.shift,
        "prevalence": job.data.prevalence,
        **{name: getattr(state, name).state_dict() for name in MODULES},
        **{name: getattr(state, name) for name in COUNTERS},
    }
    save_checkpoint(job.folder / name, content)


def identity(job: Job) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    origin = {name: value for name, value in job.data.origin.items() if name != "folds"}
    return {"recipe": asdict(job.recipe), "processes": job.processes.world, **origin}


def restore(state: TrainingState, content: dict[str, Any]) -> None:
    """Put a checkpoint's content back into a freshly started state."""
    for name in MODULES:
        getattr(state, name).load_state_dict(content[name])
    for name in COUNTERS:
        setattr(state, name, content[name])
