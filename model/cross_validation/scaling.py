"""Offsets and temperatures of logits, held near nothing where few patients speak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from model.evaluation.metrics import Truth
from model.evaluation.predictions import Predictions
from model.labels import LABELS

UNSCALED: Final = dict.fromkeys(LABELS, 1.0)
_PRIOR_DEVIATION: Final = 0.5
"""Of the offset, and of the logarithm of the temperature, before anything is observed."""


@dataclass(frozen=True)
class Scaling:
    """Label to what is added to its logit, and to what the sum is divided by."""

    offset: Mapping[str, float]
    temperature: Mapping[str, float]

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scale logits [S, 6], so that their sigmoid is the calibrated probability."""
        offset = np.array([self.offset[label] for label in LABELS])
        divisors = np.array([self.temperature[label] for label in LABELS])
        scaled: NDArray[np.float32] = ((logits + offset) / divisors).astype(np.float32)
        return scaled


def fit_scaling(logits: NDArray[np.float32], predictions: Predictions) -> Scaling:
    """Fit each label's offset and temperature with the least log loss (Platt 1999).

    Both are held near 0 and 1, as a normal prior would: slices of one patient are not independent,
    so that patients count as what was observed, and a label of four patients moves little. A label
    without positives, or without negatives, is left as it is.

    Parameters
    ----------
    logits
        float32[S, 6], after the series head or of the slices alone.
    predictions
        What they are of.
    """
    targets, patients = predictions.targets, predictions.frame["patient"].nunique()
    prior = 1 / (2 * _PRIOR_DEVIATION**2 * patients)
    fitted = [_fit_label(logits[:, i], targets[:, i], prior) for i in range(len(LABELS))]
    return Scaling(
        {label: round(offset, 4) for label, (offset, _) in zip(LABELS, fitted, strict=True)},
        {label: round(1 / slope, 4) for label, (_, slope) in zip(LABELS, fitted, strict=True)},
    )


def _fit_label(logits: NDArray[np.float32], targets: Truth, prior: float) -> tuple[float, float]:
    if targets.min() == targets.max():
        return 0.0, 1.0
    exact = logits.astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> float:
        offset, log_slope = parameters
        scaled = (exact + offset) * np.exp(log_slope)
        fit = np.mean(np.logaddexp(0, scaled) - targets * scaled)
        return float(fit + prior * (offset**2 + log_slope**2))

    offset, log_slope = minimize(loss, [0.0, 0.0], method="L-BFGS-B").x
    return float(offset), float(np.exp(log_slope))
