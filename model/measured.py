"""What was measured of weights, as their card records it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FIGURE_NAMES: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "sensitivity_at_90_specificity": "sensitivity at 90 % specificity",
    "specificity_at_90_sensitivity": "specificity at 90 % sensitivity",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
}
"""A label's figures in the order of reading: telling apart first, then how far to trust numbers."""


@dataclass(frozen=True)
class Estimate:
    """A measured figure with its 95 % interval; `reason` says why a part is missing."""

    value: float | None
    interval: tuple[float, float] | None
    reason: str | None


OfLabels = Mapping[str, Mapping[str, Estimate]]
"""Label to name of a figure to estimate."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Slices with about one probability: their mean, and the share of them that is positive."""

    probability: float
    observed: float
    slices: int


@dataclass(frozen=True)
class SlicesAlone:
    """Studies without the series head, and what the head changes of them (its figure less)."""

    figures: OfLabels
    change_by_series_head: OfLabels


@dataclass(frozen=True)
class Metrics:
    """Figures on the test patients; a study scores as its highest slice.

    Cards of old name no `reliability`; without a series head there is nothing to hold against it.
    """

    per_slice: OfLabels
    per_study: OfLabels
    weighted_log_loss: Estimate
    prevalence_only_log_loss: float
    reliability: Mapping[str, tuple[ReliabilityBin, ...]]
    studies_by_slices_alone: SlicesAlone | None


@dataclass(frozen=True)
class Disturbed:
    """What a disturbance does to P(any) of the slices that it leaves.

    Parameters
    ----------
    slices
        How many.
    mean_change, worst_change
        Absolute, of a slice's probability.
    auc_change
        With the disturbance less without.
    state_changed
        Share of slices that are then flagged, indeterminate or not flagged otherwise.
    """

    slices: int
    mean_change: float
    worst_change: float
    auc_change: Estimate
    state_changed: float


@dataclass(frozen=True)
class Robustness:
    """How steady the figures are on some of the test patients.

    Parameters
    ----------
    disturbances
        By their names.
    runs
        How many runs of the recipe were measured, each on patients from whom it did not learn; 1
        where the network itself was.
    """

    patients: int
    slices: int
    disturbances: Mapping[str, Disturbed]
    runs: int = 1


@dataclass(frozen=True)
class Localised:
    """Where a network's maps see blood of a label.

    Parameters
    ----------
    slices
        With such blood.
    class_activation_map, blood_map
        Share of them in which the map's highest place lies in the blood, or a cell beside it.
    gain
        The second less the first.
    dice
        Of the blood map's cells of at least half blood; the last three None without such a map.
    slices_with_dice
        With a cell that is at least half blood.
    """

    slices: int
    class_activation_map: Estimate
    blood_map: Estimate | None
    gain: Estimate | None
    dice: Estimate | None
    slices_with_dice: int


@dataclass(frozen=True)
class VolumeError:
    """Blood in a slice by the blood map less the true one, for slices of one class of size.

    Parameters
    ----------
    above_ml, to_ml
        Of the class; both 0 where there is no blood, the second None where it has no end.
    slices, true_ml
        In it, and how much they have on average.
    absolute_error_ml, bias_ml
        Mean of the error, without and with its sign.
    limits_ml
        Limits of agreement: between them lie 95 % of the errors; None of few slices, and in cards
        of old.
    """

    above_ml: float
    to_ml: float | None
    slices: int
    true_ml: float
    absolute_error_ml: Estimate
    bias_ml: Estimate
    limits_ml: tuple[float, float] | None = None


@dataclass(frozen=True)
class Localisation:
    """What maps show of simulated blood in slices of test patients; `runs` as of `Robustness`."""

    patients: int
    slices: int
    labels: Mapping[str, Localised]
    volumes: tuple[VolumeError, ...]
    runs: int = 1


def amount_of_blood(above_ml: float, to_ml: float | None) -> str:
    """A class of size in words."""
    if to_ml is None:
        return f"more than {above_ml:g} ml"
    return f"{above_ml:g} to {to_ml:g} ml" if to_ml else "no blood"


def parse_estimate(content: dict[str, Any]) -> Estimate:
    """Read an estimate."""
    interval = content["interval"]
    pair = (float(interval[0]), float(interval[1])) if interval else None
    return Estimate(content["value"], pair, content["reason"])


def parse_metrics(content: dict[str, Any]) -> Metrics:
    """Read a card's `metrics`."""
    alone = content.get("studies_by_slices_alone")
    return Metrics(
        per_slice=_of_labels(content["per_slice"]),
        per_study=_of_labels(content["per_study"]),
        weighted_log_loss=parse_estimate(content["weighted_log_loss"]),
        prevalence_only_log_loss=float(content["prevalence_only_log_loss"]),
        reliability={
            label: tuple(ReliabilityBin(**one) for one in bins)
            for label, bins in content.get("reliability", {}).items()
        },
        studies_by_slices_alone=SlicesAlone(**{k: _of_labels(v) for k, v in alone.items()})
        if alone
        else None,
    )


def parse_robustness(content: dict[str, Any] | None) -> Robustness | None:
    """Read a card's `robustness`, where it has any."""
    if content is None:
        return None
    disturbed = {
        name: Disturbed(**{**one, "auc_change": parse_estimate(one["auc_change"])})
        for name, one in content["disturbances"].items()
    }
    return Robustness(**{**content, "disturbances": disturbed})


def parse_localisation(content: dict[str, Any] | None) -> Localisation | None:
    """Read a card's `localisation`, where it has any."""
    if content is None:
        return None
    return Localisation(
        patients=content["patients"],
        slices=content["slices"],
        labels={
            label: Localised(**{name: _perhaps_estimate(value) for name, value in one.items()})
            for label, one in content["labels"].items()
        },
        volumes=tuple(
            VolumeError(**{name: _perhaps_estimate(value) for name, value in one.items()})
            for one in content["volumes"]
        ),
        runs=content.get("runs", 1),
    )


def _perhaps_estimate(value: Any) -> Any:
    if isinstance(value, dict):
        return parse_estimate(value)
    return tuple(value) if isinstance(value, list) else value


def _of_labels(content: dict[str, Any]) -> OfLabels:
    return {
        label: {name: parse_estimate(value) for name, value in figures.items()}
        for label, figures in content.items()
    }
