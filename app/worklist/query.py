"""What of the worklist is asked for: read from an address, written into one, and told in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final, Self

from app.study_state import STATES

UNREVIEWED, READING, REVIEWED = "unreviewed", "being read", "reviewed"
DISPUTED: Final = "readers disagree"
SHOWN_STATES: Final = (UNREVIEWED, *STATES, READING, REVIEWED, DISPUTED)
"""What the list may be reduced to."""

PERIODS: Final = {
    "24h": ("last 24 hours", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}
"""What the address says -> what the reader reads, and how long ago a study came in at most."""

SIMULATED: Final = {"only": "simulated only", "without": "without simulated"}


@dataclass(frozen=True)
class WorklistQuery:
    """What the list is reduced to; nothing but defaults is the whole list. Days are in UTC."""

    text: str = ""
    state: str = ""
    """One of `SHOWN_STATES`, or empty."""
    period: str = ""
    """A key of `PERIODS`, or empty."""
    first_day: date | None = None
    last_day: date | None = None
    simulated: str = ""
    """A key of `SIMULATED`, or empty."""
    mine: bool = False
    """Only what the reader reads or has reviewed."""

    @classmethod
    def from_address(cls, args: Mapping[str, str]) -> Self:
        """What an address asks for; what it says amiss is left out."""
        return cls(
            # PostgreSQL refuses a text with NUL in it.
            text=args.get("q", "").replace("\x00", "").strip()[:200],
            state=_one_of(SHOWN_STATES, args.get("state", "")),
            period=_one_of(PERIODS, args.get("received", "")),
            first_day=_day(args.get("from", "")),
            last_day=_day(args.get("to", "")),
            simulated=_one_of(SIMULATED, args.get("simulated", "")),
            mine=args.get("mine", "") == "1",
        )

    def address(self) -> dict[str, str]:
        """The parts of the address that `from_address` reads."""
        parts = {
            "q": self.text,
            "state": self.state,
            "received": self.period,
            "from": self.first_day.isoformat() if self.first_day else "",
            "to": self.last_day.isoformat() if self.last_day else "",
            "simulated": self.simulated,
            "mine": "1" if self.mine else "",
        }
        return {key: value for key, value in parts.items() if value}

    def parts(self) -> list[tuple[str, Self]]:
        """Each condition in words, with the query that leaves it out."""
        told = {
            "text": f"“{self.text}”" if self.text else "",
            "state": self.state,
            "period": f"received in the {PERIODS[self.period][0]}" if self.period else "",
            "first_day": f"received from {self.first_day}" if self.first_day else "",
            "last_day": f"received until {self.last_day}" if self.last_day else "",
            "simulated": SIMULATED.get(self.simulated, ""),
            "mine": "mine" if self.mine else "",
        }
        default = type(self)()
        return [
            (words, replace(self, **{name: getattr(default, name)}))
            for name, words in told.items()
            if words
        ]


def _one_of(known: Mapping[str, Any] | Sequence[str], value: str) -> str:
    return value if value in known else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
