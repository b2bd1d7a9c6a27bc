"""The strip along a series: a bar for each slice's probability, as SVG paths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BAR: Final = 0.84
"""Width of a bar; a slice is 1 wide."""


@dataclass(frozen=True)
class Strip:
    """Paths in a box of 1 unit a slice and 100 units of height, the lowest slice at the left.

    What is not `known` was not analysed: it must look like that, and never like a bar of no height.
    """

    known: str
    over: str
    under: str
    n_unknown: int


def strip_of(probabilities: Sequence[float | None], threshold: float) -> Strip:
    """Draw the strip.

    Parameters
    ----------
    probabilities
        Of each slice in order, 0..1; None for a slice that was not analysed.
    threshold
        From which on a slice is marked, 0..1.
    """
    bars = [(x, p) for x, p in enumerate(probabilities) if p is not None]
    return Strip(
        known="".join(f"M{x} 0h1v100h-1z" for x, _ in bars),
        over="".join(_bar(x, p) for x, p in bars if p >= threshold),
        under="".join(_bar(x, p) for x, p in bars if p < threshold),
        n_unknown=len(probabilities) - len(bars),
    )


def _bar(x: int, probability: float) -> str:
    return f"M{x + (1 - BAR) / 2:.2f} 100v{-100 * probability:.1f}h{BAR}V100z"
