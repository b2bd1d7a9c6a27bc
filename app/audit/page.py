"""Events of the audit log: which are asked for, one page of them, and all as CSV."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload

from app.audit.log import ACTIONS
from app.csv_table import csv_lines
from app.db.audit import AuditEvent
from app.db.session import Database

PAGE_SIZE: Final = 100
CHUNK: Final = 1000
"""So many events of a CSV are in memory at the same time."""

NOBODY: Final = "nobody"
"""In the address, who stands for events of no user; no id of a user is so short."""

CSV_HEADER: Final = ("id", "at", "user", "user_id", "action", "study_id", "details")


@dataclass(frozen=True)
class AuditQuery:
    """What the log is reduced to; the day is in UTC, and `before` is the id that ends the page."""

    user: str = ""
    action: str = ""
    study: str = ""
    day: date | None = None
    before: int | None = None

    @classmethod
    def from_address(cls, args: Mapping[str, str]) -> Self:
        """What an address asks for; what it says amiss is left out."""
        action, before = args.get("action", ""), args.get("before", "")
        return cls(
            user=_text(args.get("user", "")),
            action=action if action in ACTIONS else "",
            study=_text(args.get("study", "")),
            day=_day(args.get("day", "")),
            before=int(before) if re.fullmatch("[0-9]{1,18}", before) else None,
        )

    def address(self) -> dict[str, str]:
        """The parts of the address that `from_address` reads, but for the page."""
        day = self.day.isoformat() if self.day else ""
        parts = {"user": self.user, "action": self.action, "study": self.study, "day": day}
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True)
class AuditPage:
    """Events, the newest first; `total` counts all that match, `older` is what `before` becomes."""

    events: Sequence[AuditEvent]
    total: int
    older: int | None


def audit_page(session: Session, query: AuditQuery) -> AuditPage:
    """One page of the log."""
    count = select(func.count()).select_from(AuditEvent).where(*_conditions(query))
    events = _newest(session, query, query.before, PAGE_SIZE + 1)
    shown = events[:PAGE_SIZE]
    older = shown[-1].id if len(events) > PAGE_SIZE else None
    return AuditPage(shown, session.scalar(count) or 0, older)


def audit_csv(database: Database, query: AuditQuery) -> Iterator[str]:
    """Every event that matches, the newest first, a line each."""
    return csv_lines(CSV_HEADER, _csv_rows(database, query))


def _csv_rows(database: Database, query: AuditQuery) -> Iterator[tuple[object, ...]]:
    before = None
    while True:
        with database.read() as session:
            events = _newest(session, query, before, CHUNK)
        for one in events:
            name = one.user.username if one.user else ""
            at = one.at.isoformat(timespec="milliseconds")
            yield (one.id, at, name, one.user_id, one.action, one.study_id, in_words(one.details))
        if len(events) < CHUNK:
            return
        before = events[-1].id


def in_words(value: Any) -> str:
    """Details as a reader reads them: ``name value; name value``."""
    if isinstance(value, Mapping):
        parts = (f"{key.replace('_', ' ')} {in_words(one)}" for key, one in value.items())
        return "; ".join(parts)
    if isinstance(value, list):
        return " / ".join(map(in_words, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _newest(
    session: Session, query: AuditQuery, before: int | None, most: int
) -> Sequence[AuditEvent]:
    older = [] if before is None else [AuditEvent.id < before]
    return session.scalars(
        select(AuditEvent)
        .where(*_conditions(query), *older)
        .options(joinedload(AuditEvent.user))
        .order_by(AuditEvent.id.desc())
        .limit(most)
    ).all()


def _conditions(query: AuditQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.user:
        nobody, somebody = AuditEvent.user_id.is_(None), AuditEvent.user_id == query.user
        found.append(nobody if query.user == NOBODY else somebody)
    if query.action:
        found.append(AuditEvent.action == query.action)
    if query.study:
        found.append(AuditEvent.study_id == query.study)
    if query.day:
        start = datetime.combine(query.day, time(), UTC)
        found += [AuditEvent.at >= start, AuditEvent.at < start + timedelta(days=1)]
    return found


def _text(asked: str) -> str:
    # PostgreSQL refuses a text with NUL in it.
    return asked.replace("\x00", "").strip()[:32]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
