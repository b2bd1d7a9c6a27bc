"""What was measured of a run, as it lies in its folder and as a card takes it.

A card never takes what is of other weights, or of another calibration, than are exported.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.errors import TrainingError


@dataclass(frozen=True)
class Result:
    """A measurement that a run may have been given.

    Parameters
    ----------
    file, command
        Where in the run's folder it lies, and what writes it.
    facts
        What a card takes of it.
    same
        What it must have in common with the calibration; `rotations` are those who judged in the
        name of a run on everybody, `thresholds` those of any hemorrhage.
    """

    file: str
    command: str
    facts: tuple[str, ...]
    same: tuple[str, ...]


ROBUSTNESS: Final = Result(
    "robustness.json",
    "model.robustness",
    ("patients", "slices", "disturbances", "runs"),
    ("weights", "thresholds", "rotations"),
)
LOCALISATION: Final = Result(
    "localisation.json",
    "model.localise",
    ("patients", "slices", "labels", "volumes", "runs"),
    ("weights", "input_size", "rotations"),
)
SENSITIVITY: Final = Result(
    "sensitivity.json",
    "model.sensitivity",
    ("patients", "slices", "by_size", "without_blood", "runs"),
    ("weights", "thresholds", "rotations"),
)
UNFAMILIAR: Final = Result(
    "unfamiliar.json",
    "model.fit_familiarity",
    ("warn_from", "refuse_from", "chosen", "examples"),
    ("weights", "input_size", "rotations"),
)

_OF_ITSELF: Final = {"runs": 1, "rotations": None}
"""What a result does not say where the run judged for itself."""


def read_result(run: Path, result: Result, calibration: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read what a card says of a result, where it was measured.

    Parameters
    ----------
    calibration
        Of the run, as `calibration.json` has it.

    Raises
    ------
    TrainingError
        It is damaged, or of other weights, thresholds, rotations or another input size than were
        calibrated.
    """
    path = run / result.file
    if not path.exists():
        return None
    again = f"run {result.command} again"
    try:
        found = _OF_ITSELF | json.loads(path.read_text())
    except (OSError, ValueError, TypeError) as problem:
        raise TrainingError(f"{path} cannot be read ({problem}): {again}.") from problem
    missing = [name for name in (*result.facts, *result.same) if name not in found]
    if missing:
        raise TrainingError(f"{path} lacks {', '.join(missing)}: {again}.")
    chosen = _OF_ITSELF | {**calibration, "thresholds": calibration["thresholds"]["any"]}
    other = [name.replace("_", " ") for name in result.same if found[name] != chosen[name]]
    if other:
        raise TrainingError(
            f"{path} is of other {' and '.join(other)} than were calibrated: {again}."
        )
    return {name: found[name] for name in result.facts}
