"""Which slices an epoch draws: as they are, or positives more often; and what undoes that."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.errors import TrainingError

SAMPLINGS: Final = ("none", "under", "over", "hybrid")
"""`none`: every slice once a pass. `under`: every positive once and few negatives. `over`: every
negative once and positives repeated. `hybrid`: both, drawn with replacement, rare subtypes more
often. In the last three `positive_share` of a pass shows hemorrhage."""

SHARE_LIMITS: Final = (1e-4, 1 - 1e-4)
"""A label that no slice has, or all have, is taken for this rare, or this frequent."""

Targets = NDArray[np.int8]


def drawing_shares(targets: Targets, sampling: str, positive_share: float) -> NDArray[np.float64]:
    """The share of draws that falls on each slice, over many passes.

    Parameters
    ----------
    targets
        int8[N, 6], 0 or 1, in `LABELS` order.
    sampling
        One of `SAMPLINGS`.
    positive_share
        Share of draws that show hemorrhage, 0..1 exclusive; not used by `none`. `under` never
        repeats and `over` never leaves out: they stay at the true share where it is beyond.

    Returns
    -------
    float64[N], sum 1.

    Raises
    ------
    TrainingError
        All slices show hemorrhage, or none does.
    """
    positive = targets[:, 0] == 1
    require_both_classes(targets)
    shares = np.ones(len(targets))
    if sampling == "hybrid":
        shares = _by_rarity(targets)
        shares[positive] *= positive_share / shares[positive].sum()
        shares[~positive] = (1 - positive_share) / (~positive).sum()
    elif sampling == "under":
        shares[~positive] = _negatives_kept(positive, positive_share) / (~positive).sum()
    elif sampling == "over":
        shares[positive] = _positives_drawn(positive, positive_share) / positive.sum()
    normed: NDArray[np.float64] = shares / shares.sum()
    return normed


def draw(
    targets: Targets, sampling: str, positive_share: float, span: range, seed: Sequence[int]
) -> NDArray[np.int64]:
    """Take a span out of an endless row of passes over the slices, each in its own order.

    Parameters
    ----------
    targets, sampling, positive_share
        As in `drawing_shares`.
    span
        Positions in the endless row, with step 1.
    seed
        The same numbers give the same row.

    Returns
    -------
    int64[len(span)], indices into `targets`.
    """
    length = pass_length(targets, sampling, positive_share)
    first, last = span.start // length, max(span.stop - 1, span.start) // length
    passes = [
        _one_pass(targets, sampling, positive_share, np.random.default_rng([*seed, number]))
        for number in range(first, last + 1)
    ]
    start = span.start - first * length
    return np.concatenate(passes)[start : start + len(span)]


def pass_length(targets: Targets, sampling: str, positive_share: float) -> int:
    """Draws in one pass."""
    positive = targets[:, 0] == 1
    if sampling == "under":
        return int(positive.sum()) + _negatives_kept(positive, positive_share)
    if sampling == "over":
        return int((~positive).sum()) + _positives_drawn(positive, positive_share)
    return len(targets)


def prior_shift(true: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds to add to logits learnt at prevalence `drawn` so that they fit `true` (both [6])."""
    true, drawn = np.clip(true, *SHARE_LIMITS), np.clip(drawn, *SHARE_LIMITS)
    shift: NDArray[np.float64] = np.log(true / (1 - true)) - np.log(drawn / (1 - drawn))
    return shift


def require_both_classes(targets: Targets) -> None:
    """Refuse slices that all show hemorrhage, or that all show none."""
    positives = int(targets[:, 0].sum())
    if not 0 < positives < len(targets):
        raise TrainingError(
            "Training needs slices with and slices without hemorrhage; "
            f"here {positives} of {len(targets)} show it."
        )


def _one_pass(
    targets: Targets, sampling: str, positive_share: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    if sampling == "none":
        return generator.permutation(len(targets))
    if sampling == "hybrid":
        shares = drawing_shares(targets, sampling, positive_share)
        return generator.choice(len(targets), size=len(targets), p=shares)
    positive = targets[:, 0] == 1
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    if sampling == "under":
        kept = _negatives_kept(positive, positive_share)
        chosen = [positives, generator.choice(negatives, kept, replace=False)]
    else:
        whole, rest = divmod(_positives_drawn(positive, positive_share), len(positives))
        few = generator.choice(positives, rest, replace=False)
        chosen = [negatives, np.tile(positives, whole), few]
    return generator.permutation(np.concatenate(chosen))


def _by_rarity(targets: Targets) -> NDArray[np.float64]:
    """Weigh a slice by its rarest subtype, 1 / sqrt(slices that have it).

    Rare subtypes are seen more often without being repeated out of proportion.
    """
    rarity = 1 / np.sqrt(np.maximum(targets[:, 1:].sum(axis=0), 1))
    weights: NDArray[np.float64] = (targets[:, 1:] * rarity).max(axis=1)
    # A set may say "any" of a slice and no subtype: it counts as the commonest one.
    return np.where((targets[:, 0] == 1) & (weights == 0), rarity.min(), weights)


def _negatives_kept(positive: NDArray[np.bool_], positive_share: float) -> int:
    wanted = round(positive.sum() * (1 - positive_share) / positive_share)
    return int(min(max(wanted, 1), (~positive).sum()))


def _positives_drawn(positive: NDArray[np.bool_], positive_share: float) -> int:
    wanted = round((~positive).sum() * positive_share / (1 - positive_share))
    return int(max(wanted, positive.sum()))
