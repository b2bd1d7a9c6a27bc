"""The runs of a recipe's rotations: the same in all but their patients."""

import hashlib
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.calibrate import checkpoint_facts
from model.errors import TrainingError

if TYPE_CHECKING:
    from model.training.trained import Trained


def runs_of(recipe: Path) -> dict[Path, "Trained"]:
    """The runs of a recipe's rotations: `rotation-0`, `rotation-1`, ... in its folder.

    Raises
    ------
    TrainingError
        As of `require_one_recipe`, or a run cannot be loaded.
    """
    from model.training.trained import load_trained

    runs = {
        run: load_trained(run, "last", series_head=False)
        for run in sorted(recipe.glob("rotation-[0-9]"))
    }
    require_one_recipe(recipe, runs)
    return runs


def require_one_recipe(recipe: Path, runs: Mapping[Path, "Trained"]) -> None:
    """See that runs differ in their patients alone.

    Raises
    ------
    TrainingError
        Fewer than two runs, another recipe, or a test patient of two runs.
    """
    if len(runs) < 2:
        raise TrainingError(
            f"{recipe} holds {len(runs)} runs named rotation-0, rotation-1, ...: two or more are "
            "needed, of different rotations of the same folds."
        )
    for (first, one), (second, other) in combinations(runs.items(), 2):
        differing = differing_in(one.content["recipe"], other.content["recipe"])
        if one.content["epoch"] != other.content["epoch"]:
            differing.append("epochs done")
        if differing:
            raise TrainingError(
                f"{first} and {second} are not of one recipe ({', '.join(differing)})."
            )
        both = {*one.content["parts"]["test"]} & {*other.content["parts"]["test"]}
        if both:
            raise TrainingError(
                f"{min(both)} is a test patient of {first} and of {second}: take different "
                "rotations of the same folds."
            )


def differing_in(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of what two recipes differ in, but for chance and the weights of their own patients."""
    ignored = {"seed", "begin_from"}
    return [name for name in first if name not in ignored and first[name] != second.get(name)]


def facts_of(runs: Mapping[Path, "Trained"]) -> dict[str, Any]:
    """What ties the results to the runs: their recipe, and all of their weights as one digest."""
    facts = [checkpoint_facts(trained, "last") for trained in runs.values()]
    digest = hashlib.sha256("".join(fact["weights"] for fact in facts).encode()).hexdigest()
    first = next(iter(runs.values()))
    return {
        **facts[0],
        "weights": digest,
        "rotations": digest,
        "input_size": first.network.spec.input_size,
        "recipe": first.content["recipe"],
        "runs": len(runs),
        "members": first.network.spec.members,
        "patients": [
            patient for trained in runs.values() for patient in trained.content["parts"]["test"]
        ],
    }
