"""Measured figures as the cells of a report's tables."""

from collections.abc import Mapping
from typing import Any


def estimate_cell(figure: Mapping[str, Any]) -> str | None:
    """A figure with its interval; None where there is no value."""
    return _with_interval(figure, ".3f")


def change_cell(figure: Mapping[str, Any]) -> str | None:
    """A difference of figures with its sign and interval; None where there is no value."""
    return _with_interval(figure, "+.4f")


def _with_interval(figure: Mapping[str, Any], form: str) -> str | None:
    if figure["value"] is None:
        return None
    value = format(figure["value"], form)
    if not figure["interval"]:
        return value
    low, high = (format(end, form) for end in figure["interval"])
    return f"{value} [{low}, {high}]"
