"""What the dashboard is made of: sections with a table and a drawing, over a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

import numpy as np
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import now

MOST: Final = 20_000
"""So many studies, series or verdicts are looked at, the newest first."""


@dataclass(frozen=True)
class Bar:
    """A part of a column, from `low` to `high` per cent of the drawing's height."""

    kind: str
    low: float
    high: float


@dataclass(frozen=True)
class Section:
    """A table of figures, with a drawing of it where `columns` has any."""

    name: str
    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    kinds: Sequence[str] = ()
    columns: Sequence[Sequence[Bar]] = ()
    top: str = ""
    """What 100 per cent of the drawing's height is."""


@dataclass(frozen=True)
class Period:
    """From `start` on, before `end`; whole days in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def last(cls, days: int) -> "Period":
        """The last days, today among them."""
        end = datetime.combine(now().date(), time(), UTC) + timedelta(days=1)
        return cls(end - timedelta(days=days), end)

    @property
    def before(self) -> "Period":
        """As long a period that ends where this one starts."""
        return Period(self.start - (self.end - self.start), self.start)

    @property
    def with_before(self) -> "Period":
        """Both."""
        return Period(self.before.start, self.end)

    @property
    def days(self) -> list[str]:
        """Each day, as ISO 8601 writes it."""
        count = (self.end - self.start).days
        return [f"{self.start + timedelta(days=n):%Y-%m-%d}" for n in range(count)]

    @property
    def weeks(self) -> list[str]:
        """Each week of which a day is in it, as ISO 8601 writes it."""
        return list(dict.fromkeys(week_of(datetime.fromisoformat(day)) for day in self.days))

    def has(self, column: InstrumentedAttribute[datetime]) -> ColumnElement[bool]:
        """Whether the moment lies in it."""
        return (column >= self.start) & (column < self.end)


def week_of(moment: datetime) -> str:
    """The week as ISO 8601 writes it."""
    return f"{moment:%G-W%V}"


def stack(kinds: Sequence[str], numbers: Sequence[float], highest: float) -> list[Bar]:
    """A column of parts on top of each other; `highest` fills the drawing."""
    ends = np.cumsum([0, *numbers]) * 100 / (highest or 1)
    return [Bar(kind, ends[n], ends[n + 1]) for n, kind in enumerate(kinds)]
