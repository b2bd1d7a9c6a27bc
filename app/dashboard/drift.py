"""How far a distribution has moved from what it was: the population stability index."""

from collections.abc import Sequence
from typing import Final

import numpy as np

LEAST: Final = 400
"""So many values each side needs: without any change chance alone brings (bins - 1)(1/n + 1/m) on
average (B. Yurdakul, Statistical Properties of Population Stability Index, 2018): here 0.045."""

BINS: Final = 10


def stability_index(reference: Sequence[float], present: Sequence[float]) -> float | None:
    """The population stability index; None where either side has fewer than `LEAST` values.

    The sum over bins of (a - e) ln(a / e), with e the share of the reference and a that of the
    present in the bin; bins are tenths of the reference (N. Siddiqi, Credit Risk Scorecards,
    Wiley 2006, where under 0.1 is read as no change and from 0.25 on as a marked one). Half a
    value is added to each bin, so that an empty one has a logarithm.
    """
    if min(len(reference), len(present)) < LEAST:
        return None
    cuts = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = []
    for values in (reference, present):
        counts = np.bincount(np.searchsorted(cuts, values, side="left"), minlength=len(cuts) + 1)
        shares.append((counts + 0.5) / (counts + 0.5).sum())
    expected, actual = shares
    return float(((actual - expected) * np.log(actual / expected)).sum())


def in_words(index: float | None) -> str:
    """How the index is read."""
    if index is None:
        return f"not computed: each period needs {LEAST}"
    if index < 0.1:
        return f"{index:.2f}: no change to speak of"
    return f"{index:.2f}: {'a marked change' if index >= 0.25 else 'a slight change'}"
