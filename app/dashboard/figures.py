"""What the site did in a period: studies, times and failures, and all sections together."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.dashboard.distribution import distribution
from app.dashboard.inputs import drift
from app.dashboard.parts import MOST, Period, Section, stack, week_of
from app.dashboard.readers import agreement
from app.dashboard.tissue import tissue
from app.db.models import Analysis, Job, Series, Study, Upload, UploadedFile
from app.jobs import FAILED
from app.study_state import NOT_ANALYSED
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED

PERIODS: Final = (7, 30, 90)
"""Days that may be looked at."""

SHOWN_STATES: Final = (FLAGGED, INDETERMINATE, NOT_FLAGGED, NOT_ANALYSED)
TIMES: Final = ("median", "95th percentile")


def dashboard(session: Session, days: int) -> list[Section]:
    """All sections for the last `days`."""
    period = Period.last(days)
    by_day = _counts_by_day(session, period)
    return [
        _studies(period, by_day),
        _flag_rate(period, by_day),
        _times(session, period),
        *agreement(session, period),
        distribution(session, period),
        *tissue(session, period),
        _failures(session, period),
        drift(session, period),
    ]


def _counts_by_day(session: Session, period: Period) -> defaultdict[str, Counter[str]]:
    # PostgreSQL would take the day in the session's own zone.
    postgresql = session.get_bind().dialect.name == "postgresql"
    received = Study.received_at
    day = func.date(func.timezone("UTC", received) if postgresql else received)
    found = session.execute(
        select(day, Study.state, func.count())
        .where(period.has(Study.received_at))
        .group_by(day, Study.state)
    )
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for of_day, state, number in found:
        counts[str(of_day)][state if state in SHOWN_STATES else "pending"] += number
    return counts


def _studies(period: Period, counts: defaultdict[str, Counter[str]]) -> Section:
    kinds = (*SHOWN_STATES, "pending")
    columns = [[counts[day][kind] for kind in kinds] for day in period.days]
    rows = [(day, sum(one), *one) for day, one in zip(period.days, columns, strict=True)]
    highest = max(1, *map(sum, columns))
    totals = [sum(of_kind) for of_kind in zip(*columns, strict=True)]
    all_of = sum(totals)
    shares = (
        ", ".join(
            f"{kind} {100 * number / all_of:.0f} %"
            for kind, number in zip(kinds, totals, strict=True)
        )
        if all_of
        else "none"
    )
    return Section(
        "studies",
        "Studies received per day, by what became of them",
        f"{all_of} studies: {shares}.",
        ("day", "received", *kinds),
        rows,
        kinds,
        [stack(kinds, one, highest) for one in columns],
        f"{highest} {'study' if highest == 1 else 'studies'}",
    )


def _flag_rate(period: Period, counts: defaultdict[str, Counter[str]]) -> Section:
    judged = (FLAGGED, INDETERMINATE, NOT_FLAGGED)
    weeks = {week: Counter[str]() for week in period.weeks}
    for day in period.days:
        weeks[week_of(datetime.fromisoformat(day))].update(counts[day])
    rows: list[tuple[str, int, int, float | None]] = []
    for week, found in weeks.items():
        total = sum(found[kind] for kind in judged)
        share = round(100 * found[FLAGGED] / total, 1) if total else None
        rows.append((week, total, found[FLAGGED], share))
    every = sum(row[1] for row in rows)
    flagged = sum(row[2] for row in rows)
    return Section(
        "flag-rate",
        "What the model made of the studies that it judged, by week",
        f"Flag rate {100 * flagged / every:.0f} %: {flagged} of {every}."
        if every
        else "No study has a result.",
        ("week", "judged", "flagged", "flagged %"),
        rows,
        judged,
        [
            stack(judged, [found[kind] for kind in judged], sum(found[kind] for kind in judged))
            for found in weeks.values()
        ],
        "100 %",
    )


def _times(session: Session, period: Period) -> Section:
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for received, done in _received_and_done(session, period):
        seconds[f"{received:%Y-%m-%d}"].append((done - received).total_seconds())
    columns = [_middle_and_late(seconds[day]) for day in period.days]
    most = max(1.0, *(late for _, late in columns))
    every = [value for of_day in seconds.values() for value in of_day]
    middle, late = _middle_and_late(every)
    return Section(
        "times",
        "Seconds from a study's first slice to its first result",
        f"Median {middle:.0f} s, 95th percentile {late:.0f} s, n = {len(every)}."
        if every
        else "No study has a result.",
        ("day", "studies", *TIMES),
        [
            (day, len(seconds[day]), round(middle, 1), round(late, 1))
            for day, (middle, late) in zip(period.days, columns, strict=True)
        ],
        TIMES,
        [stack(TIMES, (middle, late - middle), most) for middle, late in columns],
        f"{most:.0f} s",
    )


def _received_and_done(session: Session, period: Period) -> list[tuple[datetime, datetime]]:
    """When each study's first slice came in, and when its first result was there."""
    rows = session.execute(
        select(Study.received_at, func.min(Analysis.created_at))
        .join(Series, Series.study_id == Study.id)
        .join(Analysis, Analysis.series_id == Series.id)
        .where(period.has(Study.received_at))
        .group_by(Study.id, Study.received_at)
        .order_by(Study.received_at.desc())
        .limit(MOST)
    )
    return [(received, done) for received, done in rows]


def _middle_and_late(seconds: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile; zeros where there is nothing."""
    if not seconds:
        return 0.0, 0.0
    middle, late = np.percentile(seconds, [50, 95]).tolist()
    return middle, late


def _failures(session: Session, period: Period) -> Section:
    asked = {
        "file refused": select(UploadedFile.reason, func.count())
        .join(Upload)
        .where(UploadedFile.outcome == "refused", period.has(Upload.created_at))
        .group_by(UploadedFile.reason),
        "series not analysed": select(Analysis.refusal, func.count())
        .where(Analysis.refusal != "", period.has(Analysis.created_at))
        .group_by(Analysis.refusal),
        "job failed": select(Job.error, func.count())
        .where(Job.state == FAILED, period.has(Job.queued_at))
        .group_by(Job.error),
    }
    counts: Counter[tuple[str, str]] = Counter()
    for what, statement in asked.items():
        for reason, number in session.execute(statement.order_by(func.count().desc()).limit(1000)):
            counts[what, re.sub(r"reference \w+", "reference", reason)] += number
    rows = [(what, reason, number) for (what, reason), number in counts.most_common(50)]
    return Section(
        "failures", "Failures by reason", "The 50 most frequent.", ("what", "reason", "times"), rows
    )
