"""Draw slices with hemorrhage more often than they occur, and undo what that does to logits."""

import numpy as np
from numpy.typing import NDArray

from model.errors import TrainingError


def sampling_weights(targets: NDArray[np.int64], positive_share: float) -> NDArray[np.float64]:
    """Probability of drawing each slice: `positive_share` of draws show hemorrhage.

    Among these, a slice counts by its rarest subtype, 1 / sqrt(slices that have it): rare
    subtypes are seen more often without being repeated out of proportion.
    """
    positive = targets[:, 0] == 1
    if not positive.any() or positive.all():
        raise TrainingError("Training needs slices with and slices without hemorrhage.")
    rarity = 1 / np.sqrt(np.maximum(targets[:, 1:].sum(axis=0), 1))
    weights = (targets[:, 1:] * rarity).max(axis=1)
    weights[positive] *= positive_share / weights[positive].sum()
    weights[~positive] = (1 - positive_share) / (~positive).sum()
    return np.asarray(weights, dtype=np.float64)


def prior_shift(targets: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds to add to logits learnt under `weights` so that they fit the true prevalence."""
    true = np.clip(targets.mean(axis=0), 1e-4, 1 - 1e-4)
    drawn = np.clip(weights @ targets, 1e-4, 1 - 1e-4)
    shift: NDArray[np.float64] = np.log(true / (1 - true)) - np.log(drawn / (1 - drawn))
    return shift
