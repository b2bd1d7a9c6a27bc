"""A network's logits of cached slices, each judged alone, in the geometry of service."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.data.augment import network_input
from model.data.batches import Numbered, read_batches
from model.data.resident import ResidentSamples
from model.labels import LABELS
from model.network import HemorrhageNetwork

BATCH = 64


@torch.inference_mode()
def judge(
    network: HemorrhageNetwork,
    samples: Numbered | ResidentSamples,
    numbers: NDArray[np.int64],
    *,
    device: torch.device,
    batch_size: int = BATCH,
    workers: int = 0,
    bf16: bool = False,
    vary: Callable[[Tensor], Tensor] | None = None,
) -> NDArray[np.float32]:
    """Logits float32[n, 6] of the samples of these numbers, without the series head.

    Parameters
    ----------
    network
        On the device, in evaluation mode.
    samples
        A pool or a bank, or what of them is resident.
    numbers
        int64[n].
    device, batch_size, workers
        Where, how many at once, and how many processes read.
    bf16
        Whether to compute in bfloat16.
    vary
        What is done to the Hounsfield units before, int16[B, C, N, N] to float32 of that shape.
    """
    batches = [numbers[i : i + batch_size] for i in range(0, len(numbers), batch_size)]
    logits = [np.empty((0, len(LABELS)), np.float32)]
    for hu, placement, *_ in read_batches(samples, batches, device, workers):
        seen = hu if vary is None else vary(hu)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            found = network.classify(network_input(seen, placement, network.spec.input_size))
        logits.append(found.float().cpu().numpy())
    return np.concatenate(logits)
