"""What readers said of a study, together: whose word counts, where they differ, who may see."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.auth import ADMINISTRATOR
from app.db.models import Review
from app.site import site_settings
from model.finding import FLAGGED, NOT_FLAGGED
from model.labels import LABELS, SUBTYPES

VERDICT, ADJUDICATION, WITHDRAWAL = "verdict", "adjudication", "withdrawal"
FIRST_IMPRESSION, IMPRESSION_SKIPPED = "first impression", "impression skipped"
KINDS: Final = (VERDICT, ADJUDICATION, WITHDRAWAL, FIRST_IMPRESSION, IMPRESSION_SKIPPED)

ANY: Final = LABELS[0]
AGREE, DISAGREE, PRESENT, ABSENT = "agree", "disagree", "present", "absent"
VERDICTS: Final = (AGREE, DISAGREE, PRESENT, ABSENT)
IMPRESSIONS: Final = (
    "definitely absent",
    "probably absent",
    "undecided",
    "probably present",
    "definitely present",
)
"""A rating scale of five steps, as reader studies use."""
REASONS: Final = (
    "calcification",
    "artefact",
    "motion",
    "old blood",
    "post-operative",
    "contrast",
    "wrong slice",
    "other",
)

_OPPOSITE: Final = {PRESENT: ABSENT, ABSENT: PRESENT}
_OF_STATE: Final = {FLAGGED: PRESENT, NOT_FLAGGED: ABSENT}
READERS: Final = 2
"""How many decide where a site wants a second reader."""


@dataclass(frozen=True)
class Standing:
    """The verdicts that count for one series: each reader's newest, the earliest reader first."""

    readers: list[Review]
    adjudication: Review | None

    @property
    def settled(self) -> dict[str, str]:
        """Label -> present or absent, for the labels that an adjudication decided."""
        return said(self.adjudication) if self.adjudication else {}

    @property
    def disagreements(self) -> list[str]:
        """The labels on which two readers differ and which nobody has settled."""
        statements = [said(review) for review in self.readers]
        words = {label: {one[label] for one in statements if label in one} for label in LABELS}
        return [label for label in LABELS if len(words[label]) > 1 and label not in self.settled]


def reviews_of(session: Session, study_id: str) -> list[Review]:
    """Everything that was stored of the study, the oldest first, with authors and analyses."""
    return list(
        session.scalars(
            select(Review)
            .where(Review.study_id == study_id)
            .options(joinedload(Review.user), joinedload(Review.analysis))
            .order_by(Review.created_at, Review.id)
        )
    )


def in_force(reviews: Iterable[Review]) -> list[Review]:
    """The verdicts and adjudications that nobody took back, in their order."""
    rows = list(reviews)
    withdrawn = {row.withdraws for row in rows}
    return [row for row in rows if row.kind in (VERDICT, ADJUDICATION) and row.id not in withdrawn]


def standing(reviews: Iterable[Review], series_id: str | None) -> Standing:
    """The verdicts that count for a series. Oldest first, as `reviews_of` gives them.

    What was stored without a series (none had been analysed) counts for all of the study.
    """
    here = [row for row in in_force(reviews) if row.series_id in (series_id, None)]
    newest = {row.user_id: row for row in here if row.kind == VERDICT}
    adjudications = [row for row in here if row.kind == ADJUDICATION]
    return Standing(list(newest.values()), adjudications[-1] if adjudications else None)


def own_verdict(reviews: Iterable[Review], user_id: str, series_id: str | None) -> Review | None:
    """The user's newest verdict or adjudication on the series that still holds."""
    mine = [row for row in in_force(reviews) if row.user_id == user_id]
    return next((row for row in reversed(mine) if row.series_id in (series_id, None)), None)


def said(review: Review) -> dict[str, str]:
    """Label -> present or absent: what a verdict says of the series, as far as it is certain.

    To agree or disagree with an indeterminate finding says neither. With a kind of hemorrhage
    there is hemorrhage; without any there is none of its kinds, and the other way round.
    """
    states = review.analysis.states if review.analysis else None
    words = {label: resolved(word, label, states) for label, word in review.verdicts.items()}
    known = {label: word for label, word in words.items() if word}
    subtypes = [known.get(label) for label in SUBTYPES]
    if PRESENT in subtypes:
        known.setdefault(ANY, PRESENT)
    elif ANY not in review.verdicts and subtypes == [ABSENT] * len(SUBTYPES):
        known[ANY] = ABSENT
    if known.get(ANY) == ABSENT:
        known = dict.fromkeys(SUBTYPES, ABSENT) | known
    return known


def resolved(word: str, label: str, states: dict[str, str] | None) -> str:
    """Present or absent, where `word` means either beside the finding's states; else empty."""
    if word in _OPPOSITE:
        return word
    found = of_state(states[label]) if states and label in states else ""
    return _OPPOSITE.get(found, "") if word == DISAGREE else found


def of_state(state: str) -> str:
    """Present or absent for a finding's state; empty for an indeterminate one."""
    return _OF_STATE.get(state, "")


def of_impression(word: str) -> str:
    """Present or absent for a word of a first impression; empty for an undecided one."""
    return word.rpartition(" ")[2] if word.endswith((PRESENT, ABSENT)) else ""


def may_adjudicate(standing_here: Standing, user_id: str, role: str) -> bool:
    """Whether the user may settle what readers differ on: an administrator, or a third reader."""
    if not standing_here.disagreements:
        return False
    return role == ADMINISTRATOR or user_id not in {row.user_id for row in standing_here.readers}


def reviewed_at(session: Session, study_id: str) -> datetime | None:
    """When the study was decided on: there is a verdict that is not withdrawn.

    Where the site wants a second reader, two users must have such a verdict.
    """
    rows = in_force(session.scalars(select(Review).where(Review.study_id == study_id)))
    wanted = READERS if site_settings(session).second_reader else 1
    if len({row.user_id for row in rows}) < wanted:
        return None
    return max(row.created_at for row in rows)


def disputed(session: Session, study_id: str) -> bool:
    """Whether readers differ on a series of the study, and nobody has settled it."""
    rows = reviews_of(session, study_id)
    return any(standing(rows, series_id).disagreements for series_id in {r.series_id for r in rows})


def finding_hidden(session: Session, study_id: str, user_id: str) -> bool:
    """Whether the finding must be kept from the user: image first, and nothing stored by him."""
    if not site_settings(session).image_first:
        return False
    own = select(Review.id).where(Review.study_id == study_id, Review.user_id == user_id).limit(1)
    return session.scalar(own) is None


def shown_to(session: Session, reviews: Sequence[Review], user_id: str) -> list[Review]:
    """The rows that the user may see.

    Where the site wants a second reader, the first one's words stay hidden from whoever has not
    yet given a verdict, until two have.
    """
    rows = list(reviews)
    authors = {row.user_id for row in rows if row.kind in (VERDICT, ADJUDICATION)}
    decided = {row.user_id for row in in_force(rows)}
    if user_id in authors or len(decided) >= READERS or not site_settings(session).second_reader:
        return rows
    return [row for row in rows if row.user_id == user_id]
