"""Train the network on CT-ICH: ``python -m model.train --data ... --cache ... --run ...``."""

import argparse
import copy
import csv
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from model.data.augment import augmented_input
from model.data.ct_ich import open_cache, read_labels
from model.data.folds import PARTS, split_patients
from model.data.sampling import prior_shift, sampling_weights
from model.errors import TrainingError
from model.labels import LABELS, METRIC_WEIGHTS
from model.metrics import weighted_log_loss
from model.network import HemorrhageNetwork, set_prevalence_bias

# --------------------------------------------------------------------------------- arguments


@dataclass(frozen=True)
class Recipe:
    """What decides a run's result; saved in its checkpoints."""

    size: int = 128
    epochs: int = 20
    slices_per_epoch: int = 1408
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    ema_decay: float = 0.99
    positive_share: float = 0.35
    seed: int = 0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; every field of `Recipe` is an option."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the CT-ICH folder")
    parser.add_argument("--cache", type=Path, required=True, help="folder for recovered HU")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last.pt")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args(arguments)


# -------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class SliceSet:
    """Slices with their labels: hu int16[N, H, H], targets int[N, 6], patients int[N]."""

    hu: NDArray[np.int16]
    targets: NDArray[np.int64]
    patients: NDArray[np.int64]

    def of(self, patients: list[int]) -> NDArray[np.int64]:
        """Row numbers of these patients' slices."""
        return np.flatnonzero(np.isin(self.patients, patients))


def load_data(root: Path, cache: Path) -> SliceSet:
    """Open CT-ICH: labels, and HU memory-mapped from the cache."""
    slices = read_labels(root)
    hu = open_cache(root, cache)
    if len(hu) != len(slices):
        raise TrainingError(f"The cache has {len(hu)} slices, labels.csv {len(slices)}.")
    targets = np.array([item.targets for item in slices])
    return SliceSet(hu, targets, np.array([item.patient for item in slices]))


def split(data: SliceSet, seed: int) -> dict[str, list[int]]:
    """Patients of the parts train, calibrate and test."""
    labels_of = {
        int(patient): data.targets[data.patients == patient].max(axis=0).tolist()
        for patient in np.unique(data.patients)
    }
    return dict(zip(PARTS, split_patients(labels_of, seed), strict=True))


# ------------------------------------------------------------ network, optimiser, schedule


@dataclass
class TrainingState:
    """All that changes during a run."""

    network: HemorrhageNetwork
    average: HemorrhageNetwork
    optimiser: torch.optim.Optimizer
    schedule: LambdaLR
    generator: torch.Generator
    epoch: int = 0
    best_loss: float = math.inf


def start(recipe: Recipe, prevalence: list[float]) -> TrainingState:
    """Build network, average, AdamW and a warm-up (5 %) then cosine schedule."""
    torch.manual_seed(recipe.seed)
    network = HemorrhageNetwork(recipe.size, recipe.dropout)
    set_prevalence_bias(network, prevalence)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Norms and biases are not decayed: it would only shift activations.
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    steps = recipe.epochs * steps_per_epoch(recipe)
    warm_up = max(1, steps // 20)

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))

    average = copy.deepcopy(network).eval()
    generator = torch.Generator().manual_seed(recipe.seed)
    return TrainingState(network, average, optimiser, LambdaLR(optimiser, factor), generator)


def steps_per_epoch(recipe: Recipe) -> int:
    """Optimiser steps an epoch, at least one."""
    return max(1, recipe.slices_per_epoch // recipe.batch_size)


# --------------------------------------------------------------------------------- one epoch


def weighted_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """The metric itself as a loss: binary cross-entropy, weights 2, 1, 1, 1, 1, 1 over 7."""
    weight = torch.tensor(METRIC_WEIGHTS) / sum(METRIC_WEIGHTS) * len(LABELS)
    return functional.binary_cross_entropy_with_logits(logits, targets, weight=weight)


def update_average(state: TrainingState, decay: float) -> None:
    """Move the average's weights and buffers towards the network's (EMA)."""
    # A young average forgets faster, so that it does not keep the random start.
    steps = state.schedule.last_epoch
    rate = 1 - min(decay, (1 + steps) / (10 + steps))
    current = state.network.state_dict()
    with torch.no_grad():
        for name, value in state.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], rate)
            else:
                value.copy_(current[name])


def train_one_epoch(
    state: TrainingState, data: SliceSet, rows: NDArray[np.int64], recipe: Recipe
) -> float:
    """Train on `slices_per_epoch` drawn slices; returns the mean loss.

    Raises
    ------
    TrainingError
        The loss is not a finite number.
    """
    state.network.train()
    weights = torch.from_numpy(sampling_weights(data.targets[rows], recipe.positive_share))
    losses = []
    for step in track(range(steps_per_epoch(recipe)), f"epoch {state.epoch + 1}", transient=True):
        draw = torch.multinomial(
            weights, recipe.batch_size, replacement=True, generator=state.generator
        )
        batch = rows[draw.numpy()]
        network_input = augmented_input(
            torch.from_numpy(data.hu[batch]), recipe.size, state.generator
        ).contiguous(memory_format=torch.channels_last)
        targets = torch.from_numpy(data.targets[batch]).float()
        loss = weighted_bce(state.network.classify(network_input), targets)
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"The loss is {loss.item()} in epoch {state.epoch + 1}, step {step + 1}: "
                "lower the learning rate or look at the data."
            )
        state.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
        state.optimiser.step()
        state.schedule.step()
        update_average(state, recipe.ema_decay)
        losses.append(loss.item())
    return float(np.mean(losses))


# -------------------------------------------------------------------------------- evaluation


def predict_logits(
    network: HemorrhageNetwork, hu: NDArray[np.int16], batch_size: int = 16
) -> NDArray[np.float32]:
    """Logits float32[S, 6] of int16[S, H, W], through the whole serving path."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for first in range(0, len(hu), batch_size):
            part = torch.from_numpy(np.array(hu[first : first + batch_size]))
            parts.append(network(part, torch.zeros(len(part)))[0])
    logits: NDArray[np.float32] = torch.cat(parts).numpy()
    return logits


# -------------------------------------------------------------------------------- checkpoint


def save_checkpoint(path: Path, state: TrainingState, extra: dict[str, Any]) -> None:
    """Write atomically all that a run needs to go on as if it had never stopped."""
    content = {
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "schedule": state.schedule.state_dict(),
        "generator": state.generator.get_state(),
        "torch_random": torch.get_rng_state(),
        "epoch": state.epoch,
        "best_loss": state.best_loss,
        **extra,
    }
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are unpickled.

    Raises
    ------
    TrainingError
        The file is missing or damaged.
    """
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as problem:  # torch raises many kinds for one damaged file
        raise TrainingError(f"The checkpoint {path.name} cannot be read: {problem}.") from problem
    return content


def restore(state: TrainingState, content: dict[str, Any]) -> None:
    """Put a checkpoint's content back into a freshly started state."""
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    state.optimiser.load_state_dict(content["optimiser"])
    state.schedule.load_state_dict(content["schedule"])
    state.generator.set_state(content["generator"])
    torch.set_rng_state(content["torch_random"])
    state.epoch = content["epoch"]
    state.best_loss = content["best_loss"]


# -------------------------------------------------------------------------------------- main


def log_row(path: Path, row: dict[str, float]) -> None:
    """Append to the run's CSV log, with a header at its top."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def main(arguments: list[str] | None = None) -> None:
    """Train, writing `best.pt`, `last.pt` and `log.csv` into the run's folder."""
    options = parse_arguments(arguments)
    recipe = Recipe(**{name: getattr(options, name) for name in asdict(Recipe())})
    data = load_data(options.data, options.cache)
    parts = split(data, recipe.seed)
    rows, held_out = data.of(parts["train"]), data.of(parts["calibrate"])
    drawn = sampling_weights(data.targets[rows], recipe.positive_share)
    shift = prior_shift(data.targets[rows], drawn)
    state = start(recipe, (drawn @ data.targets[rows]).clip(1e-3, 0.999).tolist())
    if options.resume:
        restore(state, load_checkpoint(options.run / "last.pt"))
    options.run.mkdir(parents=True, exist_ok=True)
    extra = {"recipe": asdict(recipe), "parts": parts, "prior_shift": shift.tolist()}
    console = Console()
    while state.epoch < recipe.epochs:
        began = time.monotonic()
        train_loss = train_one_epoch(state, data, rows, recipe)
        state.epoch += 1
        logits = predict_logits(state.average, data.hu[held_out]) + shift
        held_out_loss = weighted_log_loss(
            data.targets[held_out], 1 / (1 + np.exp(-logits.astype(np.float64)))
        )
        seconds = time.monotonic() - began
        row = {"epoch": state.epoch, "train": train_loss, "held_out": held_out_loss}
        log_row(options.run / "log.csv", row | {"seconds": round(seconds, 1)})
        console.print(f"{row} {seconds:.0f} s")
        if held_out_loss < state.best_loss:
            state.best_loss = held_out_loss
            save_checkpoint(options.run / "best.pt", state, extra)
        save_checkpoint(options.run / "last.pt", state, extra)


if __name__ == "__main__":
    main()
