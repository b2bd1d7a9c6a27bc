"""A plan of experiments: recipes by name, and what each is to answer."""

import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.errors import TrainingError

PLAN: Final = Path(__file__).with_name("recipes.toml")


@dataclass(frozen=True)
class Experiment:
    """A recipe of the plan.

    Parameters
    ----------
    name
        Of its folder and its line.
    question
        What it is to answer, in words.
    options
        Of `model.train`: those that all share, those of the experiments that it extends, its own;
        of options named twice the later counts. ``{bank}`` and ``{to}`` stand for what the command
        line says, ``{rotation}`` for the number of the rotation.
    against
        The experiment that it is compared with; empty for none.
    """

    name: str
    question: str
    options: tuple[str, ...]
    against: str


def read_plan(path: Path) -> list[Experiment]:
    """Read the recipes of a plan.

    Raises
    ------
    TrainingError
        It is missing or not in its form.
    """
    try:
        content = tomllib.loads(path.read_text())
        common = shlex.split(content["common"]["options"])
        found: dict[str, Experiment] = {}
        for name, entry in content["experiment"].items():
            # Only what stands above can be extended: a plan is read from top to bottom.
            base = found[entry["extends"]].options if "extends" in entry else common
            options = (*base, *shlex.split(entry.get("options", "")))
            found[name] = Experiment(name, entry["question"], options, entry.get("against", ""))
        return list(found.values())
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise TrainingError(f"The plan {path} cannot be read: {problem!r}.") from problem


def chosen(plan: Sequence[Experiment], names: Sequence[str]) -> list[Experiment]:
    """The experiments of these names, or all.

    Raises
    ------
    TrainingError
        A name is not in the plan.
    """
    by_name = {experiment.name: experiment for experiment in plan}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise TrainingError(
            f"The plan has no experiment {unknown[0]}: it has {', '.join(by_name)}."
        )
    return [by_name[name] for name in names or by_name]
