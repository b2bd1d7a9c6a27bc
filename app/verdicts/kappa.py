"""Cohen's kappa with its interval: agreement beyond what chance would bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NORMAL_95: Final = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""
LEAST: Final = 5
"""So many times each rater has to say each word for an interval, as patients of a class have to be
in the model card."""


@dataclass(frozen=True)
class Kappa:
    """Kappa, -1..1, None where both said always the same; its 95 % interval, or why it has none."""

    value: float | None
    interval: tuple[float, float] | None = None
    reason: str = ""


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> Kappa:
    """Kappa of what two raters said of the same things.

    (p_o - p_e) / (1 - p_e), with p_o the share judged alike and p_e the share that two raters with
    the same habits would judge alike by chance (J. Cohen, A coefficient of agreement for nominal
    scales, Educational and Psychological Measurement 20, 1960, 37-46). The interval is that of a
    large sample, as if each pair stood alone, cut at -1 and 1 (J. L. Fleiss, J. Cohen and B. S.
    Everitt, Large sample standard errors of kappa and weighted kappa, Psychological Bulletin 72,
    1969, 323-327).

    Parameters
    ----------
    pairs
        The first's and the second's word.
    """
    words, codes = np.unique(np.array(pairs, dtype=str).reshape(-1, 2), return_inverse=True)
    if len(words) < 2:
        return Kappa(None, reason="both said always the same" if pairs else "nothing to compare")
    counts = np.zeros((len(words), len(words)))
    np.add.at(counts, tuple(codes.reshape(-1, 2).T), 1)
    shares = counts / len(pairs)
    chance = float(shares.sum(axis=1) @ shares.sum(axis=0))
    kappa = float((np.trace(shares) - chance) / (1 - chance))
    fewest = int(min(counts.sum(axis=0).min(), counts.sum(axis=1).min()))
    if fewest < LEAST:
        reason = f"needs each word {LEAST} times from each of the two; the rarest: {fewest}"
        return Kappa(kappa, reason=reason)
    if np.trace(counts) == len(pairs):
        return Kappa(kappa, reason="all alike, which is no proof of full agreement")
    half = NORMAL_95 * _standard_error(shares, chance, kappa, len(pairs))
    return Kappa(kappa, (max(-1.0, kappa - half), min(1.0, kappa + half)))


def _standard_error(shares: NDArray[np.float64], chance: float, kappa: float, n: int) -> float:
    """That of Fleiss, Cohen and Everitt, whose sums over what is alike and what is not are one."""
    firsts, seconds = shares.sum(axis=1), shares.sum(axis=0)
    weights = np.eye(len(shares)) - (1 - kappa) * (seconds[:, None] + firsts[None, :])
    spread = (shares * weights**2).sum() - (kappa - chance * (1 - kappa)) ** 2
    return float(np.sqrt(max(spread, 0) / n) / (1 - chance))
