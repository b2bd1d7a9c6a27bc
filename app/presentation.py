"""How values are put into words and marks on the pages: one way, everywhere."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Flask

from app.db.models import now
from app.study_state import ANALYSING, ARRIVING, NOT_ANALYSED, WAITING
from app.worklist.query import DISPUTED, READING, REVIEWED
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED
from model.measured import Estimate

STATE_MARKS = {
    FLAGGED: "▲",
    INDETERMINATE: "◆",
    NOT_FLAGGED: "●",
    NOT_ANALYSED: "✕",
    ANALYSING: "◐",
    WAITING: "…",
    ARRIVING: "↓",
    READING: "◉",
    REVIEWED: "✓",
    DISPUTED: "≠",
}
"""A shape for each state, so that nobody depends on colour."""


def percent(probability: float | None) -> str:
    """A probability in whole per cent; never 0 or 100, which no model can know."""
    if probability is None:
        return "–"
    if probability < 0.01:
        return "< 1 %"
    return "> 99 %" if probability > 0.99 else f"{probability * 100:.0f} %"


def observed(share: float | None) -> str:
    """How often something was so, in whole per cent; unlike a probability it may be 0 or 100."""
    return "–" if share is None else f"{share * 100:.0f} %"


def estimate(value: Mapping[str, Any]) -> str:
    """A measured share with its 95 % interval, or why there is none, as a result keeps it."""
    told = _with_interval(value["value"], value["interval"])
    return f"{told} ({value['reason']})" if value.get("reason") else told


def card_estimate(value: Estimate) -> str:
    """A measured share with its 95 % interval, as the model card has it."""
    return _with_interval(value.value, value.interval)


def card_change(value: Estimate) -> str:
    """A difference of measured figures with its 95 % interval, as the model card has it."""
    return _with_interval(value.value, value.interval, "+.3f")


def _with_interval(value: float | None, interval: Sequence[float] | None, form: str = ".2f") -> str:
    if value is None:
        return "not measurable"
    if interval is None:
        return format(value, form)
    low, high = (format(end, form) for end in interval)
    return f"{format(value, form)} ({low} to {high})"


def waiting_time(since: datetime) -> str:
    """The time since then, in its largest unit."""
    minutes = int((now() - since).total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"


def moment(value: datetime) -> str:
    """A moment in UTC, to the minute."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def dicom_date(value: str) -> str:
    """A DICOM date (YYYYMMDD) with hyphens; other text as it is."""
    return (
        f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdecimal() else value
    )


def person_name(value: str) -> str:
    """A DICOM person name (PS3.5 6.2.1.1) as "family, given", in the first writing that it has."""
    writings = (writing for writing in value.split("=") if writing.strip(" ^"))
    family, *given = next(writings, "").split("^")
    return ", ".join(filter(None, (family.strip(), " ".join(given).strip()))) or "(no name)"


def register_filters(app: Flask) -> None:
    """Make the above available to templates."""
    measured = (percent, observed, estimate, card_estimate, card_change)
    for function in (*measured, waiting_time, moment, person_name):
        app.jinja_env.filters[function.__name__] = function
    app.jinja_env.filters["dicom_date"] = dicom_date
    app.jinja_env.globals["state_marks"] = STATE_MARKS
