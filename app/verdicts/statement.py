"""What a reader says in one verdict, as a form sends it: read strictly, and held against itself."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from app.verdicts.record import ABSENT, ANY, PRESENT, resolved
from model.labels import LABELS, SUBTYPES

MOST_REGIONS: Final = 100
MOST_CHARACTERS: Final = 200_000
"""Of the JSON of a field: 1000 slices with all six labels need less."""

_CORNERS: Final = ("x0", "y0", "x1", "y1")


class StatementError(Exception):
    """A field is not in its form; the message says what is wrong and what would be right."""


@dataclass(frozen=True)
class Statement:
    """One verdict; the fields are those of `app.db.models.Review`."""

    verdicts: dict[str, str]
    reasons: dict[str, str] = field(default_factory=dict)
    slice_verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    regions: list[dict[str, Any]] = field(default_factory=list)
    comment: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return not (self.verdicts or self.slice_verdicts or self.regions or self.comment.strip())


@dataclass(frozen=True)
class SlicePlace:
    """A slice that may be spoken of: its number in the series, from 1, and its size in pixels."""

    number: int
    rows: int
    columns: int


def slice_verdicts_from(text: str) -> dict[str, dict[str, str]]:
    """Read ``{label: {instance id: present or absent}}``.

    Raises
    ------
    StatementError
        It is anything else.
    """
    content = _json(text or "{}", "statements on slices")
    if not isinstance(content, dict) or not content.keys() <= set(LABELS):
        raise StatementError(f"Statements on slices go by label: {', '.join(LABELS)}.")
    for label, words in content.items():
        if not isinstance(words, dict) or any(w not in (PRESENT, ABSENT) for w in words.values()):
            raise StatementError(f"On a slice, {label} is either present or absent.")
    return {label: words for label, words in content.items() if words}


def regions_from(text: str) -> list[dict[str, Any]]:
    """Read the marked regions, corners rounded to a hundredth of a pixel.

    Raises
    ------
    StatementError
        They are not in their form, or too many.
    """
    content = _json(text or "[]", "marked regions")
    if not isinstance(content, list) or len(content) > MOST_REGIONS:
        raise StatementError(f"Marked regions are a list of at most {MOST_REGIONS}.")
    return [_region(item) for item in content]


def _region(item: object) -> dict[str, Any]:
    if not isinstance(item, dict) or set(item) != {"instance", "label", *_CORNERS}:
        raise StatementError("A marked region has a slice, a label and the corners of its box.")
    if item["label"] not in LABELS or not isinstance(item["instance"], str):
        raise StatementError(f"A marked region is one of {', '.join(LABELS)}.")
    corners = [item[name] for name in _CORNERS]
    if not all(type(value) in (int, float) and math.isfinite(value) for value in corners):
        raise StatementError("The corners of a marked region are finite numbers of pixels.")
    rounded = {name: round(float(item[name]), 2) for name in _CORNERS}
    return {"instance": item["instance"], "label": item["label"], **rounded}


def _json(text: str, what: str) -> object:
    if len(text) > MOST_CHARACTERS:
        raise StatementError(f"There are more {what} than can be kept.")

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        content: object = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise StatementError(f"The {what} did not arrive as they were sent. Try again.") from None
    return content


def problems(
    statement: Statement, states: Mapping[str, str] | None, slices: Mapping[str, SlicePlace]
) -> list[str]:
    """What keeps a statement from being stored, as sentences.

    Parameters
    ----------
    statement
        What was sent.
    states
        Label -> the finding's state, to which agreement and disagreement refer.
    slices
        Instance id -> its place, for the slices of the series.
    """
    found = [*_foreign(statement, slices)]
    return found or [
        *_series_problems(statement, states),
        *_slice_problems(statement, states, slices),
    ]


def _foreign(statement: Statement, slices: Mapping[str, SlicePlace]) -> Iterator[str]:
    named = {i for words in statement.slice_verdicts.values() for i in words}
    if (named | {region["instance"] for region in statement.regions}) - slices.keys():
        yield "A slice is spoken of that does not belong to this series."
        return
    for region in statement.regions:
        place = slices[region["instance"]]
        x0, y0, x1, y1 = (region[name] for name in _CORNERS)
        if not (0 <= x0 < x1 <= place.columns and 0 <= y0 < y1 <= place.rows):
            yield (
                f"The {region['label']} region on slice {place.number} does not lie inside its "
                f"{place.columns} x {place.rows} pixels."
            )


def _series_problems(statement: Statement, states: Mapping[str, str] | None) -> Iterator[str]:
    said = _said(statement, states)
    present = [label for label in SUBTYPES if said.get(label) == PRESENT]
    if said.get(ANY) == ABSENT and present:
        yield f"Any hemorrhage is said to be absent, but {present[0]} present: change one of them."


def _slice_problems(
    statement: Statement, states: Mapping[str, str] | None, slices: Mapping[str, SlicePlace]
) -> Iterator[str]:
    said = _said(statement, states)
    for label, instance in sorted(_shown_present(statement), key=lambda one: LABELS.index(one[0])):
        number = slices[instance].number
        if said.get(label) == ABSENT:
            yield (
                f"{label} is said to be absent from the series, but it (or a kind of it) is "
                f"present on slice {number}: change one of them."
            )
        elif statement.slice_verdicts.get(label, {}).get(instance) == ABSENT:
            yield (
                f"On slice {number}, {label} is said to be absent, but it (or a kind of it) is "
                "present or marked: change one of them."
            )


def _shown_present(statement: Statement) -> set[tuple[str, str]]:
    """Label and instance of what is present on a slice; with a subtype, there is hemorrhage."""
    found = {
        (label, instance)
        for label, words in statement.slice_verdicts.items()
        for instance, word in words.items()
        if word == PRESENT
    }
    found |= {(region["label"], region["instance"]) for region in statement.regions}
    return found | {(ANY, instance) for _, instance in found}


def _said(statement: Statement, states: Mapping[str, str] | None) -> dict[str, str]:
    known = dict(states) if states else None
    return {label: resolved(word, label, known) for label, word in statement.verdicts.items()}


def with_rest_absent(statement: Statement, states: Mapping[str, str] | None) -> dict[str, str]:
    """The verdicts, and absent for each label on which nothing was said and nothing was shown."""
    said, shown = _said(statement, states), {label for label, _ in _shown_present(statement)}
    bleeds = PRESENT in said.values() or bool(shown)
    rest = {
        label: PRESENT if label in shown or (label == ANY and bleeds) else ABSENT
        for label in LABELS
        if label not in statement.verdicts
    }
    return {label: {**rest, **statement.verdicts}[label] for label in LABELS}
