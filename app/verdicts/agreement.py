"""How far model and readers agree: in per cent, and beyond what chance would bring."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.db.models import Review
from app.verdicts.kappa import NORMAL_95, Kappa, cohen_kappa
from app.verdicts.record import FIRST_IMPRESSION, of_impression, of_state, said, standing
from model.labels import LABELS

Pair = tuple[str, str]
"""What two raters said of the same thing: present or absent."""


@dataclass(frozen=True)
class Agreement:
    """Of `n` things that two raters judged, the share judged alike, 0..1, and Cohen's kappa.

    `share` is None without anything to judge.
    """

    n: int
    share: float | None
    kappa: Kappa

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the share, as if each pair stood alone.

        E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal
        of the American Statistical Association 22, 1927, 209-212.
        """
        if self.share is None:
            return None
        weight = NORMAL_95**2 / self.n
        middle = self.share + weight / 2
        half = math.sqrt(weight * self.share * (1 - self.share) + weight**2 / 4)
        return (middle - half) / (1 + weight), (middle + half) / (1 + weight)

    @property
    def in_words(self) -> str:
        """Share and kappa with their n, as a reader reads them."""
        if self.share is None:
            return "nothing to compare"
        kappa = "not defined" if self.kappa.value is None else f"{self.kappa.value:.2f}"
        return f"{self.share:.0%} alike, kappa {kappa}, n = {self.n}".replace("%", " %")


def agreement(pairs: Iterable[Pair]) -> Agreement:
    """Count pairs of statements."""
    rated = list(pairs)
    alike = sum(first == second for first, second in rated)
    return Agreement(len(rated), alike / len(rated) if rated else None, cohen_kappa(rated))


@dataclass(frozen=True)
class Comparison:
    """Two raters' agreement on each label, over all that both judged; `raters` names them."""

    raters: str
    by_label: dict[str, Agreement]


LabelledPairs = Sequence[tuple[str, Pair]]


def comparisons(reviews: Sequence[Review]) -> list[Comparison]:
    """Model and readers over many studies. Indeterminate findings and undecided words are left out.

    A reader's verdict was given with the finding in view; his first impression without it.
    """
    studies: dict[tuple[str, str | None], list[Review]] = {}
    for row in reviews:
        studies.setdefault((row.study_id, row.series_id), []).append(row)
    verdicts: list[tuple[str, Pair]] = []
    impressions: list[tuple[str, Pair]] = []
    readers: list[tuple[str, Pair]] = []
    for (_, series_id), rows in studies.items():
        counting = standing(rows, series_id).readers
        verdicts += [pair for row in counting for pair in with_model(row, said(row))]
        impressions += [
            pair for row in _first_impressions(rows) for pair in with_model(row, _impression(row))
        ]
        for first, second in itertools.combinations(counting, 2):
            readers += between(said(first), said(second))
    return [
        _comparison("Model and verdict", verdicts),
        _comparison("Model and first impression", impressions),
        _comparison("First and second reader", readers),
    ]


def with_model(review: Review, statements: dict[str, str]) -> LabelledPairs:
    """The model's and the reader's word on each label on which both said one."""
    states = (review.analysis.states if review.analysis else None) or {}
    model = {label: of_state(state) for label, state in states.items()}
    return between({label: word for label, word in model.items() if word}, statements)


def between(first: dict[str, str], second: dict[str, str]) -> LabelledPairs:
    """Both words on each label on which both said one."""
    return [
        (label, (first[label], second[label]))
        for label in LABELS
        if label in first and label in second
    ]


def _first_impressions(rows: Iterable[Review]) -> list[Review]:
    """Each reader's first one: what was stored later knew the finding."""
    first: dict[str, Review] = {}
    for row in rows:
        if row.kind == FIRST_IMPRESSION:
            first.setdefault(row.user_id, row)
    return list(first.values())


def _impression(row: Review) -> dict[str, str]:
    words = {label: of_impression(word) for label, word in row.verdicts.items()}
    return {label: word for label, word in words.items() if word}


def _comparison(raters: str, pairs: LabelledPairs) -> Comparison:
    return Comparison(
        raters,
        {label: agreement(pair for name, pair in pairs if name == label) for label in LABELS},
    )
