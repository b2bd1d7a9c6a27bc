"""When a series looks unlike what the network learnt from, and what is then said of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from model.dicom.eligibility import Eligibility

WARNING: Final = (
    "This series looks unlike the images the model was trained on; its probabilities may mean "
    "nothing."
)
REFUSAL: Final = "The series looks unlike the images the model was trained on."


@dataclass(frozen=True)
class Examples:
    """Series of one kind, and how far from familiar they were found.

    Parameters
    ----------
    kind
        What they show.
    familiar
        Whether they should be taken for familiar.
    series
        How many.
    median
        Of the series' unfamiliarity.
    auc
        Of telling them from familiar test series; None where they are to be familiar.
    warned, refused
        Share of them from each threshold on, 0..1; what is refused is among what is warned of.
    refused_before
        Share of them that no network sees, because they are no head by their pixels
        (`model.dicom.eligibility.judge_series`).
    """

    kind: str
    familiar: bool
    series: int
    median: float
    auc: float | None
    warned: float
    refused: float
    refused_before: float


@dataclass(frozen=True)
class UnfamiliarFacts:
    """What a card says of its network's `unfamiliarity`, whose median over a series is judged.

    Parameters
    ----------
    warn_from, refuse_from
        From the first on a series gets a warning, from the second on no probabilities.
    chosen
        How they were chosen, as a clause.
    examples
        What they do to series that are, and that are not, like those of training.
    """

    warn_from: float
    refuse_from: float
    chosen: str
    examples: tuple[Examples, ...]


def parse_unfamiliar(content: Mapping[str, Any] | None) -> UnfamiliarFacts | None:
    """Read a card's facts; None where the card has none.

    Raises
    ------
    ValueError, KeyError, TypeError
        They are damaged, or thresholds are not positive numbers in order.
    """
    if content is None:
        return None
    warn_from, refuse_from = float(content["warn_from"]), float(content["refuse_from"])
    if not 0 < warn_from < refuse_from < math.inf:
        raise ValueError(f"unfamiliarity warns from {warn_from:g}, refuses from {refuse_from:g}")
    examples = tuple(Examples(**one) for one in content["examples"])
    return UnfamiliarFacts(warn_from, refuse_from, str(content["chosen"]), examples)


def judge_unfamiliarity(unfamiliarity: float | None, facts: UnfamiliarFacts | None) -> Eligibility:
    """Say whether a series is familiar enough for its probabilities to be shown.

    Parameters
    ----------
    unfamiliarity
        `SeriesPrediction.unfamiliarity`; None, as `facts`, where the artefact knows none.
    facts
        Of the card.

    Returns
    -------
    Eligible, with a warning from the first threshold on; refused from the second on.
    """
    if unfamiliarity is None or facts is None or unfamiliarity < facts.warn_from:
        return Eligibility(True, "", ())
    if unfamiliarity < facts.refuse_from:
        return Eligibility(True, "", (WARNING,))
    return Eligibility(False, REFUSAL, ())
