"""A run's network as it is calibrated, evaluated and exported."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import load_checkpoint
from model.data.cached import CachedSet, open_cache
from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec
from model.prediction_store import weights_digest
from model.series_head import SERIES_HEAD_FILE, attach_series_head, read_series_head


@dataclass(frozen=True)
class Trained:
    """What a run has made.

    Parameters
    ----------
    content
        Of the checkpoint.
    network
        With the averaged weights, in evaluation mode on the CPU; its logits fit the true
        prevalence, and its series head is attached where the run has one for these weights.
    sets
        The caches that the run was trained on.
    """

    content: dict[str, Any]
    network: HemorrhageNetwork
    sets: list[CachedSet]


def load_trained(
    run: Path,
    checkpoint: str = "last",
    input_size: int | None = None,
    *,
    series_head: bool = True,
) -> Trained:
    """Load a run's network.

    Parameters
    ----------
    run
        The run's folder.
    checkpoint
        `last` or `best`.
    input_size
        Rows and columns of the network's input, where they are to differ from training.
    series_head
        Whether to attach the run's, if it has one that was fitted to these weights.

    Raises
    ------
    TrainingError
        The checkpoint, a cache or the series head is missing, damaged or does not fit.
    """
    path = run / f"{checkpoint}.pt"
    content = load_checkpoint(path)
    try:
        spec = NetworkSpec(**content["spec"])
        if input_size is not None:
            spec = replace(spec, input_size=input_size)
        network = HemorrhageNetwork(spec)
        network.load_state_dict(content["average"])
        shift = torch.tensor(content["prior_shift"])
        folders = [Path(cache["folder"]) for cache in content["caches"]]
    except (KeyError, TypeError, RuntimeError) as problem:
        raise TrainingError(f"{path} is no checkpoint of this program: {problem}.") from problem
    # The log-odds of the draws are known exactly: no later step has to know of the sampling.
    with torch.no_grad():
        network.head.bias.add_(shift)
    network.eval()
    if series_head and (run / SERIES_HEAD_FILE).exists():
        fitted = read_series_head(run / SERIES_HEAD_FILE)
        attach_series_head(network, fitted, weights_digest(network))
    return Trained(content, network, [open_cache(folder) for folder in folders])
