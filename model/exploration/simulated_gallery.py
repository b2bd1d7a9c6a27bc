"""The gallery: simulated beside real, for every subtype, to be looked at before it is believed."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.cached import CachedSet
from model.data.simulate.insert import SimulatedSlice, draw_subtype, insert_slice
from model.data.simulate.look_alikes import LOOK_ALIKES, draw_look_alike
from model.data.simulate.store import StoredSeries
from model.exploration.gallery import windowed_strip
from model.labels import SUBTYPES
from model.report import Page, Picture
from model.windowing import MODEL_WINDOWS, grey_lookup

EACH: Final = 8
"""Simulated slices, and real ones, of each subtype."""

_TRIES: Final = 60
_COLOURS: Final = ((213, 94, 0), (240, 228, 66), (86, 180, 233), (0, 158, 115), (204, 121, 167))
"""Of the masks' outlines, in `SUBTYPES` order (Okabe and Ito 2008)."""


def gallery_page(cached: CachedSet, store: Sequence[StoredSeries], seed: int) -> Page:
    """Make the page; the same seed gives the same one."""
    page = Page("SIMULATED hemorrhage beside real", f"{cached.name}, seed {seed}")
    page.section(
        "How to look",
        "Simulated on the left, real with the same label on the right; in every picture brain, "
        "subdural and bone window. Below them the masks of the simulated ones, outlined in the "
        "brain window. Simulated slices are made from slices without bleeding.",
    )
    for subtype in SUBTYPES:
        page.section(subtype.capitalize())
        drawn = list(_simulated(subtype, cached, store, seed))
        shown = [
            Picture(
                windowed_strip(one.hu, MODEL_WINDOWS), "SIMULATED: " + "; ".join(one.description)
            )
            for one in drawn
        ]
        page.images(_in_turn(shown, _real(subtype, cached, seed)), width=490)
        marked = [Picture(_outlined(one), "") for one in drawn]
        page.images(marked, "The masks of the simulated ones", width=118)
    page.section("Look-alikes", "Labelled negative: before and after, in the brain window.")
    page.images(list(_look_alikes(cached, store, seed)), width=340)
    return page


def _in_turn(first: Sequence[Picture], second: Sequence[Picture]) -> list[Picture]:
    """Put pictures of two kinds side by side; what is left over of either comes last."""
    both = min(len(first), len(second))
    pairs = [one for pair in zip(first[:both], second[:both], strict=True) for one in pair]
    return [*pairs, *first[both:], *second[both:]]


def _simulated(
    subtype: str, cached: CachedSet, store: Sequence[StoredSeries], seed: int
) -> Iterator[SimulatedSlice]:
    found = 0
    for number in range(_TRIES * EACH):
        rng = np.random.default_rng((seed, SUBTYPES.index(subtype), number))
        series = store[int(rng.integers(len(store)))]
        index = int(rng.choice(np.flatnonzero(series.anatomy.good)))
        lesions = draw_subtype(subtype, series.anatomy, index, rng)
        hu = np.array(cached.hu[series.rows[index]])
        made = insert_slice(hu, series.anatomy, index, lesions, series.thickness_mm)
        if made.targets[0]:
            yield made
            found += 1
        if found == EACH:
            return


def _real(subtype: str, cached: CachedSet, seed: int) -> list[Picture]:
    """Real slices with the label, spread over patients as far as they go."""
    rng = np.random.default_rng(seed)
    frame = cached.frame[cached.frame[subtype] == 1]
    order = frame.iloc[rng.permutation(len(frame))]
    order = order.assign(turn=order.groupby("patient").cumcount()).sort_values("turn").head(EACH)
    return [
        Picture(windowed_strip(np.array(cached.hu[row]), MODEL_WINDOWS), f"real, {name}")
        for row, name in zip(order["row"], order["name"], strict=True)
    ]


def _look_alikes(cached: CachedSet, store: Sequence[StoredSeries], seed: int) -> Iterator[Picture]:
    brain = grey_lookup(MODEL_WINDOWS[0])
    for number, name in enumerate(LOOK_ALIKES):
        rng = np.random.default_rng((seed, 100 + number))
        series = store[int(rng.integers(len(store)))]
        if series.anatomy.frame is None:
            continue
        lesions = draw_look_alike(name, series.anatomy.frame, rng)
        pairs = []
        for index in np.flatnonzero(series.anatomy.good):
            hu = np.array(cached.hu[series.rows[index]])
            made = insert_slice(hu, series.anatomy, int(index), lesions, series.thickness_mm)
            before, after = (brain[one.view(np.uint16)] for one in (hu, made.hu))
            changed = int(np.abs(after.astype(int) - before).sum())
            pairs.append((changed, before, after))
        _, before, after = max(pairs, key=lambda pair: pair[0])
        text = lesions[0].describe() if lesions else name
        yield Picture(np.concatenate([before, after], axis=1), text)


def _outlined(made: SimulatedSlice) -> NDArray[np.uint8]:
    """Draw the masks' borders on the brain window, uint8[H, W, 3]."""
    grey = grey_lookup(MODEL_WINDOWS[0])[made.hu.view(np.uint16)]
    colour = np.stack([grey] * 3, axis=-1)
    for mask, value in zip(made.masks, _COLOURS, strict=True):
        colour[mask & ~ndimage.binary_erosion(mask)] = value
    return colour
