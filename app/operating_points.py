"""At which of the model card's measured points a site judges findings.

A site cannot type a threshold of its own: nobody would have measured how often it is right.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from model.artifact import LabelThresholds, ModelCard, ThresholdPoint

BOTH: Final = "both"
"""Flagged from the alert point on, not flagged below the screening point: as the card has it."""
SCREEN, ALERT = "screen", "alert"
"""One point of the card divides flagged from not flagged; nothing is indeterminate."""
CHOICES: Final = (BOTH, SCREEN, ALERT)

NAMES: Final = {SCREEN: "screening", ALERT: "alert"}


def usable_point(card: ModelCard, label: str, name: str) -> ThresholdPoint | None:
    """The label's point of that name (`SCREEN` or `ALERT`), if one may judge by it alone.

    It may where the card knows its sensitivity and specificity per study, and where it divides:
    labels that no calibration patient had get 0 and 1 as thresholds.
    """
    point: ThresholdPoint = getattr(card.thresholds[label], name)
    figures = (point.study_sensitivity.value, point.study_specificity.value)
    return point if None not in figures and 0 < point.threshold < 1 else None


def judged_at(card: ModelCard, choices: Mapping[str, str]) -> tuple[ModelCard, list[str]]:
    """The card with the thresholds that the site chose.

    Parameters
    ----------
    choices
        Label -> one of `CHOICES`; `BOTH` for labels that are not named.

    Returns
    -------
    The card, and a sentence for each choice that it cannot serve: there its own two points stay.
    """
    thresholds = dict(card.thresholds)
    told = []
    for label, name in choices.items():
        if name == BOTH or label not in thresholds:
            continue
        point = usable_point(card, label, name)
        if point is None:
            told.append(
                f"This site judges {label} at the {NAMES[name]} point, which {card.name} "
                f"{card.version} has not measured: the two points of its card were used."
            )
        else:
            thresholds[label] = LabelThresholds(screen=point, alert=point)
    return replace(card, thresholds=thresholds), told
