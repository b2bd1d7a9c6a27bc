"""What the site did in a period: studies, times, findings, failures, and drift of the input."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload, load_only

from app.dashboard.drift import in_words, stability_index
from app.dashboard.parts import Bar, Period, Section
from app.db.models import Analysis, Instance, Job, Review, Series, Study, Upload, UploadedFile
from app.jobs import FAILED
from app.study_state import NOT_ANALYSED
from app.verdicts.agreement import comparisons
from app.verdicts.record import ANY, in_force
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED

PERIODS: Final = (7, 30, 90)
"""Days that may be looked at."""

MOST: Final = 20_000
"""So many studies, series or verdicts are looked at, the newest first."""

SHOWN_STATES: Final = (FLAGGED, INDETERMINATE, NOT_FLAGGED, NOT_ANALYSED)


def dashboard(session: Session, days: int) -> list[Section]:
    """All sections for the last `days`."""
    period = Period.last(days)
    return [
        _studies(session, period),
        _times(session, period),
        *_agreement(session, period),
        _failures(session, period),
        _drift(session, period),
    ]


def _studies(session: Session, period: Period) -> Section:
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
    kinds = (*SHOWN_STATES, "pending")
    highest = max((sum(one.values()) for one in counts.values()), default=1)
    rows = [(d, sum(counts[d].values()), *(counts[d][k] for k in kinds)) for d in period.days]
    totals = [sum(counts[d][k] for d in period.days) for k in kinds]
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
        f"{all_of} studies: {shares}. Days are in UTC.",
        ("day", "received", *kinds),
        rows,
        kinds,
        [_stack(kinds, row[2:], highest) for row in rows],
        f"{highest} studies",
    )


def _stack(kinds: Sequence[str], numbers: Sequence[object], highest: float) -> list[Bar]:
    ends = np.cumsum([0, *numbers]) * 100 / highest
    return [Bar(kind, ends[n], ends[n + 1]) for n, kind in enumerate(kinds)]


def _times(session: Session, period: Period) -> Section:
    first = func.min(Analysis.created_at)
    found = session.execute(
        select(Study.received_at, first)
        .join(Series, Series.study_id == Study.id)
        .join(Analysis, Analysis.series_id == Series.id)
        .where(period.has(Study.received_at))
        .group_by(Study.id, Study.received_at)
        .order_by(Study.received_at.desc())
        .limit(MOST)
    )
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for received, done in found:
        seconds[f"{received:%Y-%m-%d}"].append((done - received).total_seconds())
    rows: list[tuple[object, ...]] = []
    columns, most = [], 1.0
    for day in period.days:
        of_day = seconds[day]
        middle, late = np.percentile(of_day, [50, 95]).tolist() if of_day else (0.0, 0.0)
        rows.append((day, len(of_day), round(middle, 1), round(late, 1)))
        columns.append((middle, late))
        most = max(most, late)
    every = [value for of_day in seconds.values() for value in of_day]
    told = "No study has a result."
    if every:
        middle, late = np.percentile(every, [50, 95])
        told = f"Median {middle:.0f} s, 95th percentile {late:.0f} s, n = {len(every)}."
    return Section(
        "times",
        "Seconds from a study's first slice to its first result",
        told,
        ("day", "studies", "median", "95th percentile"),
        rows,
        ("median", "95th percentile"),
        [
            [
                Bar("median", 0, m * 100 / most),
                Bar("95th percentile", m * 100 / most, p * 100 / most),
            ]
            for m, p in columns
        ],
        f"{most:.0f} s",
    )


def _stored(session: Session, period: Period) -> Sequence[Review]:
    """The reviews of the period, the oldest first, with no more than is counted."""
    return session.scalars(
        select(Review)
        .where(period.has(Review.created_at))
        .options(
            load_only(
                Review.study_id, Review.series_id, Review.user_id, Review.kind, Review.verdicts,
                Review.reasons, Review.withdraws, Review.created_at,
            ),
            joinedload(Review.analysis).load_only(Analysis.states),
        )
        .order_by(Review.created_at.desc(), Review.id.desc())
        .limit(MOST)
    ).all()[::-1]  # fmt: skip


def _agreement(session: Session, period: Period) -> list[Section]:
    stored = _stored(session, period)
    weeks: defaultdict[str, list[Review]] = defaultdict(list)
    for review in stored:
        weeks[f"{review.created_at:%G-W%V}"].append(review)
    rows = [(week, comparisons(of_week)[0].by_label[ANY]) for week, of_week in weeks.items()]
    reasons = Counter(why for row in in_force(stored) for why in row.reasons.values())
    share = [100 * (one.share or 0) for _, one in rows]
    return [
        Section(
            "agreement",
            "Model and verdict alike on any hemorrhage, by week",
            "The rest is disagreement; indeterminate findings are left out. Kappa: see Agreement.",
            ("week", "judged by both", "alike %", "kappa"),
            [(week, one.n, _rounded(one.share, 100), _rounded(one.kappa, 1)) for week, one in rows],
            ("alike", "not alike"),
            [
                [Bar("alike", 0, s), Bar("not alike", s, 100 if one.n else 0)]
                for s, (_, one) in zip(share, rows, strict=True)
            ],
            "100 %",
        ),
        Section(
            "reasons",
            "Reasons that readers gave",
            "Of verdicts that hold.",
            ("reason", "times"),
            reasons.most_common(),
        ),
    ]


def _rounded(value: float | None, factor: int) -> float | None:
    return None if value is None else round(value * factor, 2)


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


def _drift(session: Session, period: Period) -> Section:
    rows = []
    for name, statement in _inputs().items():
        values = [
            session.scalars(
                statement.where(part.has(Study.received_at))
                .order_by(Study.received_at.desc())
                .limit(MOST)
            ).all()
            for part in (period.before, period)
        ]
        before, present = values
        middle = [round(float(np.median(one)), 3) if one else None for one in values]
        index = in_words(stability_index(before, present))
        rows.append((name, len(before), len(present), *middle, index))
    return Section(
        "drift",
        "Drift against as many days before",
        "Population stability index over tenths of the earlier period (Siddiqi 2006): under 0.1 no "
        "change to speak of, from 0.25 a marked one. It tells that something differs, not what.",
        ("what", "n before", "n now", "median before", "median now", "stability index"),
        rows,
    )


def _inputs() -> dict[str, Select[float]]:
    """Name -> one number a study or series, to be reduced to a period."""
    of_series = (
        select(func.count(Instance.id))
        .join(Series, Instance.series_id == Series.id)
        .join(Study, Series.study_id == Study.id)
        .group_by(Series.id, Study.received_at)
    )
    thickness = func.min(Instance.slice_thickness_mm)
    spacing = func.min(Instance.pixel_spacing_mm[0].as_float())
    return {
        "P(any) of a study": select(Study.any_probability).where(
            Study.any_probability.is_not(None)
        ),
        "slices in a series": of_series,
        "slice thickness, mm": of_series.with_only_columns(thickness).having(
            thickness.is_not(None)
        ),
        "pixel spacing, mm": of_series.with_only_columns(spacing).having(spacing.is_not(None)),
    }
