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

    runs = {run: load_trained(run, "last") for run in sorted(recipe.glob("rotation-[0-9]"))}
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
        differing = [
            name
            for name, value in one.content["recipe"].items()
            if other.content["recipe"].get(name) != value and name != "begin_from"
        ]
        if differing or one.content["epoch"] != other.content["epoch"]:
            raise TrainingError(
                f"{first} and {second} are not of one recipe "
                f"({', '.join(differing) or 'other numbers of epochs'})."
            )
        both = {*one.content["parts"]["test"]} & {*other.content["parts"]["test"]}
        if both:
            raise TrainingError(
                f"{min(both)} is a test patient of {first} and of {second}: take different "
                "rotations of the same folds."
            )


def facts_of(runs: Mapping[Path, "Trained"]) -> dict[str, Any]:
    """What ties the results to the runs: their recipe, and all of their weights as one digest."""
    facts = [checkpoint_facts(trained, "last") for trained in runs.values()]
    digests = "".join(sorted(fact["weights"] for fact in facts))
    first = next(iter(runs.values()))
    return {
        **facts[0],
        "weights": hashlib.sha256(digests.encode()).hexdigest(),
        "input_size": first.network.spec.input_size,
        "recipe": first.content["recipe"],
        "runs": len(runs),
    }
