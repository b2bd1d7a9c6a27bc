"""Train a network on one or several caches.

``python -m model.train --cache C [--cache D:0.3] --run runs/x``; on several GPUs
``torchrun --nproc-per-node 8 -m -- model.train ...``. Run the same command again, and a run that
was stopped goes on: it ends with the weights of an unbroken one.
"""

import argparse
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from model.data.augment import training_input
from model.data.batches import read_batches
from model.data.cells import blood_loss, cells_in_field
from model.data.mixture import epoch_length
from model.data.resident import Batch
from model.data.simulated_draws import epoch_draws
from model.errors import TrainingError
from model.system.files import write_json
from model.system.progress import training_bar
from model.training.checkpoint import BEST, LAST, load_checkpoint, require_same
from model.training.data import load_data
from model.training.distributed import Processes, joined_processes
from model.training.held_out import held_out
from model.training.job import Job, casting
from model.training.log import EpochRow, peak_memory_mb, record
from model.training.optimisation import update_average
from model.training.recipe import add_recipe_arguments, recipe_from, recipe_of
from model.training.residency import CHOICES, resident_pixels
from model.training.state import TrainingState, identity, restore, save, start
from model.training.teacher import load_teacher, softened

# --------------------------------------------------------------------------------- arguments


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; every field of `Recipe` is an option."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--cache", action="append", required=True, help="C or C:weight; share of draws (1)")
    add("--run", type=Path, required=True, help="folder for checkpoints and logs")
    add("--bank", type=Path, help="draw what is simulated from here (model.simulate --bank)")
    add("--folds", type=Path, help="patient,fold; made where missing (folds.csv in the cache)")
    add("--n-folds", type=int, help="for making it (10, or as many as there are patients)")
    add("--rotation", type=_rotation, default=0, help="0 to 4: which are held out; or none (0)")
    add("--device", default="auto", help="auto, cpu or cuda (auto)")
    add("--workers", type=int, help="reading processes (4 on a GPU, 0 on a CPU)")
    add("--resident", choices=CHOICES, default="auto", help="keep the pixels on the device (auto)")
    add("--checkpoint-minutes", type=float, default=10, help="between checkpoints (10)")
    add("--minutes", type=float, default=math.inf, help="then stop; run again to go on")
    add_recipe_arguments(parser)
    return parser.parse_args(arguments)


def _rotation(text: str) -> int | None:
    return None if text == "none" else int(text)


# --------------------------------------------------------------------------------- one epoch


def weighted_bce(logits: Tensor, targets: Tensor, label_weights: tuple[float, ...]) -> Tensor:
    """Binary cross-entropy, the mean over slices and weighted labels: by default the metric."""
    weight = logits.new_tensor(label_weights) * len(label_weights) / sum(label_weights)
    return functional.binary_cross_entropy_with_logits(logits, targets, weight=weight)


def epoch_batches(state: TrainingState, job: Job) -> Iterator[Batch]:
    """Read the epoch's batches that fall on this process, from the state's step on."""
    recipe, processes, data = job.recipe, job.processes, job.data
    slices = job.steps * job.slices_a_step
    draws = epoch_draws(
        data.train,
        data.drawing,
        data.simulation,
        slices=slices,
        seed=recipe.seed,
        epoch=state.epoch,
    )
    positions = np.arange(slices).reshape(-1, recipe.accumulate, processes.world, recipe.batch_size)
    own = positions[state.step :, :, processes.rank].reshape(-1, recipe.batch_size)
    samples = job.resident.samples(draws.settled()) if job.resident else draws
    return read_batches(samples, list(own), processes.device, job.workers)


def seed_of(state: TrainingState, job: Job, part: int) -> int:
    """A seed for what is random about a batch: the same however batches lie on processes."""
    processes = job.processes
    number = (state.step * job.recipe.accumulate + part) * processes.world + processes.rank
    mixed = np.random.SeedSequence([job.recipe.seed, state.epoch, number])
    return int(mixed.generate_state(1, np.uint64)[0] >> np.uint64(1))


def train_one_step(state: TrainingState, job: Job, batches: Iterator[Batch]) -> float:
    """Take one step of the optimiser; returns the loss, the mean over all processes."""
    recipe, losses = job.recipe, []
    for part in range(recipe.accumulate):
        batch = next(batches)
        torch.manual_seed(seed_of(state, job, part))
        inputs, theta = training_input(batch, recipe.input_size(state.epoch), recipe.augmentation)
        if recipe.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        alone = job.processes.world == 1 or part + 1 == recipe.accumulate
        with nullcontext() if alone else state.parallel.no_sync():  # type: ignore[operator]
            with casting(job):
                wanted = softened(batch.targets, inputs, job.teacher, recipe.teacher_share)
                logits, blood = state.parallel(inputs)
            loss = weighted_bce(logits.float(), wanted, recipe.label_weights)
            if blood is not None:
                shares = cells_in_field(batch.cells, theta, blood.shape[-1])
                loss = loss + recipe.map_weight * blood_loss(blood.float(), shares)
            (loss / recipe.accumulate).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimiser.step()
    state.optimiser.zero_grad()
    state.schedule.step()
    update_average(state.average, state.network, state.schedule.last_epoch, recipe.ema_decay)
    return job.processes.mean(torch.stack(losses).mean())


def train_one_epoch(state: TrainingState, job: Job) -> bool:
    """Train to the end of the epoch, or until the time is up; True at its end.

    Raises
    ------
    TrainingError
        The loss is not a finite number.
    """
    state.network.train()
    batches = epoch_batches(state, job)
    saved = time.monotonic()
    with training_bar(shown=job.processes.writes) as bar:
        task = bar.add_task(f"epoch {state.epoch + 1}", total=job.steps, status="")
        while state.step < job.steps:
            began = time.monotonic()
            loss = train_one_step(state, job, batches)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss is {loss} in epoch {state.epoch + 1}, step {state.step + 1}: lower "
                    f"the learning rate or look at the data. {LAST}, if any, is from before."
                )
            state.step += 1
            state.loss_sum += loss
            state.epoch_seconds += time.monotonic() - began
            bar.update(task, completed=state.step, status=status(state, job))
            up = job.processes.agreed(answer=time.monotonic() > job.deadline)
            if state.step < job.steps and (
                up or time.monotonic() - saved >= job.checkpoint_seconds
            ):
                save(state, job, LAST)
                saved = time.monotonic()
                if up:
                    return False
    return True


def status(state: TrainingState, job: Job) -> str:
    """What the bar shows."""
    return (
        f"{slices_per_second(state, job):,.0f} slices/s  loss {state.loss_sum / state.step:.4f}  "
        f"{peak_memory_mb(job.processes.device):,.0f} MB"
    )


def slices_per_second(state: TrainingState, job: Job) -> float:
    """Of all processes, in this epoch's training."""
    return state.step * job.slices_a_step / max(state.epoch_seconds, 1e-9)


def finish_epoch(state: TrainingState, job: Job, console: Console) -> None:
    """Evaluate, log, and save both checkpoints; each may be done again after a kill."""
    began = time.monotonic()
    loss, auc_any = held_out(state.average, job, state.epoch)
    seconds = state.epoch_seconds + time.monotonic() - began
    row = EpochRow(
        epoch=state.epoch + 1,
        train_loss=state.loss_sum / job.steps,
        held_out_loss=loss,
        auc_any=auc_any,
        learning_rate=state.optimiser.param_groups[0]["lr"],
        slices_per_second=slices_per_second(state, job),
        peak_memory_mb=peak_memory_mb(job.processes.device),
        seconds=seconds,
    )
    state.epoch, state.step, state.loss_sum, state.epoch_seconds = state.epoch + 1, 0, 0.0, 0.0
    state.seconds += seconds
    better = loss < state.best_loss  # not where nobody is held out: nan
    if better:
        state.best_loss = loss
    if job.processes.writes:
        record(job.folder, row)
    if better:
        save(state, job, BEST)
    save(state, job, LAST)
    console.print(
        "  ".join(f"{name} {value:.5g}" for name, value in asdict(row).items()), soft_wrap=True
    )


# -------------------------------------------------------------------------------------- main


def plan(options: argparse.Namespace, processes: Processes) -> Job:
    """Read the data and settle what stays the same during the run."""
    recipe = recipe_from(options)
    on_gpu = processes.device.type == "cuda"
    if recipe.precision == "auto":
        recipe = replace(recipe, precision="bf16" if on_gpu else "fp32")
    data = load_data(options, recipe, processes)
    a_step = recipe.batch_size * recipe.accumulate * processes.world
    one_pass = epoch_length(data.train, data.drawing)
    if recipe.simulate < 1:
        one_pass = round(one_pass / (1 - recipe.simulate))
    slices = recipe.slices_per_epoch or one_pass
    workers = options.workers if options.workers is not None else 4 * on_gpu
    teacher = None
    if recipe.teacher:
        teacher = load_teacher(Path(recipe.teacher), recipe.slices_per_input).to(processes.device)
    return Job(
        recipe=recipe,
        data=data,
        processes=processes,
        folder=options.run,
        workers=workers,
        steps=max(1, slices // a_step),
        checkpoint_seconds=60 * options.checkpoint_minutes,
        deadline=time.monotonic() + 60 * options.minutes,
        teacher=teacher,
        resident=resident_pixels(options.resident, data, processes.device),
    )


def main(arguments: list[str] | None = None) -> None:
    """Train, writing `best.pt`, `last.pt` and the logs into the run's folder."""
    options = parse_arguments(arguments)
    with joined_processes(options.device) as processes:
        console = Console(quiet=not processes.writes)
        job = plan(options, processes)
        last = job.folder / LAST
        content = load_checkpoint(last) if last.exists() else {}
        if content:
            found = asdict(recipe_of(content.get("recipe", {})))
            require_same(identity(job), content | {"recipe": found}, last)
        state = start(job, afresh=not content)
        if content:
            restore(state, content)
            console.print(f"going on from {last}: {state.epoch} epochs and {state.step} steps done")
        elif processes.writes:
            write_json(job.folder / "run.json", identity(job) | {"folds": job.data.origin["folds"]})
        console.print(described(job), soft_wrap=True)
        while state.epoch < job.recipe.epochs:
            if not train_one_epoch(state, job):
                console.print(f"the time is up; run the same command again to go on from {last}")
                return
            finish_epoch(state, job, console)
        console.print(f"finished: {job.recipe.epochs} epochs, {state.seconds / 60:.1f} minutes")


def described(job: Job) -> str:
    """What is about to be done, as a line."""
    left_out = ", ".join(f"{count:,} {kind}" for kind, count in job.data.left_out.items())
    simulation = job.data.simulation
    simulated = f"{simulation.share:.0%} of draws simulated, " if simulation else ""
    return (
        f"{len(job.data.train):,} slices to learn from (left out: {left_out}), {simulated}"
        f"{len(job.data.tune):,} to choose by; {job.steps:,} steps of {job.slices_a_step:,} slices "
        f"an epoch; {job.recipe.architecture} on {job.processes.device}"
        f"{', where the pixels are' if job.resident else ''}, {job.recipe.precision}, "
        f"processes: {job.processes.world}"
    )


if __name__ == "__main__":
    from model.system.command import run

    run(main)
