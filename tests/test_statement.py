"""What a form says of slices and regions is read strictly, and does not contradict itself."""

import json
from typing import Any

import pytest

from app.verdicts.statement import (
    SlicePlace,
    Statement,
    StatementError,
    problems,
    regions_from,
    slice_verdicts_from,
    with_rest_absent,
)
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED
from model.labels import LABELS

SLICES = {"low": SlicePlace(1, 64, 80), "high": SlicePlace(2, 64, 80)}
STATES = dict.fromkeys(LABELS, NOT_FLAGGED) | {"any": FLAGGED, "epidural": INDETERMINATE}


def region(**changes: Any) -> dict[str, Any]:
    return {"instance": "high", "label": "subdural", "x0": 10.256, "y0": 5, "x1": 30, "y1": 20} | (
        changes
    )


def test_regions_are_kept_to_a_hundredth_of_a_pixel() -> None:
    (kept,) = regions_from(json.dumps([region()]))

    assert kept == region(x0=10.26, y0=5.0, x1=30.0, y1=20.0)
    assert regions_from("") == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"x0": float("nan")}, "did not arrive"),
        ({"x0": float("inf")}, "did not arrive"),
        ({"y1": "20"}, "finite numbers"),
        ({"y1": True}, "finite numbers"),
        ({"label": "lung"}, "A marked region is one of any"),
        ({"instance": 7}, "A marked region is one of any"),
        ({"more": 1}, "the corners of its box"),
    ],
)
def test_a_region_has_its_form(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(StatementError, match=told):
        regions_from(json.dumps([region(**changes)]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "did not arrive"),
        ("[" * 100_000, "did not arrive"),
        (json.dumps([region()] * 101), "at most 100"),
        ("{}", "at most 100"),
        ('[{"instance": "a", "label": "any", "x0": 1e999, "y0": 0, "x1": 1, "y1": 1}]', "finite"),
        (" " * 200_001, "than can be kept"),
    ],
)
def test_regions_are_a_bounded_list(text: str, told: str) -> None:
    with pytest.raises(StatementError, match=told):
        regions_from(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "go by label"),
        ('{"lung": {}}', "go by label"),
        ('{"any": {"low": "perhaps"}}', "either present or absent"),
        ('{"any": "present"}', "either present or absent"),
    ],
)
def test_statements_on_slices_have_their_form(text: str, told: str) -> None:
    with pytest.raises(StatementError, match=told):
        slice_verdicts_from(text)


@pytest.mark.parametrize(
    "changes", [{"x1": 80.5}, {"y0": -1.0}, {"x0": 30.0}, {"y1": 65.0}, {"y0": 20.0}]
)
def test_a_region_lies_inside_its_slice(changes: dict[str, Any]) -> None:
    (told,) = problems(Statement({}, regions=[region(**changes)]), STATES, SLICES)

    assert told == "The subdural region on slice 2 does not lie inside its 80 x 64 pixels."


@pytest.mark.parametrize(
    "statement",
    [
        Statement({}, regions=[region(instance="nobody")]),
        Statement({}, slice_verdicts={"any": {"nobody": "present"}}),
    ],
)
def test_only_slices_of_the_series_are_spoken_of(statement: Statement) -> None:
    assert problems(statement, STATES, SLICES) == [
        "A slice is spoken of that does not belong to this series."
    ]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (Statement({"any": "absent", "subdural": "present"}), "but subdural present"),
        (Statement({"any": "disagree", "subdural": "disagree"}), "but subdural present"),
        (Statement({"subdural": "agree"}, regions=[region()]), "subdural is said to be absent"),
        (Statement({"any": "absent"}, regions=[region()]), "any is said to be absent"),
        (
            Statement({}, regions=[region()], slice_verdicts={"subdural": {"high": "absent"}}),
            "On slice 2, subdural is said to be absent",
        ),
        (
            Statement(
                {}, slice_verdicts={"any": {"low": "absent"}, "epidural": {"low": "present"}}
            ),
            "On slice 1, any is said to be absent",
        ),
    ],
)
def test_a_statement_does_not_contradict_itself(statement: Statement, told: str) -> None:
    assert told in " ".join(problems(statement, STATES, SLICES))


def test_a_sound_statement_has_no_problem() -> None:
    sound = Statement(
        {"any": "agree", "subdural": "present", "epidural": "agree", "subarachnoid": "agree"},
        slice_verdicts={"subdural": {"low": "absent"}},
        regions=[region()],
    )

    assert problems(sound, STATES, SLICES) == []


def test_the_rest_is_absent_but_for_what_was_shown() -> None:
    shown = Statement({"epidural": "agree"}, regions=[region()])

    assert with_rest_absent(shown, STATES) == {
        "any": "present",
        "epidural": "agree",
        "intraparenchymal": "absent",
        "intraventricular": "absent",
        "subarachnoid": "absent",
        "subdural": "present",
    }
    assert set(with_rest_absent(Statement({}), STATES).values()) == {"absent"}
