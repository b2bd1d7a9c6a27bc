"""Values in words: one way on every page, and none that says more than is known."""

import pytest

from app.presentation import estimate, observed, percent, person_name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("=山田^太郎", "山田, 太郎"),
        ("^^=^=", "(no name)"),
        ("", "(no name)"),
    ],
)
def test_a_name_is_shown_in_the_first_writing_that_it_has(value: str, shown: str) -> None:
    assert person_name(value) == shown


def test_a_probability_is_never_certain_while_what_was_observed_may_be_all_or_none() -> None:
    assert [percent(p) for p in (0.0, 0.5, 1.0, None)] == ["< 1 %", "50 %", "> 99 %", "–"]
    assert [observed(p) for p in (0.0, 0.5, 1.0, None)] == ["0 %", "50 %", "100 %", "–"]


def test_a_share_without_an_interval_says_why() -> None:
    measured = {"value": 0.75, "interval": None, "reason": "patients: 4, too few for an interval"}

    assert estimate(measured) == "0.75 (patients: 4, too few for an interval)"
    assert estimate({"value": 0.9, "interval": [0.8, 1.0], "reason": None}) == "0.90 (0.80 to 1.00)"
    assert estimate({"value": None, "interval": None}) == "not measurable"
