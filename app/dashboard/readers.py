"""What readers did in a period: how often they agree with the model, and the reasons they gave."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, load_only

from app.dashboard.parts import MOST, Bar, Period, Section
from app.db.models import Analysis, Review
from app.verdicts.agreement import comparisons
from app.verdicts.record import ANY, in_force


def agreement(session: Session, period: Period) -> list[Section]:
    """How far model and verdicts agree, and why readers disagreed."""
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
