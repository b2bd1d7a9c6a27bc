"""A trained network whose judgement another one learns as well (Hinton, Vinyals and Dean 2015).

What it teaches is soft: of a slice that may bleed a little it says so, where a label is 0 or 1, and
of the slices that are simulated while training there is no end.
"""

from pathlib import Path

import torch
from torch import Tensor

from model.errors import TrainingError
from model.network import HemorrhageNetwork
from model.training.checkpoint import load_checkpoint
from model.training.trained import averaged_network


def load_teacher(path: Path, slices_per_input: int) -> HemorrhageNetwork:
    """Load the averaged weights of a checkpoint, to teach a network of so many slices an input.

    Raises
    ------
    TrainingError
        The checkpoint is missing, damaged or none of this program, or it takes inputs of another
        kind.
    """
    teacher = averaged_network(load_checkpoint(path), path)
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
