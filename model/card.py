"""What a model card says of a run: put together from what the run itself recorded."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from model.artifact import window_facts
from model.data.cached import CachedSet
from model.labels import LABELS
from model.notice import NOTICE
from model.series_head import SeriesHead, describe
from model.trained import Trained

INTENDED_USE: Final = (
    "Research on ordering a worklist of non-contrast head CT by the probability of intracranial "
    "hemorrhage, with a radiologist reading every study."
)
NO_SERIES_HEAD: Final = "none: each slice is judged alone"
FEW_PATIENTS: Final = 20
"""With fewer patients of a label its figures are anecdotes."""
LOW_SENSITIVITY: Final = 0.5

_NO_SHIFT: Final = 0.01
"""Log-odds that left-out slices alone may make."""

_ALWAYS: Final = (
    "Not tested on children, with contrast medium, after surgery, or with metal artefacts.",
    "The attention map is coarse: it shows where the network looked, not the outline of a lesion.",
)


def build_card(
    trained: Trained,
    calibration: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    *,
    version: str,
    series_head: Mapping[str, Any] | None,
    note: str,
) -> dict[str, Any]:
    """Put a card together, all but the SHA-256 of the file that is yet to be written.

    Parameters
    ----------
    trained
        The run's network, as it was calibrated and measured.
    calibration, evaluation
        What `model.calibrate` and `model.evaluate` wrote.
    version
        Of the weights.
    series_head
        The figures of its fitting, where there is one.
    note
        What else should be said of the run; may be empty.
    """
    content, network = trained.content, trained.network
    parts = {
        name: {"used_for": uses_of_parts(calibration, evaluation)[name], **counted}
        for name, counted in evaluation["parts"].items()
    }
    test, wishes = parts["test"], calibration["wishes"]
    return {
        "name": "Falx",
        "version": version,
        "created": datetime.now(UTC).date().isoformat(),
        "sha256": "",
        "architecture": network.spec.architecture,
        "slices_per_input": network.slices_per_input,
        "pooling": network.spec.pooling,
        "series_head": describe(series_head) if series_head else NO_SERIES_HEAD,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "labels": list(LABELS),
        "windows": window_facts(),
        "input_size": network.spec.input_size,
        "calibration": calibration["temperature"],
        "calibration_method": _calibration_method(content["prior_shift"]),
        "thresholds": evaluation["thresholds"],
        "thresholds_chosen": "on the calibration patients' studies, each by its highest slice: "
        f"screen at sensitivity {wishes['screen_sensitivity']:g}, alert at specificity "
        f"{wishes['alert_specificity']:g}",
        "thresholds_measured_on": f"{test['patients']} test patients ({test['slices']} slices) of "
        + " and ".join(cached.facts.title for cached in trained.sets),
        "training": {
            "data_sets": [source_facts(cached) for cached in trained.sets],
            "parts": parts,
            "recipe": readable_recipe(content),
            "note": note,
            "minutes": round(content["seconds"] / 60, 1),
        },
        "metrics": evaluation["metrics"],
        "intended_use": INTENDED_USE,
        "disclaimer": NOTICE,
        "limits": limits_of(trained, calibration, evaluation),
    }


def source_facts(cached: CachedSet) -> dict[str, str]:
    """What the card says of one data set."""
    facts = cached.facts
    return {
        "title": facts.title,
        "authors": facts.authors,
        "doi": facts.doi,
        "licence": facts.licence,
        "hounsfield_units": facts.hounsfield_units,
    }


def uses_of_parts(
    calibration: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> Mapping[str, str]:
    """What each part of the patients was used for, and how often the test was looked at."""
    best = " and choosing the checkpoint" if calibration["checkpoint"] == "best" else ""
    size = "input size, " if len(calibration["loss_by_size"]) > 1 else ""
    looks = len(evaluation["evaluations"])
    once = "once" if looks == 1 else f"looked at {looks} times"
    return {
        "train": "fitting the weights",
        "tune": f"watching the training{best}, and the series head if there is one",
        "calibrate": f"{size}temperatures and thresholds, nothing else",
        "test": f"the figures of this card, {once}",
    }


def readable_recipe(content: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Flatten a run's recipe into a line a value; of a weights file only the name is told."""
    recipe = dict(content["recipe"])
    switches = recipe.pop("augmentation")
    switched_on = (name.replace("_", " ") for name, on in switches.items() if on)
    recipe["augmentation"] = ", ".join(switched_on) or "none"
    if recipe["sampling"] == "none":
        del recipe["positive_share"]
    if not recipe.get("simulate"):
        for name in ("simulate", "simulate_bleeding"):
            recipe.pop(name, None)
    recipe["label_weights"] = " ".join(f"{weight:g}" for weight in recipe["label_weights"])
    recipe["pretrained"] = Path(recipe["pretrained"]).name or "no"
    if len(content["caches"]) > 1:
        recipe["mixture"] = " to ".join(f"{cache['weight']:g}" for cache in content["caches"])
    recipe["epochs_done"] = content["epoch"]
    return {name: _plain(value) for name, value in recipe.items()}


def _plain(value: Any) -> int | float | str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, int | float) else str(value)


def _calibration_method(prior_shift: Sequence[float]) -> str:
    steps = ["one temperature a label", "any >= every subtype"]
    if max(map(abs, prior_shift)) > _NO_SHIFT:
        steps.insert(0, "exact correction of the head's bias for the share of positives drawn")
    return ", then ".join(steps)


def limits_of(
    trained: Trained, calibration: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> list[str]:
    """Say where the weights fail and what they were never tested on, from what was measured."""
    content, network = trained.content, trained.network
    recipe, parts = content["recipe"], evaluation["parts"]
    limits = [
        (
            "Tested only on patients of the data it was trained on, never on another hospital's: "
            "expect lower figures elsewhere."
        ),
        *dict.fromkeys(limit for cached in trained.sets for limit in cached.facts.limits),
        *_few(parts),
        *calibration["notes"].values(),
        *_misses(evaluation),
    ]
    if not recipe["pretrained"]:
        limits.append("Trained from scratch, without pre-trained weights.")
    simulated = recipe.get("simulate", 0)  # runs from before it could be asked for lack it
    if simulated:
        limits.append(
            f"SIMULATED bleeding and look-alikes were inserted into {simulated:.0%} of the slices "
            "that training drew: real slices of its own patients without hemorrhage. All figures "
            "are of real slices alone."
        )
    if content["epoch"] < recipe["epochs"]:
        limits.append(
            f"Training ended after {content['epoch']} of the {recipe['epochs']} epochs that its "
            "schedule was made for."
        )
    if not isinstance(network.series_head, SeriesHead) and network.slices_per_input == 1:
        limits.append("Each slice is judged alone: the network does not look at its neighbours.")
    return [*limits, *_ALWAYS]


def _few(parts: Mapping[str, Any]) -> list[str]:
    """Which labels were seen in few patients."""
    train, test = parts["train"]["patients_with"], parts["test"]["patients_with"]
    few = [
        f"{label} in {train[label]} and {test[label]}"
        for label in LABELS
        if min(train[label], test[label]) < FEW_PATIENTS
    ]
    if not few:
        return []
    return [
        (
            f"Seen in few patients of training and test: {', '.join(few)}. Figures of these "
            "labels are anecdotes."
        )
    ]


def _misses(evaluation: Mapping[str, Any]) -> list[str]:
    """Whether the alert threshold for any hemorrhage misses most bleeding studies."""
    found = evaluation["thresholds"]["any"]["alert"]["study_sensitivity"]["value"]
    if found is None or found >= LOW_SENSITIVITY:
        return []
    return [
        (
            f"At the alert threshold {found:.0%} of the bleeding test studies were flagged: most "
            "findings are stated as indeterminate."
        )
    ]
