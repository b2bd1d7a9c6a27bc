"""The worklist as data: all studies that match, as CSV and as JSON, piece by piece."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.csv_table import csv_lines
from app.db.models import Analysis, Review, Series, now
from app.reports.study_facts import STUDY_FACTS
from app.services import Services
from app.verdicts.record import PRESENT, Standing, said, shown_to, standing
from app.worklist.page import Row, matching_ids, reader_here, rows_of
from app.worklist.query import WorklistQuery
from model.labels import LABELS
from model.notice import NOTICE

CHUNK: Final = 200
"""Studies that are looked up at a time: nobody holds the database, or a large list, meanwhile."""

HIDDEN: Final = "ready: finding after your first impression"
DIFFER: Final = "readers differ"

STANDING: Final = (
    "received_at",
    "waiting_minutes",
    "state",
    "state_reason",
    "reader",
    "reviewed_at",
)
COLUMNS: Final = (
    *STUDY_FACTS,
    *STANDING,
    *(f"probability_{label}" for label in LABELS),
    *(f"threshold_{label}" for label in LABELS),
    "model_version",
    *(f"verdict_{label}" for label in LABELS),
    "verdict_by",
)
"""Probabilities are 0..1, the highest of the slices; from its threshold on a label is flagged."""


def worklist_json(services: Services, query: WorklistQuery, user_id: str) -> Iterator[str]:
    """The list as one JSON object, in pieces."""
    head = {"notice": NOTICE, "made_at": now().isoformat(), "filters": query.address()}
    yield json.dumps(head)[:-1] + ', "studies": ['
    comma = ""
    for study in _studies(services, query, user_id):
        yield comma + json.dumps(study)
        comma = ","
    yield "]}"


def worklist_csv(services: Services, query: WorklistQuery, user_id: str) -> Iterator[str]:
    """The list as CSV, line by line."""
    rows = ([study[name] for name in COLUMNS] for study in _studies(services, query, user_id))
    return csv_lines(COLUMNS, rows)


def _studies(services: Services, query: WorklistQuery, user_id: str) -> Iterator[dict[str, Any]]:
    """The most urgent first. The order is that of the beginning, the facts are read on the way."""
    with services.database.read() as session:
        reader = reader_here(session, user_id, services.settings.claim_minutes)
        ids = matching_ids(session, query, reader)
    for start in range(0, len(ids), CHUNK):
        with services.database.read() as session:
            chunk = ids[start : start + CHUNK]
            rows = {row.study.id: row for row in rows_of(session, chunk, reader)}
            analyses, reviews = _newest_analyses(session, chunk), _reviews(session, chunk)
            told = [
                _facts(rows[one])
                | _finding(rows[one], analyses.get(one, []))
                | _verdicts(session, rows[one], reviews.get(one, []), user_id)
                for one in chunk
            ]
        yield from told


def _newest_analyses(session: Session, study_ids: Sequence[str]) -> dict[str, list[Analysis]]:
    """Study id -> the newest analysis of each of its series."""
    rows = session.execute(
        select(Series.study_id, Analysis)
        .join(Series)
        .where(Series.study_id.in_(study_ids))
        .order_by(Analysis.created_at)
    )
    newest = {analysis.series_id: (study_id, analysis) for study_id, analysis in rows}
    found: dict[str, list[Analysis]] = {}
    for study_id, analysis in newest.values():
        found.setdefault(study_id, []).append(analysis)
    return found


def _reviews(session: Session, study_ids: Sequence[str]) -> dict[str, list[Review]]:
    """Study id -> everything that was stored of it, the oldest first."""
    rows = session.scalars(
        select(Review)
        .where(Review.study_id.in_(study_ids))
        .options(joinedload(Review.user), joinedload(Review.analysis))
        .order_by(Review.created_at, Review.id)
    )
    found: dict[str, list[Review]] = {}
    for row in rows:
        found.setdefault(row.study_id, []).append(row)
    return found


def _facts(row: Row) -> dict[str, Any]:
    study = row.study
    concealed = row.hidden and study.any_probability is not None
    waited = now() - study.received_at
    return {name: getattr(study, name) for name in STUDY_FACTS} | {
        "received_at": study.received_at.isoformat(),
        "waiting_minutes": None if study.reviewed_at else int(waited.total_seconds() // 60),
        "state": HIDDEN if concealed else study.state,
        "state_reason": "" if concealed else study.state_reason,
        "reader": row.holder.username if row.holder else None,
        "reviewed_at": study.reviewed_at.isoformat() if study.reviewed_at else None,
    }


def _finding(row: Row, analyses: Iterable[Analysis]) -> dict[str, Any]:
    """Per label the series in which it is most probable; nothing where nothing was analysed."""
    said = [] if row.hidden else [one for one in analyses if one.probabilities]
    return {
        **{f"probability_{label}": None for label in LABELS},
        **{f"threshold_{label}": None for label in LABELS},
        **{name: value for label in LABELS for name, value in _most_probable(said, label)},
        "model_version": ", ".join(sorted({one.model_version for one in said})),
    }


def _most_probable(analyses: Sequence[Analysis], label: str) -> Iterator[tuple[str, float]]:
    if analyses:
        highest = max(analyses, key=lambda one: (one.probabilities or {})[label])
        yield f"probability_{label}", (highest.probabilities or {})[label]
        yield f"threshold_{label}", highest.thresholds[label]["alert"]["threshold"]


def _verdicts(
    session: Session, row: Row, reviews: Sequence[Review], user_id: str
) -> dict[str, Any]:
    """What the readers' verdicts that count say of the study, as far as the user may know."""
    shown = [] if row.hidden or not reviews else shown_to(session, reviews, user_id)
    series: set[str | None] = {one.series_id for one in shown if one.series_id} or {None}
    here = [standing(shown, one) for one in sorted(series, key=str)]
    by = {one.user.username: "" for each in here for one in each.readers}
    by |= {each.adjudication.user.username: " (adjudication)" for each in here if each.adjudication}
    words = {f"verdict_{label}": _word(here, label) for label in LABELS}
    return words | {"verdict_by": "; ".join(f"{name}{how}" for name, how in by.items())}


def _word(here: Sequence[Standing], label: str) -> str | None:
    """Present or absent in the study; None where nothing certain was said."""
    if any(label in each.disagreements for each in here):
        return DIFFER
    statements = [said(one) | each.settled for each in here for one in each.readers]
    statements += [each.settled for each in here]
    words = {each[label] for each in statements if label in each}
    return PRESENT if PRESENT in words else next(iter(words), None)
