"""The six labels, in the one order that every array, table and page of Falx uses."""

from collections.abc import Iterable
from typing import Final

LABELS: Final = (
    "any",
    "epidural",
    "intraparenchymal",
    "intraventricular",
    "subarachnoid",
    "subdural",
)
"""Label order of the last axis of every logit, probability and target array."""

SUBTYPES: Final = LABELS[1:]

METRIC_WEIGHTS: Final = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Weights of the RSNA 2019 weighted multi-label log loss, in `LABELS` order (their sum is 7)."""


def by_label(values: Iterable[float]) -> dict[str, float]:
    """Name six values, given in `LABELS` order, by their labels.

    Raises
    ------
    ValueError
        There are not six values.
    """
    return dict(zip(LABELS, map(float, values), strict=True))
