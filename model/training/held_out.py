"""How well a run's averaged weights judge the patients that choose its checkpoint."""

import math

import numpy as np
from scipy.special import expit

from model.errors import TrainingError
from model.evaluation.judging import judge
from model.evaluation.metrics import auc, weighted_log_loss
from model.network import HemorrhageNetwork
from model.training.job import Job


def held_out(network: HemorrhageNetwork, job: Job, epoch: int) -> tuple[float, float]:
    """Weighted log loss and AUC of any of the tune patients' slices, under the averaged weights.

    The slices come from the cache, in the geometry of service (`NO_AUGMENTATION`), each judged
    alone; every process judges its share. Both are nan where there are none: everybody trains.

    Raises
    ------
    TrainingError
        The loss is not a finite number.
    """
    processes, pool = job.processes, job.data.tune
    if not len(pool):
        return math.nan, math.nan
    processes.as_rank_0([*network.state_dict().values()])
    own = np.arange(processes.rank, len(pool), processes.world)
    judged = judge(
        network,
        job.resident.samples(pool) if job.resident else pool,
        own,
        device=processes.device,
        batch_size=job.recipe.batch_size,
        workers=job.workers,
        bf16=job.recipe.precision == "bf16",
    )
    logits = np.empty((len(pool), pool.targets.shape[1]))
    for rank, theirs in enumerate(processes.gather(judged)):
        logits[rank :: processes.world] = theirs
    logits += np.asarray(job.data.shift)
    loss = weighted_log_loss(pool.targets, expit(logits))
    if not math.isfinite(loss):
        raise TrainingError(f"The held-out loss after epoch {epoch + 1} is {loss}.")
    return loss, auc(pool.targets[:, 0], logits[:, 0])
