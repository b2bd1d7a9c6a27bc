"""The artefact: a TorchScript file and its model card, verified by SHA-256 before it is loaded."""

import hashlib
import io
import json
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from model.detected import SensitivityBySize, parse_sensitivity
from model.errors import ArtifactError
from model.labels import LABELS
from model.measured import (
    Estimate,
    Localisation,
    Metrics,
    Robustness,
    parse_estimate,
    parse_localisation,
    parse_metrics,
    parse_robustness,
)
from model.unfamiliar import UnfamiliarFacts, parse_unfamiliar
from model.windowing import MODEL_WINDOWS

if TYPE_CHECKING:
    import torch

CARD_NAME: Final = "falx.json"
NETWORK_NAME: Final = "falx.pt"

CLASS_ACTIVATION_MAP: Final = "class activation map"
BLOOD_MAP: Final = "blood map"
"""What an artefact's heat maps may be: shares in the logits, or log-odds of blood's share."""


@dataclass(frozen=True)
class ThresholdPoint:
    """A threshold on probability and what it achieved on the test patients.

    `sensitivity` and `specificity` are per slice, the `study_` ones per study, whose score is its
    highest slice: that is how Falx states a finding.
    """

    threshold: float
    sensitivity: Estimate
    specificity: Estimate
    study_sensitivity: Estimate
    study_specificity: Estimate


@dataclass(frozen=True)
class LabelThresholds:
    """A label's two operating points: nothing is claimed between them."""

    screen: ThresholdPoint
    alert: ThresholdPoint


@dataclass(frozen=True)
class PartFacts:
    """Patients and slices of one part of the data, in all and with each label."""

    used_for: str
    patients: int
    slices: int
    patients_with: Mapping[str, int]
    slices_with: Mapping[str, int]


@dataclass(frozen=True)
class SourceFacts:
    """A data set that weights were made from; `doi` is empty where there is none."""

    title: str
    authors: str
    doi: str
    licence: str
    hounsfield_units: str


@dataclass(frozen=True)
class WeightsFacts:
    """Other weights that these began from or learnt from."""

    used_for: str
    name: str
    trained_on: str
    licence: str


@dataclass(frozen=True)
class TrainingFacts:
    """What the weights were made from, and how; cards of old name no `other_weights`."""

    data_sets: tuple[SourceFacts, ...]
    parts: Mapping[str, PartFacts]
    recipe: Mapping[str, int | float | str | None]
    note: str
    minutes: float
    other_weights: tuple[WeightsFacts, ...] = ()


@dataclass(frozen=True)
class ModelCard:
    """Everything that must be known about the weights to use them rightly.

    `robustness`, `localisation` and `sensitivity` (by size) are there where they were measured,
    `unfamiliar` where the artefact knows what looks like the slices that it learnt from. `heat`
    says what its heat maps are, `members` of how many networks the artefact is the mean; cards of
    old do not.
    """

    name: str
    version: str
    created: str
    sha256: str
    architecture: str
    slices_per_input: int
    pooling: str
    series_head: str
    parameters: int
    labels: tuple[str, ...]
    windows: tuple[Mapping[str, Any], ...]
    input_size: int
    calibration: Mapping[str, float]
    calibration_method: str
    thresholds: Mapping[str, LabelThresholds]
    thresholds_chosen: str
    thresholds_measured_on: str
    training: TrainingFacts
    metrics: Metrics
    intended_use: str
    disclaimer: str
    limits: tuple[str, ...]
    robustness: Robustness | None = None
    unfamiliar: UnfamiliarFacts | None = None
    localisation: Localisation | None = None
    sensitivity: SensitivityBySize | None = None
    heat: str = CLASS_ACTIVATION_MAP
    members: int = 1


def load_card(path: Path) -> ModelCard:
    """Read and validate a model card, without torch.

    Raises
    ------
    ArtifactError
        The card is missing or damaged, a field is missing or out of range, or its labels or
        windows are not those of this software.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        card = _parse_card(content)
    except OSError as problem:
        raise ArtifactError(f"The model card {path.name} cannot be read: {problem}.") from problem
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ArtifactError(
            f"The model card {path.name} is not a Falx card: {problem!r}."
        ) from problem
    _validate(card, path.name)
    return card


def _parse_card(content: dict[str, Any]) -> ModelCard:
    return ModelCard(
        **{
            **content,
            "labels": tuple(content["labels"]),
            "windows": tuple(content["windows"]),
            "limits": tuple(content["limits"]),
            "thresholds": {
                label: LabelThresholds(**{name: _point(point) for name, point in pair.items()})
                for label, pair in content["thresholds"].items()
            },
            "training": _training(content["training"]),
            "metrics": parse_metrics(content["metrics"]),
            "robustness": parse_robustness(content.get("robustness")),
            "localisation": parse_localisation(content.get("localisation")),
            "sensitivity": parse_sensitivity(content.get("sensitivity")),
            "unfamiliar": parse_unfamiliar(content.get("unfamiliar")),
        }
    )


def _training(content: dict[str, Any]) -> TrainingFacts:
    others = content.get("other_weights", [])
    return TrainingFacts(
        **{
            **content,
            "parts": {name: PartFacts(**part) for name, part in content["parts"].items()},
            "data_sets": tuple(SourceFacts(**facts) for facts in content["data_sets"]),
            "other_weights": tuple(WeightsFacts(**facts) for facts in others),
        }
    )


def _point(content: dict[str, Any]) -> ThresholdPoint:
    estimates = {
        name: parse_estimate(value) for name, value in content.items() if name != "threshold"
    }
    return ThresholdPoint(threshold=float(content["threshold"]), **estimates)


def window_facts() -> list[dict[str, Any]]:
    """The model's windows as a card records them."""
    return [{"name": w.name, "center": w.center, "width": w.width} for w in MODEL_WINDOWS]


def _validate(card: ModelCard, name: str) -> None:
    """Refuse a card whose values this software would misuse."""
    problems = {
        f"its labels are {', '.join(card.labels)}": card.labels != LABELS,
        "its windows are not those of this version": list(card.windows) != window_facts(),
        "its calibration does not cover the six labels": set(card.calibration) != set(LABELS),
        "its thresholds do not cover the six labels": set(card.thresholds) != set(LABELS),
        "a temperature is not a positive number": not all(
            math.isfinite(value) and value > 0 for value in card.calibration.values()
        ),
        "a threshold lies outside 0 to 1": not all(
            0 <= point.threshold <= 1
            for pair in card.thresholds.values()
            for point in (pair.screen, pair.alert)
        ),
        "it has no SHA-256": len(card.sha256) != 64,
        f"its input size is {card.input_size}": not 32 <= card.input_size <= 1024,
        f"its heat maps are a {card.heat}": card.heat not in (CLASS_ACTIVATION_MAP, BLOOD_MAP),
        f"its network sees {card.slices_per_input} slices at once": card.slices_per_input
        not in (1, 3),
        "it names no data set": not card.training.data_sets,
    }
    for problem, present in problems.items():
        if present:
            raise ArtifactError(f"The model card {name} cannot be used: {problem}.")


@contextmanager
def torchscript_deprecation_ignored() -> Iterator[None]:
    """Upstream deprecated TorchScript in 2.11; Falx's artefact is TorchScript by request."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        yield


def load_network(path: Path, card: ModelCard, device: str) -> "torch.jit.ScriptModule":
    """Load the TorchScript file, in single precision, once its SHA-256 is the card's.

    Parameters
    ----------
    path
        The `.pt` file; it is read once, and what was hashed is what is loaded.
    card
        Its card.
    device
        As torch names it: `cpu`, `cuda`, `cuda:1`.

    Raises
    ------
    ArtifactError
        The file is missing, is not the one that the card describes, or cannot be loaded.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ArtifactError(f"The model {path.name} cannot be read: {problem}.") from problem
    found = hashlib.sha256(content).hexdigest()
    if found != card.sha256:
        raise ArtifactError(
            f"The model {path.name} has SHA-256 {found[:12]}..., its card says "
            f"{card.sha256[:12]}...: it was changed or belongs to another card."
        )
    import torch

    with torchscript_deprecation_ignored():
        try:
            network: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(content), map_location=device
            )
        except RuntimeError as problem:
            raise ArtifactError(
                f"The model {path.name} is not a TorchScript file: {problem}."
            ) from problem
    network.float()
    network.eval()
    return network
