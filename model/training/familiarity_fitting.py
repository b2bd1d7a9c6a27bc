"""Fit what is familiar on training patients, and choose from where on a series is not."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from model.errors import TrainingError

_MOST_AXES: Final = 64
_LEAST_SLICES: Final = 8
_LEAST_SCALE: Final = 1e-3
"""Of a statistic that hardly varied: then a little more counts, but not as if it were the world."""
_LEAST_DEVIATION: Final = 1e-3
"""Of a direction in which nothing varied: then any distance along it is large, none infinite."""


def fit_familiarity(statistics: NDArray[np.floating]) -> dict[str, Tensor]:
    """Fit the buffers of `model.architecture.familiarity.Familiarity`.

    Parameters
    ----------
    statistics
        float[N, 2 C], `channel_statistics` of the slices that were learnt from.

    Raises
    ------
    TrainingError
        They are too few, or some are no finite numbers.
    """
    if len(statistics) < _LEAST_SLICES or not np.isfinite(statistics).all():
        raise TrainingError(
            f"What is familiar cannot be fitted to {len(statistics)} slices: it needs "
            f"{_LEAST_SLICES} or more, whose features are all finite numbers."
        )
    seen = torch.from_numpy(statistics).double()
    mean, scale = seen.mean(dim=0), seen.std(dim=0).clamp(min=_LEAST_SCALE)
    away = (seen - mean) / scale
    variances, directions = torch.linalg.eigh(away.T @ away / (len(away) - 1))
    variances, directions = variances.flip(0).clamp(min=0.0), directions.flip(1)
    # The rest is a mean over many directions: some alone have hardly any variance.
    count = min(_MOST_AXES, away.shape[1] // 2, len(away) // 4)
    return {
        "mean": mean.float(),
        "scale": scale.float(),
        "axes": directions[:, :count].T.contiguous().float(),
        "deviations": variances[:count].sqrt().clamp(min=_LEAST_DEVIATION).float(),
        "rest": variances[count:].mean().sqrt().clamp(min=_LEAST_DEVIATION).float(),
    }


def prediction_limit(values: Sequence[float], share: float) -> float:
    """What one further value exceeds with probability `share`, if their logarithms are normal.

    The upper limit of a one-sided prediction interval (Hahn 1969, J. Amer. Statist. Assoc. 64:
    878-888): with many values it is their quantile, with few it allows for how few they are.

    Parameters
    ----------
    values
        Two or more, positive.
    share
        0..1.

    Raises
    ------
    TrainingError
        They are fewer.
    """
    if len(values) < 2:
        raise TrainingError("From one patient nothing can be said of how much patients differ.")
    logs = np.log(values)
    spread = float(logs.std(ddof=1)) * np.sqrt(1 + 1 / len(logs))
    return float(np.exp(logs.mean() + stats.t.isf(share, len(logs) - 1) * spread))
