"""A run that was trained on another machine goes on here, with the caches that lie here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.data.cached import open_cache
from model.errors import TrainingError
from model.training.checkpoint import BEST, LAST, load_checkpoint, save_checkpoint


def relocate(run: Path, content: Mapping[str, Any], caches: Sequence[Path]) -> None:
    """Let a run's checkpoints name the caches here; nothing is done where they do already.

    Parameters
    ----------
    run
        The run's folder.
    content
        Of its last checkpoint.
    caches
        The folders here, in the order in which the run was trained on them.

    Raises
    ------
    TrainingError
        The caches here hold other patients than the run was trained with.
    """
    here = [str(folder.resolve()) for folder in caches]
    if [cache["folder"] for cache in content["caches"]] == here:
        return
    theirs = {patient for part in content["parts"].values() for patient in part}
    ours = {patient for folder in caches for patient in open_cache(folder).frame["patient"]}
    if theirs != ours or len(content["caches"]) != len(here):
        raise TrainingError(
            f"{run / LAST} was trained on other patients than {' and '.join(here)} hold: name the "
            "caches that it was trained on, in their order, or choose another folder."
        )
    for path in (run / BEST, run / LAST):
        if path.exists():
            moved = load_checkpoint(path)
            for cache, folder in zip(moved["caches"], here, strict=True):
                cache["folder"] = folder
            save_checkpoint(path, moved)
