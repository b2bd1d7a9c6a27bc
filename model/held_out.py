"""How well a run's averaged weights judge the patients that choose its checkpoint."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from model.data.augment import network_input
from model.data.batches import read_batches
from model.errors import TrainingError
from model.job import Job, casting
from model.metrics import auc, weighted_log_loss
from model.network import HemorrhageNetwork


def held_out(network: HemorrhageNetwork, job: Job, epoch: int) -> tuple[float, float]:
    """Weighted log loss and AUC of any of the tune patients' slices, under the averaged weights.

    The slices come from the cache, in the geometry of service (`NO_AUGMENTATION`), each judged
    alone; every process judges its share.

    Raises
    ------
    TrainingError
        The loss is not a finite number.
    """
    processes, pool = job.processes, job.data.tune
    processes.as_rank_0([*network.state_dict().values()])
    own = np.arange(processes.rank, len(pool), processes.world)
    batches = [
        own[i : i + job.recipe.batch_size] for i in range(0, len(own), job.recipe.batch_size)
    ]
    logits = np.empty((len(pool), pool.targets.shape[1]))
    for rank, theirs in enumerate(processes.gather(judged(network, job, batches))):
        logits[rank :: processes.world] = theirs
    logits += np.asarray(job.data.shift)
    loss = weighted_log_loss(pool.targets, expit(logits))
    if not math.isfinite(loss):
        raise TrainingError(f"The held-out loss after epoch {epoch + 1} is {loss}.")
    return loss, auc(pool.targets[:, 0], logits[:, 0])


@torch.inference_mode()
def judged(
    network: HemorrhageNetwork, job: Job, batches: list[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """Logits float32[n, 6] of batches of the tune pool, by the training path."""
    logits = [np.empty((0, job.data.tune.targets.shape[1]), np.float32)]
    for hu, placement, _ in read_batches(job.data.tune, batches, job.processes.device, job.workers):
        with casting(job):
            found = network.classify(network_input(hu, placement, job.recipe.size))
        logits.append(found.float().cpu().numpy())
    return np.concatenate(logits)
