"""What decides a run's result, each with its default, its command-line option and its limits."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from model.data.augment import NO_AUGMENTATION, Augmentation
from model.data.sampling import SAMPLINGS
from model.errors import TrainingError
from model.labels import METRIC_WEIGHTS


def _option(default: Any, what: str, choices: Sequence[Any] | None = None) -> Any:
    return field(default=default, metadata={"help": what, "choices": choices})


@dataclass(frozen=True)
class Recipe:
    """What decides a run's result; saved in its checkpoints."""

    architecture: str = _option("resnext50_32x4d", "of the slice encoder, any that timm knows")
    size: int = _option(256, "rows and columns of the network's input")
    small_size: int = _option(0, "rows and columns instead of --size in the first epochs")
    small_epochs: int = _option(0, "how many epochs see inputs of --small-size")
    slices_per_input: int = _option(1, "1, or 3: the slice below, itself, the one above", (1, 3))
    pooling: str = _option("gap", "of the last feature map", ("gap", "gem"))
    pretrained: str = _option("", "weights file, run's checkpoint, package:NAME, or timm's `hub`")
    begin_from: str = _option("", "checkpoint of a run of the same network to go on from, head too")
    teacher: str = _option("", "checkpoint of a run whose judgement is learnt, too")
    teacher_share: float = _option(0.5, "of the teacher's probabilities in the targets")
    epochs: int = _option(4, "of slices-per-epoch")
    slices_per_epoch: int = _option(0, "slices drawn an epoch; 0: one pass of the first cache")
    batch_size: int = _option(32, "slices in one forward pass of one process")
    accumulate: int = _option(1, "forward passes to one step of the optimiser")
    learning_rate: float = _option(3e-4, "at its highest")
    weight_decay: float = _option(0.05, "of AdamW; norms and biases are not decayed")
    dropout: float = _option(0.2, "share of the pooled features dropped")
    warm_up: float = _option(0.05, "share of all steps in which the learning rate rises")
    ema_decay: float = _option(0.999, "of the averaged weights, which are the ones used")
    sampling: str = _option("none", "which slices an epoch draws", SAMPLINGS)
    positive_share: float = _option(0.35, "share with hemorrhage, unless sampling is none")
    simulate: float = _option(0.0, "share of draws with simulated bleeding or look-alikes")
    simulate_bleeding: float = _option(0.7, "share of these that are meant to bleed")
    label_weights: tuple[float, ...] = _option(METRIC_WEIGHTS, "of the loss, any first")
    map_weight: float = _option(0.0, "of the loss of where simulated blood lies; 0: not learnt")
    precision: str = _option("auto", "auto: bf16 on a GPU, fp32 on a CPU", ("auto", "fp32", "bf16"))
    channels_last: bool = _option(True, "memory format of the network")
    seed: int = _option(0, "of everything random")
    augmentation: Augmentation = Augmentation()  # noqa: RUF009  frozen

    def input_size(self, epoch: int) -> int:
        """Rows and columns of the input in an epoch: small ones first are several times as fast."""
        return self.small_size if epoch < self.small_epochs else self.size


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser an option for each field of `Recipe` and each switch of its augmentation."""
    for item in fields(Recipe):
        if item.name == "augmentation":
            continue
        settings: dict[str, Any] = {"default": item.default, "help": _help(item)}
        if isinstance(item.default, bool):
            settings["action"] = argparse.BooleanOptionalAction
        elif isinstance(item.default, tuple):
            settings |= {"type": float, "nargs": len(item.default)}
        else:
            settings |= {"type": type(item.default), "choices": item.metadata["choices"]}
        parser.add_argument(_flag(item.name), **settings)
    for switch in fields(Augmentation):
        parser.add_argument(
            _flag(switch.name),
            default=switch.default,
            action=argparse.BooleanOptionalAction,
            help=f"augmentation ({'on' if switch.default else 'off'})",
        )


def recipe_from(options: argparse.Namespace) -> Recipe:
    """The recipe that the command line asks for.

    Raises
    ------
    TrainingError
        A number lies outside its limits.
    """
    values = vars(options)
    switches = {item.name: values[item.name] for item in fields(Augmentation)}
    wanted = {
        item.name: values[item.name] for item in fields(Recipe) if item.name != "augmentation"
    }
    wanted["label_weights"] = tuple(wanted["label_weights"])
    recipe = Recipe(**wanted, augmentation=Augmentation(**switches))
    _check(recipe)
    return recipe


def recipe_of(content: Mapping[str, Any]) -> Recipe:
    """The recipe that a checkpoint's or `run.json`'s mapping holds.

    From before an option was there, it left the option as it is, and varied nothing by a switch of
    augmentation that came after it. What an earlier version judged while training only, cells, is
    no longer known.

    Raises
    ------
    TrainingError
        It has an option that this program does not know.
    """
    values = asdict(Recipe()) | {name: content[name] for name in content if name != "cell_weight"}
    try:
        values["augmentation"] = replace(NO_AUGMENTATION, **values["augmentation"])
        values["label_weights"] = tuple(values["label_weights"])
        return Recipe(**values)
    except TypeError as problem:
        raise TrainingError(
            f"The recipe is of another version of this program: {problem}."
        ) from problem


def _check(recipe: Recipe) -> None:
    limits = {
        "size": (32, 1024),
        "small_size": (32 if recipe.small_epochs else 0, 1024),
        "small_epochs": (0, recipe.epochs),
        "epochs": (1, 10_000),
        "slices_per_epoch": (0, float("inf")),
        "batch_size": (1, float("inf")),
        "accumulate": (1, float("inf")),
        "weight_decay": (0, float("inf")),
        "dropout": (0, 0.99),
        "warm_up": (0, 1),
        "ema_decay": (0, 0.99999),
        "positive_share": (0.001, 0.999),
        "simulate": (0, 1),
        "simulate_bleeding": (0, 1),
        "teacher_share": (0, 1),
        "map_weight": (0, float("inf")),
        "seed": (0, float("inf")),
    }
    for name, (low, high) in limits.items():
        value = getattr(recipe, name)
        if not low <= value <= high:
            above = f"at least {low}" if high == float("inf") else f"from {low} to {high}"
            raise TrainingError(f"{_flag(name)} is {value}; it must be {above}.")
    if recipe.pretrained and recipe.begin_from:
        raise TrainingError("Give --pretrained or --begin-from, not both: each is where to begin.")
    if not recipe.learning_rate > 0:
        raise TrainingError(f"--learning-rate is {recipe.learning_rate}; it must be above 0.")
    if min(recipe.label_weights) < 0 or not sum(recipe.label_weights) > 0:
        raise TrainingError("--label-weights must not be negative, nor all be 0.")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _help(item: Any) -> str:
    default = item.default
    shown = " ".join(f"{part:g}" for part in default) if isinstance(default, tuple) else default
    return f"{item.metadata['help']} ({shown if shown != '' else 'none'})"
