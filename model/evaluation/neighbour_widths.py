"""Over how many millimetres of neighbouring slices each label's logits are averaged."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.evaluation.metrics import highest_of_groups

WIDTHS_MM: Final = (0.0, 3.0, 4.5, 6.0, 8.0)
"""Of the Gaussian by which neighbours weigh: at 5 mm 0, 0.25, 0.54, 0.71 or 0.82 of the slice."""


def choose_widths(
    logits_of: Mapping[float, NDArray[np.float32]],
    targets: NDArray[np.int64],
    studies: NDArray[np.int64],
) -> list[float]:
    """Choose each label's width: one number of few, by the log loss.

    It is the one with the least loss of slices, among those under which the loss of studies,
    each by its highest slice, is not more than a standard error above that by slices alone: where
    blood is in one slice, as within the brain it often is, neighbours that show none thin it out.

    Parameters
    ----------
    logits_of
        Width, 0 among them, to float32[S, 6].
    targets
        int[S, 6], 0 or 1.
    studies
        int[S], from 0.
    """
    truth = highest_of_groups(targets, studies)
    alone = _losses(highest_of_groups(logits_of[0.0], studies), truth)
    means, allowed = {}, {}
    for width, logits in logits_of.items():
        change = _losses(highest_of_groups(logits, studies), truth) - alone
        error = change.std(axis=0) / np.sqrt(len(change))
        allowed[width] = change.mean(axis=0) <= error
        # Rounded: of widths that are alike, the first and smallest is taken.
        means[width] = _losses(logits, targets).mean(axis=0).round(5)
    return [
        min((width for width in means if allowed[width][i]), key=lambda width: means[width][i])
        for i in range(targets.shape[1])
    ]


def _losses(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cross-entropy [N, 6] of slices or studies in nats."""
    exact = logits.astype(np.float64)
    losses: NDArray[np.float64] = np.logaddexp(0, exact) - targets * exact
    return losses
