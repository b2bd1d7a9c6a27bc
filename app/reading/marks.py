"""Regions that readers marked, as the viewer draws them."""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from app.db.models import Review

Mark = dict[str, Any]
"""A region of `app.db.models.Review` and `who` marked it: a user's name."""


def marks_of(reviews: Iterable[Review], instances: Set[str], *, besides: str) -> list[Mark]:
    """What reviews mark on these instances.

    Parameters
    ----------
    besides
        The user whose own reviews are passed over: the form has them, to be changed.
    """
    return [
        {**region, "who": review.user.username}
        for review in reviews
        if review.user_id != besides
        for region in review.regions
        if region["instance"] in instances
    ]


def own_marks(regions: Iterable[Mapping[str, Any]]) -> list[Mark]:
    """The reader's own regions."""
    return [{**region, "who": "you"} for region in regions]
