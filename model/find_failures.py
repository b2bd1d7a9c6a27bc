"""Find synthetic slices that an artefact judges wrongly: ``python -m model.find_failures``.

Heads are made from seeds, every second one with bleeding, and judged as service judges a series.
Three misses and three false alarms are kept beside the artefact with their pictures, for Model
Facts. No patient was scanned for them.
"""

import argparse
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.artifact import ModelCard
from model.data.simulate.insert import Plan
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import SyntheticSeries, make_series
from model.failure import FAILURES_NAME, FALSE_ALARM, MISS, PICTURE_NAME, Example
from model.finding import FLAGGED, NOT_FLAGGED, finding_state
from model.labels import LABELS, SUBTYPES
from model.predictor import Predictor, load_predictor
from model.system.files import write_atomically, write_json
from model.system.options import at_least
from model.system.progress import progress_bar
from model.windowing import BRAIN, grey_lookup

LEAST_MM2: Final = 50.0
"""Of visible blood, that a slice which shows it can be said to be missed."""

_WEIGHTS: Final = Path(__file__).parent / "weights"
_SCAN: Final = Scan(n_slices=24, spacing_mm=5.5, thickness_mm=5.0, pixels=256)
_BLEEDING: Final = Plan(bleeding=1.0)
_QUIET: Final = Plan(bleeding=0.0, look_alikes=3.0)
_SEED: Final = 20_000
"""Of the first head: neither the demo's nor the golden ones."""
_SHOWN: Final = 3
_HEAD_HU: Final = -300
_MARGIN: Final = 4


@dataclass(frozen=True)
class Head:
    """A synthetic head of S slices and what was said of it.

    Parameters
    ----------
    series
        With its masks.
    probabilities
        float32[S, 6].
    """

    series: SyntheticSeries
    probabilities: NDArray[np.float32]

    @cached_property
    def blood_mm2(self) -> NDArray[np.float64]:
        """Visible blood in each slice, float64[S]."""
        pixels = self.series.masks.any(axis=1).sum(axis=(1, 2))
        return np.asarray(pixels * self.series.scan.pixel_mm**2, np.float64)

    @property
    def bleeds(self) -> bool:
        """Whether blood is visible in any slice."""
        return bool(self.series.targets[:, 0].any())


@dataclass(frozen=True)
class Place:
    """One slice of a head."""

    head: Head
    index: int

    @property
    def probability(self) -> float:
        """Of any hemorrhage."""
        return float(self.head.probabilities[self.index, 0])

    @property
    def blood_mm2(self) -> float:
        """That the slice shows."""
        return float(self.head.blood_mm2[self.index])


def judged_heads(predictor: Predictor, count: int) -> Iterator[Head]:
    """Make heads and have them judged, one after the other; every second one bleeds."""
    for number in range(count):
        series = make_series(_SEED + number, _SCAN, _QUIET if number % 2 else _BLEEDING)
        z_mm = (np.arange(_SCAN.n_slices) * _SCAN.spacing_mm).astype(np.float32)
        said = predictor.predict(list(series.hu), z_mm, lambda _done: None)
        yield Head(series, said.probabilities)


def worst_misses(heads: list[Head], card: ModelCard) -> list[Place]:
    """Slices with blood: the largest bleeding that is not flagged, at most one a head.

    Where there are too few, those follow that come nearest: the lowest probabilities.
    """
    places = [place for head in heads for place in _places(head) if place.blood_mm2 >= LEAST_MM2]

    def order(place: Place) -> tuple[bool, float]:
        missed = _state(place, card) == NOT_FLAGGED
        return (not missed, -place.blood_mm2 if missed else place.probability)

    return _one_a_head(sorted(places, key=order))


def worst_false_alarms(heads: list[Head]) -> list[Place]:
    """Slices of heads without blood: the highest probabilities, at most one a head."""
    places = [place for head in heads if not head.bleeds for place in _places(head)]
    return _one_a_head(sorted(places, key=lambda place: -place.probability))


def _places(head: Head) -> list[Place]:
    return [Place(head, index) for index in range(len(head.probabilities))]


def _one_a_head(places: list[Place]) -> list[Place]:
    first = {place.head.series.seed: place for place in reversed(places)}
    return [place for place in places if first[place.head.series.seed] is place][:_SHOWN]


def _state(place: Place, card: ModelCard) -> str:
    return finding_state("any", place.probability, card)


def tallies(heads: list[Head], card: ModelCard) -> dict[str, Any]:
    """How often the artefact is wrong, as `model.failure.Failures` counts it."""
    bleeding = [
        [_state(place, card) == NOT_FLAGGED for place in places]
        for head in heads
        if (places := [place for place in _places(head) if place.blood_mm2 >= LEAST_MM2])
    ]
    quiet = [
        [_state(place, card) == FLAGGED for place in _places(head)]
        for head in heads
        if not head.bleeds
    ]
    return {
        "missed_slices": _tally(chain(*bleeding)),
        "missed_heads": _tally(map(all, bleeding)),
        "flagged_slices": _tally(chain(*quiet)),
        "flagged_heads": _tally(map(any, quiet)),
    }


def _tally(wrong: Iterable[bool]) -> dict[str, int]:
    every = list(wrong)
    return {"wrong": sum(every), "of": len(every)}


def described(place: Place, kind: str, card: ModelCard) -> tuple[Example, bytes]:
    """An example and its picture: the slice in the brain window, cropped to its head, as PNG."""
    series, index = place.head.series, place.index
    part = _head_part(series.hu[index])
    grey = grey_lookup(BRAIN)[np.ascontiguousarray(series.hu[index][part]).view(np.uint16)]
    blood = series.masks[index].any(axis=0)[part]
    picture = io.BytesIO()
    Image.fromarray(grey).save(picture, "PNG", optimize=True)
    said = dict(zip(LABELS, place.head.probabilities[index].tolist(), strict=True))
    example = Example(
        kind=kind,
        state=_state(place, card),
        probability=round(said["any"], 4),
        probabilities={subtype: round(said[subtype], 4) for subtype in SUBTYPES},
        subtypes=tuple(label for label in SUBTYPES if series.targets[index][LABELS.index(label)]),
        blood_mm2=round(place.blood_mm2, 1),
        put_in=series.description,
        head=series.seed,
        slice_number=index + 1,
        slices=series.scan.n_slices,
        columns=grey.shape[1],
        rows=grey.shape[0],
        outline=outline(blood),
    )
    return example, picture.getvalue()


def _head_part(hu: NDArray[np.int16]) -> tuple[slice, slice]:
    """Rows and columns of a slice that hold the head, with a margin."""
    head = hu > _HEAD_HU
    spans = [np.flatnonzero(head.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (
        slice(max(int(span[0]) - _MARGIN, 0), int(span[-1]) + 1 + _MARGIN) for span in spans
    )
    return rows, columns


def outline(mask: NDArray[np.bool_]) -> str:
    """The edges of a mask bool[H, W] as an SVG path along the borders of its pixels."""
    padded = np.pad(mask, 1)
    lines = []
    for along, form in ((padded, "M{1} {0}H{2}"), (padded.T, "M{0} {1}V{2}")):
        edges = along[1:] != along[:-1]
        for place, line in enumerate(edges):
            ends = np.flatnonzero(np.diff(line.astype(np.int8)))
            lines += [
                form.format(place, begin, end)
                for begin, end in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True)
            ]
    return "".join(lines)


def write_failures(folder: Path, count: int) -> Path:
    """Look at so many heads, and write `falx.failures.json` and the pictures beside the artefact.

    Raises
    ------
    ArtifactError
        The artefact is missing, changed or damaged.
    """
    predictor = load_predictor(folder, "cpu")
    card = predictor.card
    with progress_bar() as bar:
        task = bar.add_task("synthetic heads", total=count)
        heads = []
        for head in judged_heads(predictor, count):
            heads.append(head)
            bar.advance(task)
    shown = [(place, MISS) for place in worst_misses(heads, card)]
    shown += [(place, FALSE_ALARM) for place in worst_false_alarms(heads)]
    examples = []
    for number, (place, kind) in enumerate(shown, start=1):
        example, picture = described(place, kind, card)
        write_atomically(folder / PICTURE_NAME.format(number), picture)
        examples.append(asdict(example))
    # Last: pictures of other weights are never shown with it.
    path = folder / FAILURES_NAME
    facts = {"sha256": card.sha256, "heads": count, "least_mm2": LEAST_MM2}
    write_json(path, facts | tallies(heads, card) | {"examples": examples})
    return path


def main(arguments: list[str] | None = None) -> None:
    """Write the failures of the artefact of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--model", type=Path, default=_WEIGHTS, help="folder of the artefact (the one in service)")
    add("--heads", type=at_least(2, "--heads"), default=40, help="to look at (40)")
    options = parser.parse_args(arguments)
    print(f"written: {write_failures(options.model, options.heads)}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
