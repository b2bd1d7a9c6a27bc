"""From a data set to weights that serve, in one command that can be stopped and goes on.

``python -m model.pipeline --root DATA --work FOLDER [--minutes 10]`` fills the cache, trains, fits
the series head, calibrates, evaluates, measures on disturbed and simulated slices, learns what is
familiar, exports, and looks for what the artefact judges wrongly. With ``--everybody`` it trains a
run for each rotation of the folds and two on everybody, and exports the mean of these two with the
figures and the calibration of the others, put together in twos. What is done already, by these
options and of these inputs, is not done again.
"""

import argparse
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model.errors import TrainingError
from model.pipeline.everybody import EVERYBODY, EVERYBODY_STEPS
from model.pipeline.plan import Plan, Step
from model.pipeline.steps import STEPS
from model.system.options import at_least

_NAMES: Final = tuple(step.name for step in STEPS)


def parse_arguments(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line: this command's own options, and those for `model.train`."""
    parser = argparse.ArgumentParser(
        prog="python -m model.pipeline",
        description=__doc__,
        epilog="Every other option is one of model.train's: see `python -m model.train --help`.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--root", type=Path, help="the data set: CT-ICH's or RSNA's folder")
    source.add_argument("--packed", type=Path, help="a packed cache of it (model.pack)")
    add("--cache", action="append", default=[], help="C or C:weight; a cache that is there already")
    add("--work", type=Path, required=True, help="folder of cache, run and weights")
    add("--cache-size", type=int, default=256, help="pixels of a cache made from --root (256)")
    add("--minutes", type=float, default=math.inf, help="for the whole call; run again to go on")
    add("--everybody", action="store_true", help="train on all, measured by the five rotations")
    add("--until", choices=_NAMES, help="the last step (failures; train with --packed)")
    add("--checkpoint", choices=("last", "best"), default="last", help="to export (last)")
    add("--version", default="0.0.0", help="of the weights (0.0.0)")
    add("--note", default="", help="what else the card should say of the run")
    add("--device", default="auto", help="auto, cpu or cuda (auto)")
    add("--workers", type=int, help="reading processes (all cores for the cache; as in each step)")
    slices, heads = (at_least(least, name) for least, name in ((1, "--slices"), (2, "--heads")))
    add("--slices", type=slices, help="simulated ones to show (as many as each step does)")
    add("--heads", type=heads, help="synthetic ones to look for failures in (40)")
    options, others = parser.parse_known_args(arguments)
    if not (options.root or options.packed or options.cache):
        parser.error("one of --root, --packed and --cache is needed")
    return options, others


def plan_from(options: argparse.Namespace, others: Sequence[str]) -> Plan:
    """What is to be done; nothing is read yet.

    Raises
    ------
    TrainingError
        Several processes were started, or an option is set here that this command sets itself.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError(
            f"Several processes share only the training: start `torchrun ... model.train --run "
            f"{options.work / 'run'}`, then this command alone, which goes on from there."
        )
    named = {other.partition("=")[0] for other in others}
    if "--run" in named:
        raise TrainingError("--run is not for this command: the run lies in --work.")
    if options.everybody and "--rotation" in named:
        raise TrainingError("--rotation does not go with --everybody, which takes all of them.")
    if options.everybody and options.checkpoint != "last":
        raise TrainingError("--everybody takes the last checkpoints: nobody chooses among them.")
    made = [str(options.work / "cache")] if options.root or options.packed else []
    given = {"device": options.device, "workers": options.workers}
    training = [f"--{name}={value}" for name, value in given.items() if value is not None]
    training += [f"--cache={cache}" for cache in [*made, *options.cache]]
    return Plan(
        root=options.root,
        packed=options.packed,
        work=options.work,
        cache_size=options.cache_size,
        options=(*training, *others),
        checkpoint=options.checkpoint,
        version=options.version,
        note=options.note,
        device=options.device,
        workers=options.workers,
        slices=options.slices,
        heads=options.heads,
        deadline=time.monotonic() + 60 * options.minutes,
    )


def work_through(plan: Plan, steps: Sequence[Step]) -> str:
    """Do what is left of the steps, one after the other, while there is time.

    Returns
    -------
    The name of the step at which the time was up; nothing where all are done.
    """
    for step in steps:
        if not step.left(plan):
            continue
        if plan.minutes_left <= 0:
            return step.name
        print(f"-- {step.name}", flush=True)
        step.do(plan)
        if step.left(plan):
            return step.name
    return ""


def report(plan: Plan, all_steps: Sequence[Step], steps: Sequence[Step], stopped: str) -> str:
    """What is done and what is left, as lines."""
    names = [step.name for step in steps]
    done = names[: names.index(stopped)] if stopped else names
    left = [step.name for step in all_steps if step.name not in done]
    lines = [f"done: {', '.join(done) or 'nothing'}"]
    if stopped:
        lines.append(f"the time is up at {stopped} ({steps[len(done)].left(plan)})")
    if left:
        lines.append(f"left: {', '.join(left)}")
    if stopped:
        lines.append("run the same command again to go on")
    elif not left:
        lines.append(f"the weights are in {plan.weights}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Do what is left, and say what is done."""
    options, others = parse_arguments(arguments)
    plan = plan_from(options, others)
    all_steps: Sequence[Step] = STEPS
    if options.everybody:
        plan, all_steps = plan.turned(*EVERYBODY), EVERYBODY_STEPS
    names = [step.name for step in all_steps]
    until = options.until or ("train" if options.packed else names[-1])
    if until not in names:
        raise TrainingError(f"With --everybody the steps are {', '.join(names)}; not {until}.")
    steps = all_steps[: names.index(until) + 1]
    print(report(plan, all_steps, steps, work_through(plan, steps)))


if __name__ == "__main__":
    from model.system.command import run

    run(main)
