"""The steps to weights that learnt from everybody, measured by the rotations of their recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from model import ensemble, export, train
from model.cross_validation import __main__ as cross_validation
from model.cross_validation.rotations import facts_of, runs_of
from model.data.folds import ROTATIONS
from model.errors import TrainingError
from model.evaluate import read_calibration
from model.pipeline.last_steps import LAST_STEPS
from model.pipeline.plan import Plan, Step
from model.pipeline.steps import cache_left, do_training, fill_cache, training_left
from model.training.recipe import recipe_from

TOGETHER: Final = "together"
"""Folder of the runs that are measured and exported: each several of those trained, as one."""
EVERYBODY: Final = (f"{TOGETHER}/everybody", "none")
"""Name and rotation of the run that is exported."""
_MEMBERS: Final = 2
"""As many as leave a patient out: so the rotations' runs stand for the one that is exported."""


def training_step(name: str, rotation: str, seed: int = 0) -> Step:
    """The training of one run, by the given recipe but for what is added to its seed."""

    def its(plan: Plan) -> Plan:
        recipe = recipe_from(train.parse_arguments([*plan.training]))
        turned = plan.turned(name, rotation)
        return replace(turned, options=(*turned.options, f"--seed={recipe.seed + seed}"))

    return Step(
        name,
        lambda plan: training_left(its(plan)),
        lambda plan: do_training(its(plan)),
    )


def members_of(plan: Plan) -> list[Path]:
    """The runs of which the one that is exported is the mean."""
    return [plan.work / f"everybody-{number}" for number in range(_MEMBERS)]


def ensembles_left(plan: Plan) -> str:
    """Whether the runs were put together as they are now."""
    rotations = [plan.run.parent / f"rotation-{number}" for number in range(ROTATIONS)]
    made = [ensemble.is_of_its_members(run) for run in (*rotations, plan.run)]
    return "" if all(made) else "not put together"


def do_ensembles(plan: Plan) -> None:
    """Put the runs on everybody together, and each rotation's with those beside it."""
    ensemble.ensemble_rotations(plan.work, plan.run.parent)
    ensemble.put_together(members_of(plan), plan.run)


def measuring_left(plan: Plan) -> str:
    """Whether the run has the figures of these rotations."""
    try:
        export.load_measured(plan.run)
        found = read_calibration(plan.run)["rotations"]
    except (TrainingError, KeyError):
        return "not measured"
    return "" if found == facts_of(runs_of(plan.run.parent))["rotations"] else "of other rotations"


def do_measuring(plan: Plan) -> None:
    """Measure the rotations' runs, and give what they taught to the one that is exported."""
    cross_validation.main(
        [
            f"--recipe={plan.run.parent}",
            f"--give-to={plan.run}",
            f"--device={plan.device}",
            f"--workers={plan.workers or 1}",
        ]
    )


EVERYBODY_STEPS: Final = (
    Step("cache", cache_left, fill_cache),
    *(training_step(f"rotation-{number}", str(number)) for number in range(ROTATIONS)),
    *(training_step(f"everybody-{number}", "none", number) for number in range(_MEMBERS)),
    Step("ensemble", ensembles_left, do_ensembles),
    Step("evaluate", measuring_left, do_measuring),
    *LAST_STEPS,
)
