"""Which labels of a slice are certain, after what readers said of it and of its series."""

from dataclasses import dataclass
from typing import Final

from app.db.models import Review
from app.verdicts.record import ABSENT, ANY, PRESENT, Standing, said
from model.labels import LABELS, SUBTYPES

DISAGREE: Final = "readers disagree, and nobody has settled it"
SOMEWHERE: Final = "hemorrhage in the series, but not said whether on this slice"
UNSAID: Final = "not every label was spoken of"


@dataclass(frozen=True)
class SliceLabels:
    """All six labels of a slice, 0 or 1, or in `left_out` why they are not certain."""

    targets: dict[str, int]
    left_out: str = ""


def slice_labels(here: Standing, instance_id: str) -> SliceLabels:
    """Decide on one slice; nothing is guessed.

    A slice's own verdict or region goes first, then an absence from the whole series. A presence
    somewhere in the series says nothing of a slice. A reader whom an adjudication overruled is
    not heard.
    """
    if here.disagreements:
        return SliceLabels({}, DISAGREE)
    heard = [row for row in here.readers if not _overruled(row, here.settled)]
    if here.adjudication:
        heard.append(here.adjudication)
    statements = [_on_slice(row, instance_id) for row in heard]
    words = {label: {one[label] for one in statements if label in one} for label in LABELS}
    if any(len(found) > 1 for found in words.values()):
        return SliceLabels({}, DISAGREE)
    unknown = [label for label in LABELS if not words[label]]
    if unknown:
        bleeds = any(said(row).get(label) == PRESENT for row in heard for label in unknown)
        return SliceLabels({}, SOMEWHERE if bleeds else UNSAID)
    return SliceLabels({label: int(PRESENT in words[label]) for label in LABELS})


def _overruled(row: Review, settled: dict[str, str]) -> bool:
    own = said(row)
    return any(own.get(label, word) != word for label, word in settled.items())


def _on_slice(row: Review, instance_id: str) -> dict[str, str]:
    """Label -> present or absent, as far as one verdict says it of one slice."""
    known = {
        label: words[instance_id]
        for label, words in row.slice_verdicts.items()
        if instance_id in words
    }
    marked = [one["label"] for one in row.regions if one["instance"] == instance_id]
    known |= dict.fromkeys(marked, PRESENT)
    if any(known.get(label) == PRESENT for label in SUBTYPES):
        known[ANY] = PRESENT
    series = said(row)
    known = {label: word for label, word in series.items() if word == ABSENT} | known
    if known.get(ANY) == ABSENT:
        known = dict.fromkeys(SUBTYPES, ABSENT) | known
    # A hemorrhage of no kind may be anywhere; one of a known kind is where that kind is.
    of_known_kind = ANY not in row.verdicts or any(series.get(one) == PRESENT for one in SUBTYPES)
    if of_known_kind and all(known.get(label) == ABSENT for label in SUBTYPES):
        known.setdefault(ANY, ABSENT)
    return known
