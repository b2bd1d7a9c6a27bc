"""A run's network as it is calibrated, evaluated and exported."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from model.architecture.series_head import SERIES_HEAD_FILE, attach_series_head, read_series_head
from model.data.cached import CachedSet, open_cache
from model.errors import TrainingError
from model.evaluation.prediction_store import weights_digest
from model.network import HemorrhageNetwork, NetworkSpec
from model.training.checkpoint import load_checkpoint


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


def averaged_network(
    content: Mapping[str, Any], path: Path, input_size: int | None = None
) -> HemorrhageNetwork:
    """Build the network with a checkpoint's averaged weights, in evaluation mode on the CPU.

    Its logits fit the prevalence among the run's draws.

    Parameters
    ----------
    content
        Of the checkpoint at `path`.
    input_size
        As of `load_trained`.

    Raises
    ------
    TrainingError
        It is no checkpoint of this program, or its weights are of the trained size alone.
    """
    try:
        trained, weights = NetworkSpec(**content["spec"]), content["average"]
        network = HemorrhageNetwork(replace(trained, input_size=input_size or trained.input_size))
        wanted = network.state_dict()
        fitting = [wanted[name].shape == value.shape for name, value in weights.items()]
        if not all(fitting) and network.spec != trained:
            raise TrainingError(
                f"{trained.architecture} was trained with inputs of {trained.input_size} pixels "
                f"and cannot take {input_size}: some of its weights go with that size alone. Leave "
                "out --sizes, or train another network."
            )
        network.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError) as problem:
        raise TrainingError(f"{path} is no checkpoint of this program: {problem}.") from problem
    return network.eval()


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
        The checkpoint, a cache or the series head is missing, damaged or does not fit, or the
        network's weights are of the trained size alone.
    """
    path = run / f"{checkpoint}.pt"
    content = load_checkpoint(path)
    network = averaged_network(content, path, input_size)
    try:
        shift = torch.tensor(content["prior_shift"])
        folders = [Path(cache["folder"]) for cache in content["caches"]]
    except (KeyError, TypeError) as problem:
        raise TrainingError(f"{path} is no checkpoint of this program: {problem}.") from problem
    # The log-odds of the draws are known exactly: no later step has to know of the sampling.
    with torch.no_grad():
        network.head.bias.add_(shift)
    if series_head and (run / SERIES_HEAD_FILE).exists():
        fitted = read_series_head(run / SERIES_HEAD_FILE)
        attach_series_head(network, fitted, weights_digest(network))
    return Trained(content, network, [open_cache(folder) for folder in folders])
