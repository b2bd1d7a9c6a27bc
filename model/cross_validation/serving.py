"""What the rotations of a recipe taught, given to the run that learnt from everybody."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from model.architecture.series_head import (
    SERIES_HEAD_FILE,
    FittedHead,
    attach_series_head,
    averaging_head,
)
from model.calibrate import CALIBRATION_FILE, checkpoint_facts
from model.cross_validation.rotations import differing_in
from model.errors import TrainingError
from model.evaluate import EVALUATION_FILE, count_parts
from model.evaluation.prediction_store import weights_digest
from model.labels import LABELS
from model.network import HemorrhageNetwork
from model.system.files import write_atomically, write_json
from model.training.trained import Trained, load_trained


def give_to(run: Path, calibration: Mapping[str, Any], evaluation: Mapping[str, Any]) -> None:
    """Write the series head, calibration and figures of a cross-validation into a run's folder.

    From there it is exported as any other run: the figures are those of its recipe.

    Parameters
    ----------
    run
        Trained by the same recipe, on all patients whom the rotations tested.
    calibration, evaluation
        Of the rotations together.

    Raises
    ------
    TrainingError
        It is of another recipe, or did not learn from all of them.
    """
    trained = load_trained(run, "last", series_head=False)
    require_of_recipe(run, trained, calibration)
    fitted = head_given(trained.network, calibration)
    attach_series_head(trained.network, fitted, fitted.encoder)
    facts = checkpoint_facts(trained, "last")
    learnt = count_parts(trained.sets, {"train": trained.content["parts"]["train"]})
    content = io.BytesIO()
    torch.save(vars(fitted), content)
    write_atomically(run / SERIES_HEAD_FILE, content.getvalue())
    size = str(calibration["input_size"])
    by_size = {size: calibration["reliability"]["after"]["weighted_log_loss"]}
    write_json(run / CALIBRATION_FILE, {**calibration, "loss_by_size": by_size, **facts})
    parts = {**learnt, **evaluation["parts"]}
    write_json(run / EVALUATION_FILE, {**evaluation, "parts": parts, **facts})


def head_given(network: HemorrhageNetwork, calibration: Mapping[str, Any]) -> FittedHead:
    """The series head for a network without one: what was fitted to the rotations' logits."""
    widths_mm, offset = (
        [calibration[name][label] for label in LABELS] for name in ("widths_mm", "offset")
    )
    head = averaging_head(network.embedding_size, widths_mm, offset)
    figures = {
        "patients": calibration["counts"]["patients"],
        "role": "cross-validated",
        "widths_mm": widths_mm,
        "offset": offset,
        "blend": [0.0] * len(LABELS),
        "weighted_alone": calibration["weighted_alone"],
        "weighted_averaged": calibration["weighted_averaged"],
    }
    encoder = weights_digest(network)
    return FittedHead(head.state_dict(), head.embedding_size, head.hidden, encoder, figures)


def require_of_recipe(run: Path, trained: Trained, calibration: Mapping[str, Any]) -> None:
    """See that the figures are of the run's recipe.

    Raises
    ------
    TrainingError
        As of `give_to`.
    """
    differing = differing_in(trained.content["recipe"], calibration["recipe"])
    if trained.network.spec.members != calibration["members"]:
        differing.append("number of networks")
    if differing:
        raise TrainingError(
            f"{run} is of another recipe than the rotations ({', '.join(differing)}): their "
            "figures are not its own."
        )
    left_out = {*calibration["patients"]} - {*trained.content["parts"]["train"]}
    if left_out:
        raise TrainingError(
            f"{run} did not learn from {len(left_out)} of the patients whom the rotations tested: "
            "train it with `--rotation none`."
        )
