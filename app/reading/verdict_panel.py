"""What the reading page shows beside the finding: the reader's form, and what was said so far."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.auth import SessionUser
from app.db.models import Instance, Review
from app.forms import ReviewForm
from app.reading.marks import Mark, marks_of, own_marks
from app.reading.study_page import StudyPage
from app.verdicts.agreement import Agreement, agreement, between, with_model
from app.verdicts.record import (
    AGREE,
    DISAGREE,
    Standing,
    in_force,
    may_adjudicate,
    own_verdict,
    resolved,
    said,
    standing,
)
from app.verdicts.statement import SlicePlace, StatementError
from model.labels import LABELS


@dataclass(frozen=True)
class Entry:
    """One row of the history; `standing` says what became of it."""

    review: Review
    standing: str
    slices: list[str]
    """What it says of slices of the series in view, in lines."""


@dataclass(frozen=True)
class VerdictPanel:
    """Verdicts on the series in view."""

    form: ReviewForm
    slices: list[str]
    """What the form says of slices, a line for each label."""
    entries: list[Entry]
    """The newest first."""
    others_hidden: bool
    """Whether another reader decided, whose words this one must not see yet."""
    may_undo: bool
    may_adjudicate: bool
    disagreements: list[str]
    agreements: list[tuple[str, Agreement]]
    """Who with whom, over the labels of this series."""
    others_marks: list[Mark]
    """Regions that other readers marked, in verdicts that count."""
    own_marks: list[Mark]
    """Regions in the form."""


def verdict_panel(
    page: StudyPage,
    reviews: Sequence[Review],
    shown: Sequence[Review],
    user: SessionUser,
    form: ReviewForm | None,
) -> VerdictPanel:
    """Put the panel together.

    Parameters
    ----------
    reviews, shown
        All rows of the study, the oldest first, and those that the user may see.
    form
        What was sent and could not be stored; None: the user's own verdict, to be changed.
    """
    series_id = page.series.id if page.series else None
    here = standing(shown, series_id)
    numbers = {one.id: number for number, one in enumerate(page.instances, start=1)}
    filled = form or _own_form(page, own_verdict(reviews, user.id, series_id))
    return VerdictPanel(
        form=filled,
        slices=_form_lines(filled, numbers),
        entries=_entries(shown, here, numbers),
        others_hidden=len(shown) < len(reviews),
        may_undo=any(row.user_id == user.id for row in in_force(reviews)),
        may_adjudicate=may_adjudicate(here, user.id, user.role),
        disagreements=here.disagreements,
        agreements=_agreements(here),
        others_marks=marks_of(_counting(here), numbers.keys(), besides=user.id),
        own_marks=own_marks(_form_regions(filled)),
    )


def slice_places(instances: Sequence[Instance]) -> dict[str, SlicePlace]:
    """Instance id -> number and size, for slices in their order."""
    return {
        one.id: SlicePlace(number, one.rows, one.columns)
        for number, one in enumerate(instances, start=1)
    }


def slice_lines(words: Mapping[str, Mapping[str, str]], numbers: Mapping[str, int]) -> list[str]:
    """Statements on slices as lines: "subdural: present on 12, 13; absent on 20"."""
    lines = []
    for label in LABELS:
        by_word: dict[str, list[int]] = {}
        for instance, word in words.get(label, {}).items():
            if instance in numbers:
                by_word.setdefault(word, []).append(numbers[instance])
        told = [
            f"{word} on {', '.join(map(str, sorted(found)))}" for word, found in by_word.items()
        ]
        if told:
            lines.append(f"{label}: {'; '.join(sorted(told, reverse=True))}")
    return lines


def region_lines(regions: Sequence[Mapping[str, Any]], numbers: Mapping[str, int]) -> list[str]:
    """Marked regions as lines: "subdural: marked on 12"."""
    known = [region for region in regions if region["instance"] in numbers]
    return [f"{region['label']}: marked on {numbers[region['instance']]}" for region in known]


def _own_form(page: StudyPage, own: Review | None) -> ReviewForm:
    instance = page.instance.id if page.instance else ""
    if own is None:
        return ReviewForm(formdata=None, data={"instance": instance})
    verdicts = _kept_words(page, own)
    labels = {
        label: {
            "verdict": verdicts.get(label, ""),
            "reason": own.reasons.get(label, ""),
            "here": own.slice_verdicts.get(label, {}).get(instance, ""),
        }
        for label in LABELS
    }
    kept = {
        "instance": instance,
        "slice_verdicts": json.dumps(own.slice_verdicts),
        "regions": json.dumps(own.regions),
        "comment": own.comment,
    }
    return ReviewForm(formdata=None, data=labels | kept)


def _kept_words(page: StudyPage, own: Review) -> dict[str, str]:
    """The own verdict's words. What agreed with another analysis is put as what it meant."""
    if own.analysis_id == (page.analysis.id if page.analysis else None):
        return own.verdicts
    states = own.analysis.states if own.analysis else None
    return {
        label: resolved(word, label, states) if word in (AGREE, DISAGREE) else word
        for label, word in own.verdicts.items()
    }


def _form_lines(form: ReviewForm, numbers: Mapping[str, int]) -> list[str]:
    try:
        return slice_lines(form.statement().slice_verdicts, numbers)
    except StatementError:
        return []


def _form_regions(form: ReviewForm) -> list[dict[str, Any]]:
    try:
        return form.statement().regions
    except StatementError:
        return []


def _entries(shown: Sequence[Review], here: Standing, numbers: Mapping[str, int]) -> list[Entry]:
    holding = {row.id for row in in_force(shown)}
    counting = {row.id for row in _counting(here)}
    taken_back = {row.withdraws for row in shown if row.withdraws}

    def word(row: Review) -> str:
        if row.id in counting:
            return "counts"
        if row.id in taken_back:
            return "withdrawn"
        return "replaced" if row.id in holding else ""

    return [
        Entry(
            row,
            word(row),
            slice_lines(row.slice_verdicts, numbers) + region_lines(row.regions, numbers),
        )
        for row in reversed(shown)
    ]


def _counting(here: Standing) -> list[Review]:
    return [row for row in (*here.readers, here.adjudication) if row]


def _agreements(here: Standing) -> list[tuple[str, Agreement]]:
    found = []
    for row in here.readers:
        pairs = with_model(row, said(row))
        found.append((f"Model and {row.user.username}", agreement(pair for _, pair in pairs)))
    for first, second in itertools.combinations(here.readers, 2):
        names = f"{first.user.username} and {second.user.username}"
        pairs = between(said(first), said(second))
        found.append((names, agreement(pair for _, pair in pairs)))
    return [(names, counted) for names, counted in found if counted.n]
