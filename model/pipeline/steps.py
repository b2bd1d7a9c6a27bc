"""The steps from a data set to an artefact: what each has left to do, and how it does it.

Those that follow the evaluation are `model.pipeline.last_steps`.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from model import calibrate, evaluate, export, train, train_series_head
from model.architecture.series_head import SERIES_HEAD_FILE
from model.data.cache_writer import write_cache
from model.data.cached import SLICE_FILE, read_description
from model.data.ct_ich import CtIchSet
from model.data.dataset import DataSet
from model.data.packed import is_unpacked, unpack
from model.data.registry import as_json
from model.data.rsna import RsnaSet
from model.errors import TrainingError
from model.evaluation.prediction_store import weights_digest
from model.pipeline.last_steps import LAST_STEPS
from model.pipeline.plan import Plan, Step
from model.system.files import write_json
from model.system.progress import counting, progress_bar
from model.training.checkpoint import LAST, load_checkpoint, require_same
from model.training.data import named_caches
from model.training.recipe import recipe_from, recipe_of
from model.training.relocation import relocate
from model.training.trained import load_trained

_SERIES_HEAD_RECORD: Final = "series_head.json"
"""A head that does not help leaves no file of its own."""

# ------------------------------------------------------------------------------------------- cache


class _TimeIsUpError(Exception):
    """Raised between the chunks of a cache."""


def data_set_in(root: Path) -> DataSet:
    """Recognise a data set by its files.

    Raises
    ------
    TrainingError
        It is none that is known by its files.
    """
    if (root / "labels.csv").exists() and (root / "brain").is_dir():
        return CtIchSet(root.resolve())
    if (root / "stage_2_train.csv").exists():
        return RsnaSet(root.resolve(), 2)
    raise TrainingError(
        f"{root} is neither CT-ICH (labels.csv and brain/) nor RSNA 2019 (stage_2_train.csv): make "
        "a cache of other data with `python -m model.cache`, and give --cache instead of --root."
    )


def cache_left(plan: Plan) -> str:
    """Whether the cache is there and of this data set."""
    if plan.packed:
        return "" if is_unpacked(plan.packed, plan.cache) else "not unpacked"
    if plan.root is None or not (plan.cache / SLICE_FILE).exists():
        return "" if plan.root is None else "not filled"
    found = read_description(plan.cache)
    wanted = as_json(data_set_in(plan.root))
    if (found["data_set"], found["size"]) != (wanted, plan.cache_size):
        raise TrainingError(
            f"{plan.cache} is of {found['data_set']} with {found['size']} pixels, asked for are "
            f"{wanted} with {plan.cache_size}: ask for the same, or choose another --work."
        )
    return ""


def fill_cache(plan: Plan) -> None:
    """Unpack the cache, or read the data set until the time is up."""
    with progress_bar() as bar:
        show = counting(bar, "cache")

        def show_in_time(done: int, total: int) -> None:
            show(done, total)
            if done < total and plan.minutes_left <= 0:
                raise _TimeIsUpError

        if plan.packed:
            unpack(plan.packed, plan.cache, show)
        elif plan.root:
            with suppress(_TimeIsUpError):
                write_cache(
                    data_set_in(plan.root),
                    plan.cache,
                    size=plan.cache_size,
                    workers=plan.workers or os.cpu_count() or 1,
                    on_progress=show_in_time,
                )


# ---------------------------------------------------------------------------------------- training


def training_left(plan: Plan) -> str:
    """Whether the run has reached its last epoch, by the recipe that is asked for."""
    options = train.parse_arguments([*plan.training])
    recipe = recipe_from(options)
    path = plan.run / LAST
    if not path.exists():
        return "not begun"
    content = load_checkpoint(path)
    relocate(plan.run, content, [folder for folder, _ in named_caches(options.cache)])
    wanted = asdict(recipe)
    if recipe.precision == "auto":  # settled by the device, which need not be this one
        del wanted["precision"]
    found = asdict(recipe_of(content.get("recipe", {})))
    require_same({"recipe": wanted}, {"recipe": found}, path)
    if content["epoch"] >= recipe.epochs:
        return ""
    return f"{content['epoch']} of {recipe.epochs} epochs and {content['step']} steps done"


def do_training(plan: Plan) -> None:
    """Train until it is finished or the time is up."""
    train.main([*plan.training, f"--minutes={plan.minutes_left}"])


# ------------------------------------------------------------------------------------- series head


def series_head_left(plan: Plan) -> str:
    """Whether a head was fitted to these weights, and found to help or not."""
    path = plan.run / _SERIES_HEAD_RECORD
    if not path.exists():
        return "not fitted"
    same = json.loads(path.read_text()) == _series_head_record(plan)
    return "" if same else "fitted to other weights"


def do_series_head(plan: Plan) -> None:
    """Fit it, and note to which weights."""
    train_series_head.main([*plan.common, f"--checkpoint={plan.checkpoint}"])
    write_json(plan.run / _SERIES_HEAD_RECORD, _series_head_record(plan))


def _series_head_record(plan: Plan) -> dict[str, str]:
    encoder = load_trained(plan.run, plan.checkpoint, series_head=False).network
    head = plan.run / SERIES_HEAD_FILE
    return {
        "encoder": weights_digest(encoder),
        "head": hashlib.sha256(head.read_bytes()).hexdigest() if head.exists() else "",
    }


# -------------------------------------------------------------------------- calibrate and evaluate


def calibration_left(plan: Plan) -> str:
    """Whether these weights, with their series head, are calibrated."""
    try:
        calibration = evaluate.read_calibration(plan.run)
    except TrainingError:
        return "not calibrated"
    digest = weights_digest(load_trained(plan.run, plan.checkpoint).network)
    of_these = (calibration["weights"], calibration["checkpoint"]) == (digest, plan.checkpoint)
    return "" if of_these else "of other weights"


def do_calibration(plan: Plan) -> None:
    """Choose temperatures and thresholds."""
    calibrate.main([*plan.common, f"--checkpoint={plan.checkpoint}"])


def evaluation_left(plan: Plan) -> str:
    """Whether what is calibrated is measured; it must not be more often than is needed."""
    try:
        export.load_measured(plan.run)
    except TrainingError:
        return "not measured"
    return ""


def do_evaluation(plan: Plan) -> None:
    """Measure on the test patients."""
    evaluate.main(plan.common)


STEPS: Final = (
    Step("cache", cache_left, fill_cache),
    Step("train", training_left, do_training),
    Step("series-head", series_head_left, do_series_head),
    Step("calibrate", calibration_left, do_calibration),
    Step("evaluate", evaluation_left, do_evaluation),
    *LAST_STEPS,
)
