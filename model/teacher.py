"""A trained network whose judgement another one learns as well (Hinton, Vinyals and Dean 2015).

What it teaches is soft: of a slice that may bleed a little it says so, where a label is 0 or 1, and
of the slices that are simulated while training there is no end.
"""

from pathlib import Path

import torch
from torch import Tensor

from model.checkpoint import load_checkpoint
from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec


def load_network(path: Path) -> HemorrhageNetwork:
    """Load the averaged weights of a checkpoint, in evaluation mode on the CPU.

    Its logits fit the prevalence among the run's draws.

    Raises
    ------
    TrainingError
        The checkpoint is missing, damaged or none of this program.
    """
    content = load_checkpoint(path)
    try:
        network = HemorrhageNetwork(NetworkSpec(**content["spec"]))
        network.load_state_dict(content["average"])
    except (KeyError, TypeError, RuntimeError) as problem:
        raise TrainingError(f"{path} is no checkpoint of this program: {problem}.") from problem
    return network.eval()


def load_teacher(path: Path, slices_per_input: int) -> HemorrhageNetwork:
    """Load a network that teaches one of so many slices an input.

    Raises
    ------
    TrainingError
        As in `load_network`, or it takes inputs of another kind.
    """
    teacher = load_network(path)
    if teacher.slices_per_input != slices_per_input:
        raise TrainingError(
            f"The teacher {path} takes {teacher.slices_per_input} slices an input, the network "
            f"that is to learn {slices_per_input}: give both the same --slices-per-input."
        )
    return teacher.requires_grad_(requires_grad=False)


@torch.no_grad()
def softened(
    targets: Tensor, inputs: Tensor, teacher: HemorrhageNetwork | None, share: float
) -> Tensor:
    """Mix what a teacher says of the inputs into their targets.

    Parameters
    ----------
    targets
        float32[B, 6], 0 or 1.
    inputs
        float32[B, 3 C, N, N], as the learning network sees them.
    teacher
        None leaves the targets as they are.
    share
        Of the teacher in the mixture, 0..1.
    """
    if teacher is None:
        return targets
    return torch.lerp(targets, teacher.classify(inputs).float().sigmoid(), share)
