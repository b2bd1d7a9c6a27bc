"""Checkpoints of a run: whole or not there, and only plain values and tensors in them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from model.errors import TrainingError

LAST: Final = "last.pt"
"""The newest state of a run, in the middle of an epoch or at its end."""

BEST: Final = "best.pt"
"""The state at the end of the epoch with the least held-out loss."""


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically; it is streamed, because it may be larger than memory allows.

    Raises
    ------
    TrainingError
        It cannot be written, as on a full disk; the old one stays, and no partial one does.
    """
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            torch.save(dict(content), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as problem:  # torch turns a failed write into RuntimeError
        partial.unlink(missing_ok=True)
        cause = problem.__context__ if isinstance(problem.__context__, OSError) else problem
        kept = "The one before it is kept." if path.exists() else "There is none before it."
        raise TrainingError(
            f"The checkpoint {path} cannot be written: {cause}. {kept} Make room and run the same "
            "command again."
        ) from problem


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are unpickled.

    Raises
    ------
    TrainingError
        The file is missing or damaged.
    """
    if not path.exists():
        raise TrainingError(
            f"There is no checkpoint {path}: `python -m model.train --run {path.parent}` makes it."
        )
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as problem:  # torch raises many kinds for one damaged file
        raise TrainingError(f"The checkpoint {path} cannot be read: {problem}.") from problem
    return content


def require_same(wanted: Mapping[str, Any], found: Mapping[str, Any], path: Path) -> None:
    """Refuse to go on from a checkpoint whose run was asked for something else.

    Parameters
    ----------
    wanted, found
        What the command says, and what the checkpoint holds; nested mappings of plain values.
    path
        Of the checkpoint.

    Raises
    ------
    TrainingError
        It names what differs.
    """
    differing = _differences(wanted, {key: found.get(key) for key in wanted})
    if differing:
        raise TrainingError(
            f"{path} belongs to another run ({'; '.join(differing)}). Ask for the same, or name "
            "another --run."
        )


def _differences(
    wanted: Mapping[str, Any], found: Mapping[str, Any], within: str = ""
) -> list[str]:
    differing = []
    for key, value in wanted.items():
        name, there = within + key, found.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            differing += _differences(value, there, f"{name}.")
        elif value != there:
            long = len(f"{there}{value}") > 200  # lists of patients
            differing.append(
                f"{name} differs" if long else f"{name} is {there} there, {value} here"
            )
    return differing
