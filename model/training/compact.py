"""A run's checkpoint in an eighth of its size: enough to export, and to go on nearly as before."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from model.errors import TrainingError


def compact(content: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a checkpoint only the averaged weights, in half precision.

    What `model.training.trained.load_trained` makes of it differs by that rounding alone, which the
    export does anyway. A run can go on from it, but not exactly: it starts from the averaged
    weights, and the optimiser gathers its moments anew.

    Parameters
    ----------
    content
        Of a full checkpoint (`model.training.checkpoint.load_checkpoint`).

    Returns
    -------
    The same, with weights of two or more dimensions in float16; vectors (norms, biases and running
    statistics: few, and some of them small) stay as they are.

    Raises
    ------
    TrainingError
        It is no checkpoint, or a weight leaves the range of half precision.
    """
    try:
        average = {name: _halved(name, value) for name, value in content["average"].items()}
        groups = content["optimiser"]["param_groups"]
    except (KeyError, TypeError, AttributeError) as problem:
        raise TrainingError(f"This is no checkpoint of a run: {problem!r} is missing.") from problem
    # One storage under two names: it is written once.
    weights = {"network": average, "average": average}
    return {**content, **weights, "optimiser": {"state": {}, "param_groups": groups}}


def _halved(name: str, value: Tensor) -> Tensor:
    if value.ndim < 2:
        return value
    half = value.half()
    if not torch.isfinite(half).all():
        raise TrainingError(
            f"{name} holds weights up to {value.abs().max():.3g}, more than half precision can: "
            "carry the whole checkpoint."
        )
    return half
