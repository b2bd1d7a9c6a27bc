"""Whether a run's pixels are kept on its device (`model.train --resident`)."""

from typing import Final

import torch

from model.data.resident import ResidentPixels, bytes_of, copy_to_device
from model.data.simulated_draws import Simulator
from model.errors import TrainingError
from model.training.data import TrainingData

CHOICES: Final = ("auto", "yes", "no")
_SHARE: Final = 0.5
"""Of the device's free memory; the network needs the rest."""


def resident_pixels(wanted: str, data: TrainingData, device: torch.device) -> ResidentPixels | None:
    """Copy the pixels of the caches and of the bank to the device, where that is wanted.

    Parameters
    ----------
    wanted
        `yes`; `no`; `auto`: on a GPU, where they take no more than half of its free memory, and
        where nothing has to be simulated as it is drawn.
    data
        What is learnt from.
    device
        Where to.

    Returns
    -------
    None where the pixels are read from the memory maps, batch by batch.

    Raises
    ------
    TrainingError
        They are wanted there and cannot be: they do not fit, or the simulator makes some of them.
    """
    if wanted == "no" or (wanted == "auto" and device.type != "cuda"):
        return None
    maps = [*data.train.hu]
    if data.simulation:
        source = data.simulation.source
        if isinstance(source, Simulator):
            if wanted == "auto":
                return None
            raise TrainingError(
                "--resident yes: slices that are simulated as they are drawn cannot lie on the "
                "device; make a --bank of them (model.simulate), or leave out --resident."
            )
        maps.append(source.hu)
    if device.type == "cuda":
        needed, free = bytes_of(maps), torch.cuda.mem_get_info(device)[0]
        if needed > free * (_SHARE if wanted == "auto" else 1):
            if wanted == "auto":
                return None
            raise TrainingError(
                f"--resident yes: the pixels take {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are "
                "free on the device; leave out --resident."
            )
    return copy_to_device(maps, device)
