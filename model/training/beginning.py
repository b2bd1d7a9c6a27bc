"""Beginning where another run ended: the same network, now with other data or at another size."""

from pathlib import Path

import torch

from model.errors import TrainingError
from model.network import HemorrhageNetwork
from model.training.checkpoint import load_checkpoint
from model.training.trained import averaged_network


def begin_from(path: Path, network: HemorrhageNetwork, shift: list[float]) -> None:
    """Fill a network with the averaged weights of a checkpoint, its head included.

    Parameters
    ----------
    path
        A checkpoint of `model.train`.
    network
        Changed in place; its map of blood begins anew where the checkpoint has none.
    shift
        Six log-odds that lead from the new run's draws to the true prevalence: the head's bias
        takes on the difference to those of the old run's.

    Raises
    ------
    TrainingError
        The checkpoint is missing, damaged, none of this program, or of another network.
    """
    content = load_checkpoint(path)
    earlier = averaged_network(content, path)
    if earlier.blood_map is None or network.blood_map is None:
        earlier.blood_map = network.blood_map
    try:
        network.load_state_dict(earlier.state_dict())
    except RuntimeError as problem:
        own, other = network.spec, earlier.spec
        raise TrainingError(
            f"{path} holds {other.architecture} at {other.input_size} pixels, which does not fit "
            f"{own.architecture} at {own.input_size}: begin from a run of the same network."
        ) from problem
    with torch.no_grad():
        network.head.bias.add_(torch.tensor(content["prior_shift"]) - torch.tensor(shift))
