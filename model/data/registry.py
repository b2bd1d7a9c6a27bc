"""The data sets by name: from a command line, and to JSON and back."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from model.data.ct_ich import CtIchSet
from model.data.dataset import DataSet
from model.data.own_folder import OwnFolderSet
from model.data.rsna import STAGES, RsnaSet
from model.data.simulated import SimulatedSet
from model.errors import TrainingError

_CLASSES: Final[dict[str, Callable[..., DataSet]]] = {
    "rsna": RsnaSet,
    "ct-ich": CtIchSet,
    "folder": OwnFolderSet,
    "simulated": SimulatedSet,
}
KINDS: Final = tuple(_CLASSES)

_NEEDED: Final = {
    "rsna": ("root",),
    "ct-ich": ("root",),
    "folder": ("root", "labels", "title", "licence"),
    "simulated": (),
}
"""Options without which a kind cannot be read."""


def add_data_set_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kind of data set, and the options that the kinds need."""
    add = parser.add_argument
    add("kind", choices=KINDS, help="of data set")
    add("--root", type=Path, help="its folder (rsna: the unpacked download)")
    add("--stage", type=int, choices=STAGES, default=2, help="rsna: of the competition (2)")
    add("--labels", type=Path, help="folder: the CSV of labels")
    add("--title", default="", help="folder: its name, for the model card")
    add("--authors", default="", help="folder: whose data they are, for the model card")
    add("--licence", default="", help="folder: what may be done with them, for the model card")
    simulated = SimulatedSet()
    for name, what in (("patients", "how many"), ("slices", "of a patient"), ("pixels", "a side")):
        default = getattr(simulated, name)
        add(f"--{name}", type=int, default=default, help=f"simulated: {what} ({default})")
    add("--seed", type=int, default=simulated.seed, help="simulated: of noise and bleeds (0)")


def data_set_from(options: argparse.Namespace) -> DataSet:
    """Make the data set that the options of `add_data_set_arguments` describe; nothing is read.

    Raises
    ------
    TrainingError
        An option is missing that this kind needs.
    """
    missing = [f"--{name}" for name in _NEEDED[options.kind] if not getattr(options, name)]
    if missing:
        raise TrainingError(f"The kind {options.kind} also needs {' and '.join(missing)}.")
    root = options.root.resolve() if options.root else Path()
    if options.kind == "rsna":
        return RsnaSet(root, options.stage)
    if options.kind == "ct-ich":
        return CtIchSet(root)
    if options.kind == "folder":
        labels = options.labels.resolve()
        return OwnFolderSet(root, labels, options.title, options.authors, options.licence)
    return SimulatedSet(options.patients, options.slices, options.seed, options.pixels)


def as_json(data_set: DataSet) -> dict[str, Any]:
    """Describe a data set so that `from_json` makes it again."""
    content: dict[str, Any] = {"kind": data_set.facts.kind}
    for field in fields(data_set):  # type: ignore[arg-type]  # all implementations are dataclasses
        value = getattr(data_set, field.name)
        content[field.name] = str(value) if isinstance(value, Path) else value
    return content


def from_json(content: Mapping[str, Any]) -> DataSet:
    """Make the data set again that `as_json` described.

    Raises
    ------
    TrainingError
        The kind is unknown, or its fields are others.
    """
    kind, given = content.get("kind"), {**content}
    given.pop("kind", None)
    if kind not in _CLASSES:
        raise TrainingError(f"There is no data set of the kind {kind!r}: {', '.join(KINDS)}.")
    for name in ("root", "labels_csv"):
        if name in given:
            given[name] = Path(given[name])
    try:
        return _CLASSES[kind](**given)
    except TypeError as problem:
        raise TrainingError(
            f"A data set of the kind {kind} is described wrongly: {problem}."
        ) from problem
