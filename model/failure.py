"""Synthetic slices that an artefact judges wrongly, as they lie beside it; read without torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FAILURES_NAME: Final = "falx.failures.json"
PICTURE_NAME: Final = "falx.failure-{}.png"

MISS: Final = "miss"
FALSE_ALARM: Final = "false alarm"


@dataclass(frozen=True)
class Example:
    """A slice and what was said of it.

    Parameters
    ----------
    kind
        `MISS` or `FALSE_ALARM`, or as nearly so as there was one: `state` tells.
    state
        Of any hemorrhage, as Falx states a finding.
    probability
        Of any hemorrhage, in its series.
    probabilities
        Of the subtypes by their names.
    subtypes
        Those that the slice shows.
    blood_mm2
        Their area.
    put_in
        What the head has, one line for each bleed and look-alike.
    head, slice_number, slices
        The seed of the head, and which of its slices this is, from 1, upward.
    columns, rows
        Of the picture, in pixels.
    outline
        Of the blood: an SVG path in pixels of the picture, empty where there is none.
    """

    kind: str
    state: str
    probability: float
    probabilities: Mapping[str, float]
    subtypes: tuple[str, ...]
    blood_mm2: float
    put_in: tuple[str, ...]
    head: int
    slice_number: int
    slices: int
    columns: int
    rows: int
    outline: str


@dataclass(frozen=True)
class Tally:
    """How many there are, and of how many."""

    wrong: int
    of: int


@dataclass(frozen=True)
class Failures:
    """What was looked at, and what was wrong there.

    Parameters
    ----------
    heads
        Synthetic heads that were looked at.
    least_mm2
        A slice with less blood counts for nothing.
    missed_slices, missed_heads
        Of those with blood: below the screen threshold, in all of their slices.
    flagged_slices, flagged_heads
        Of heads without blood: from the alert threshold on, in one slice at least.
    examples
        Misses first; the pictures are numbered from 1, in this order.
    """

    heads: int
    least_mm2: float
    missed_slices: Tally
    missed_heads: Tally
    flagged_slices: Tally
    flagged_heads: Tally
    examples: tuple[Example, ...]


def read_failures(folder: Path, sha256: str) -> Failures | None:
    """Read the failures of the artefact with this SHA-256.

    Returns
    -------
    None where there are none, or only those of other weights: the page is as good without them.
    """
    try:
        content: dict[str, Any] = json.loads((folder / FAILURES_NAME).read_text())
        if content.pop("sha256") != sha256:
            return None
        tallies = {
            name: Tally(**value) for name, value in content.items() if isinstance(value, dict)
        }
        examples = tuple(_example(one) for one in content["examples"])
        return Failures(**{**content, **tallies, "examples": examples})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _example(content: Mapping[str, Any]) -> Example:
    lines = {name: tuple(content[name]) for name in ("subtypes", "put_in")}
    return Example(**{**content, **lines})
