"""Where weights fail and what they were never tested on, as a card says it."""

from collections.abc import Mapping
from typing import Any, Final

from model.architecture.series_head import SeriesHead
from model.exporting.provenance import from_files, is_from_scratch, shown
from model.labels import LABELS
from model.measured import FIGURE_NAMES
from model.training.recipe import recipe_of
from model.training.trained import Trained

FEW_PATIENTS: Final = 20
"""With fewer patients of a label its figures are anecdotes."""
LOW_SENSITIVITY: Final = 0.5

_ALWAYS: Final = (
    "Not tested on children, with contrast medium, after surgery, or with metal artefacts.",
)
_ATTENTION: Final = (
    "The attention map is coarse: it shows where the network looked, not the outline of a lesion."
)
_BLOOD_MAP: Final = (
    "The blood map is coarse and was learnt from SIMULATED bleeding alone: on real bleeding, "
    "neither its outlines nor its amounts were ever measured."
)


def limits_of(
    trained: Trained, calibration: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> list[str]:
    """Say where the weights fail and what they were never tested on, from what was measured."""
    content, network = trained.content, trained.network
    recipe, parts = recipe_of(content["recipe"]), evaluation["parts"]
    limits = [
        (
            "Tested only on patients of the data it was trained on, never on another hospital's: "
            "expect lower figures elsewhere."
        ),
        *dict.fromkeys(limit for cached in trained.sets for limit in cached.facts.limits),
        *_few(parts),
        *calibration["notes"].values(),
        *_misses(evaluation),
        *_worse_with_head(evaluation["metrics"]),
    ]
    if is_from_scratch(content):
        limits.append("Trained from scratch, without pre-trained weights.")
    if unknown := from_files(content):
        limits.append(
            f"It learnt from other weights ({', '.join(map(shown, unknown))}), of whose patients "
            "nothing is known here: if they were test patients, the figures are too high."
        )
    if recipe.simulate:
        limits.append(
            f"SIMULATED bleeding and look-alikes were inserted into {recipe.simulate:.0%} of the "
            "slices that training drew: real slices of its own patients without hemorrhage. All "
            "figures are of real slices alone."
        )
    if content["epoch"] < recipe.epochs:
        limits.append(
            f"Training ended after {content['epoch']} of the {recipe.epochs} epochs that its "
            "schedule was made for."
        )
    if not isinstance(network.series_head, SeriesHead) and network.slices_per_input == 1:
        limits.append("Each slice is judged alone: the network does not look at its neighbours.")
    return [*limits, *_ALWAYS, _ATTENTION if network.blood_map is None else _BLOOD_MAP]


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


def _worse_with_head(metrics: Mapping[str, Any]) -> list[str]:
    """Which studies the series head judges surely worse than their slices alone do."""
    alone = metrics["studies_by_slices_alone"]
    if alone is None:
        return []
    worse = [
        f"{FIGURE_NAMES[name]} of {label}"
        for label, changes in alone["change_by_series_head"].items()
        for name, sign in (("auc", -1), ("log_loss", 1), ("brier", 1))
        if changes[name]["interval"] and min(sign * end for end in changes[name]["interval"]) > 0
    ]
    if not worse:
        return []
    return [f"On studies the series head makes worse what slices alone tell: {', '.join(worse)}."]
