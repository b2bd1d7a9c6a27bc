"""What readers did in a period: how often they agree with the model, and the reasons they gave."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, load_only

from app.dashboard.parts import MOST, Period, Section, stack, week_of
from app.db.models import Analysis, Review
from app.verdicts.agreement import Agreement, comparisons
from app.verdicts.record import ANY, REASONS, in_force


def agreement(session: Session, period: Period) -> list[Section]:
    """How far model and verdicts agree, and why readers disagreed."""
    held = in_force(_stored(session, period))
    weeks: dict[str, list[Review]] = {week: [] for week in period.weeks}
    for review in held:
        weeks[week_of(review.created_at)].append(review)
    return [_alike(weeks, held), _reasons(weeks)]


def _alike(weeks: Mapping[str, Sequence[Review]], held: Sequence[Review]) -> Section:
    found = {week: _model_and_verdict(of_week) for week, of_week in weeks.items()}
    return Section(
        "agreement",
        "Model and verdict alike on any hemorrhage, by week",
        f"{_model_and_verdict(held).in_words}. Indeterminate findings are left out. Other "
        "labels, first impressions and second readers: see Agreement.",
        ("week", "judged by both", "alike %", "kappa"),
        [
            (week, one.n, _rounded(one.share, 100), _rounded(one.kappa.value, 1))
            for week, one in found.items()
        ],
        ("alike", "not alike"),
        [
            stack(("alike", "not alike"), (one.share, 1 - one.share), 1)
            if one.share is not None
            else []
            for one in found.values()
        ],
        "100 %",
    )


def _model_and_verdict(reviews: Sequence[Review]) -> Agreement:
    return comparisons(reviews)[0].by_label[ANY]


def _reasons(weeks: Mapping[str, Sequence[Review]]) -> Section:
    counts = {
        week: Counter(why for row in of_week for why in row.reasons.values())
        for week, of_week in weeks.items()
    }
    every = sum(counts.values(), Counter[str]())
    rows = [(week, *(found[why] for why in REASONS)) for week, found in counts.items()]
    highest = max(1, *(found.total() for found in counts.values()))
    told = ", ".join(f"{why} {times}" for why, times in every.most_common())
    return Section(
        "reasons",
        "Reasons that readers gave with their verdicts, by week",
        f"{told}. Of verdicts that hold." if told else "No verdict has a reason.",
        ("week", *REASONS),
        rows,
        REASONS,
        [stack(REASONS, [found[why] for why in REASONS], highest) for found in counts.values()],
        f"{highest} {'reason' if highest == 1 else 'reasons'}",
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


def _rounded(value: float | None, factor: int) -> float | None:
    return None if value is None else round(value * factor, 2)
