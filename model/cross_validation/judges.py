"""Who judges patients in a run's name: the run itself, or the runs of its recipe's rotations."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.cross_validation.rotations import facts_of, runs_of
from model.errors import TrainingError
from model.evaluate import read_calibration

if TYPE_CHECKING:
    from model.training.trained import Trained


def judges_of(
    run: Path, trained: "Trained", rotations: Path | None
) -> tuple[list["Trained"], dict[str, Any]]:
    """Choose networks to measure, each on test patients from whom its weights did not learn.

    A run on everybody left nobody out. In its name the runs of its recipe's rotations are measured,
    as it is served: with its series head, which averages logits over neighbours and adds an offset
    a label, whatever network they are of (`model.cross_validation.serving.give_to`). Temperatures
    and thresholds, too, are then those that were given to it: they, unlike weights, were fitted to
    the patients who are judged.

    Parameters
    ----------
    run, trained
        The run, with its series head.
    rotations
        Folder of the rotations' runs; None where the run has test patients of its own.

    Returns
    -------
    Judges, who read the caches of the run, and what a result says of them: how many `runs` they are
    and what identifies their weights (`rotations`); nothing where the run judges for itself.

    Raises
    ------
    TrainingError
        There are no test patients, or the run was calibrated by other runs than these.
    """
    if rotations is None:
        if not trained.content["parts"]["test"]:
            raise TrainingError(
                f"{run} learnt from everybody and has no test patients: name the folder of its "
                "recipe's rotations with --rotations."
            )
        return [trained], {}
    runs = runs_of(rotations)
    facts = facts_of(runs)
    require_calibrated_by(rotations, facts, run)
    judges = [replace(one, sets=trained.sets) for one in runs.values()]
    for one in judges:
        one.network.series_head = trained.network.series_head
    return judges, {name: facts[name] for name in ("runs", "rotations")}


def require_calibrated_by(rotations: Path, facts: Mapping[str, Any], run: Path) -> None:
    """See that these runs gave the run on everybody its calibration.

    Raises
    ------
    TrainingError
        They did not.
    """
    if read_calibration(run).get("rotations") != facts["rotations"]:
        raise TrainingError(
            f"{run} was not calibrated by the runs in {rotations}: run `python -m "
            f"model.cross_validation --recipe {rotations} --give-to {run}` first."
        )
