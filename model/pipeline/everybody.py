"""The steps to weights that learnt from everybody, measured by the rotations of their recipe."""

from typing import Final

from model import export
from model.cross_validation import __main__ as cross_validation
from model.cross_validation.rotations import facts_of, runs_of
from model.data.folds import ROTATIONS
from model.errors import TrainingError
from model.evaluate import read_calibration
from model.pipeline.last_steps import LAST_STEPS
from model.pipeline.plan import Plan, Step
from model.pipeline.steps import cache_left, do_training, fill_cache, training_left

EVERYBODY: Final = ("everybody", "none")
"""Name and rotation of the run that is exported."""


def rotation_step(number: int) -> Step:
    """The training of one rotation's run."""
    name = f"rotation-{number}"
    return Step(
        name,
        lambda plan: training_left(plan.turned(name, str(number))),
        lambda plan: do_training(plan.turned(name, str(number))),
    )


def measuring_left(plan: Plan) -> str:
    """Whether the run has the figures of these rotations."""
    try:
        export.load_measured(plan.run)
        found = read_calibration(plan.run)["rotations"]
    except (TrainingError, KeyError):
        return "not measured"
    return "" if found == facts_of(runs_of(plan.work))["rotations"] else "of other rotations"


def do_measuring(plan: Plan) -> None:
    """Measure the rotations' runs, and give what they taught to the one that is exported."""
    cross_validation.main(
        [
            f"--recipe={plan.work}",
            f"--give-to={plan.run}",
            f"--device={plan.device}",
            f"--workers={plan.workers or 1}",
        ]
    )


EVERYBODY_STEPS: Final = (
    Step("cache", cache_left, fill_cache),
    *(rotation_step(number) for number in range(ROTATIONS)),
    Step("train", training_left, do_training),
    Step("evaluate", measuring_left, do_measuring),
    *LAST_STEPS,
)
