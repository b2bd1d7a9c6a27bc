"""What is said of a label: its calibrated probability, and which side of its thresholds it lies."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.artifact import ModelCard
from model.labels import LABELS

FLAGGED: Final = "flagged"
INDETERMINATE: Final = "indeterminate"
NOT_FLAGGED: Final = "not flagged"


def calibrated(
    logits: NDArray[np.float32], temperature: Mapping[str, float]
) -> NDArray[np.float32]:
    """Turn logits into probabilities: one temperature a label, then any >= every subtype.

    Parameters
    ----------
    logits
        float32[S, 6] in `LABELS` order.
    temperature
        Label to a positive divisor of its logit (Guo et al. 2017, arXiv 1706.04599).

    Returns
    -------
    float32[S, 6], 0..1.
    """
    divisors = np.array([temperature[label] for label in LABELS], dtype=np.float64)
    scaled = np.clip(logits.astype(np.float64) / divisors, -60, 60)
    probabilities = 1 / (1 + np.exp(-scaled))
    probabilities[:, 0] = probabilities.max(axis=1)
    return probabilities.astype(np.float32)


def finding_state(label: str, probability: float, card: ModelCard) -> str:
    """State a finding: flagged, indeterminate or not flagged, at the card's thresholds.

    Parameters
    ----------
    label
        One of `LABELS`.
    probability
        Calibrated, 0..1.

    Returns
    -------
    `flagged` from the alert threshold on; `not flagged` below the screen threshold (and below the
    alert threshold); `indeterminate` between.
    """
    thresholds = card.thresholds[label]
    return state_at(probability, thresholds.screen.threshold, thresholds.alert.threshold)


def state_at(probability: float, screen: float, alert: float) -> str:
    """State a finding at two thresholds, as `finding_state` does."""
    if probability >= alert:
        return FLAGGED
    return NOT_FLAGGED if probability < screen else INDETERMINATE
