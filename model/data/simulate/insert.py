"""Draw lesions for a series and insert them, into all of its slices or into one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.artefacts import BeamHardening, MetalStreaks, Motion
from model.data.simulate.bone_gap import fracture_at
from model.data.simulate.compose import Composed, compose
from model.data.simulate.epidural import Epidural, draw_epidural
from model.data.simulate.grid import common_grids
from model.data.simulate.intraparenchymal import draw_intraparenchymal
from model.data.simulate.intraventricular import draw_intraventricular, shows_ventricle
from model.data.simulate.lesion import Lesion
from model.data.simulate.look_alikes import LOOK_ALIKES, draw_look_alike
from model.data.simulate.scalp import scalp_hematoma_at
from model.data.simulate.series_anatomy import SeriesAnatomy, series_anatomy
from model.data.simulate.slice_view import view_slice
from model.data.simulate.subarachnoid import draw_subarachnoid
from model.data.simulate.subdural import ConvexitySubdural, draw_subdural
from model.labels import LABELS, SUBTYPES

_USUAL_THICKNESS_MM: Final = 5.0
_INTRAVENTRICULAR: Final = SUBTYPES.index("intraventricular")


@dataclass(frozen=True)
class Plan:
    """What is drawn, and how often.

    Parameters
    ----------
    bleeding
        Chance that a draw bleeds at all.
    subtypes
        Chance of each subtype to be drawn, in `SUBTYPES` order: larger for those that many slices
        have no place for, so that about as many of each are seen. Where a slice shows no ventricle,
        the others share that of intraventricular blood.
    mixture
        Chance that another one joins, and another after it.
    look_alikes
        How many look-alikes are drawn on average, bleeding or not.
    trauma
        Chance that an epidural hematoma has a fracture and a scalp hematoma over it; half of it
        for a subdural one.
    """

    bleeding: float = 0.6
    subtypes: tuple[float, ...] = (0.12, 0.14, 0.85, 0.18, 0.17)
    mixture: float = 0.28
    look_alikes: float = 1.2
    trauma: float = 0.5


@dataclass(frozen=True)
class SimulatedSeries:
    """A series after insertion.

    Parameters
    ----------
    hu
        int16[S, H, W].
    targets
        int8[S, 6], in `LABELS` order.
    masks
        bool[S, 5, H, W], in `SUBTYPES` order.
    description
        One line for each lesion and look-alike.
    """

    hu: NDArray[np.int16]
    targets: NDArray[np.int8]
    masks: NDArray[np.bool_]
    description: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class SimulatedSlice:
    """One slice after insertion: int16[H, W], int8[6], bool[5, H, W], and what was drawn."""

    hu: NDArray[np.int16]
    targets: NDArray[np.int8]
    masks: NDArray[np.bool_]
    description: tuple[str, ...] = ()


def draw_lesions(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator, plan: Plan
) -> list[Lesion]:
    """Draw lesions and look-alikes of a series, so that slice `index` is likely to show them."""
    if anatomy.frame is None:
        return []
    before: list[Lesion] = []
    for name in LOOK_ALIKES:
        if rng.random() < plan.look_alikes / len(LOOK_ALIKES):
            before += draw_look_alike(name, anatomy.frame, rng)
    lesions: list[Lesion] = []
    chances = np.array(plan.subtypes, np.float64)
    if not shows_ventricle(anatomy, index) and chances.sum() > chances[_INTRAVENTRICULAR]:
        chances[_INTRAVENTRICULAR] = 0
    goes_on = rng.random() < plan.bleeding
    while goes_on:
        subtype = SUBTYPES[int(rng.choice(len(SUBTYPES), p=chances / chances.sum()))]
        drawn = draw_subtype(subtype, anatomy, index, rng)
        lesions += [*_injuries(drawn, rng, plan), *drawn]
        goes_on = rng.random() < plan.mixture and len(lesions) < 8
    # The scanner's artefacts lie over everything, the rest was there before the blood.
    over = [one for one in before if isinstance(one, BeamHardening | MetalStreaks | Motion)]
    return [*(one for one in before if one not in over), *lesions, *over]


def _injuries(drawn: Sequence[Lesion], rng: np.random.Generator, plan: Plan) -> Sequence[Lesion]:
    """What the blow that made a bleed left in bone and scalp."""
    chance = rng.random()
    for one in drawn:
        if isinstance(one, Epidural) and chance < plan.trauma:
            found: list[Lesion] = [scalp_hematoma_at(one.angle, one.z_mm, rng)]
            if rng.random() < 0.7:
                found.append(fracture_at(one.angle + float(rng.normal(0, 0.12)), one.z_mm, rng))
            return found
        if isinstance(one, ConvexitySubdural) and chance < plan.trauma / 2:
            return [scalp_hematoma_at(one.side * one.angle, one.z_mm, rng)]
    return []


def draw_subtype(
    subtype: str, anatomy: SeriesAnatomy, index: int, rng: np.random.Generator
) -> Sequence[Lesion]:
    """Draw the lesions of one subtype; none where the slice has no place for it."""
    if subtype == "epidural":
        return [draw_epidural(anatomy, index, rng)]
    if subtype == "subdural":
        return [draw_subdural(anatomy, index, rng)]
    if subtype == "subarachnoid":
        return [draw_subarachnoid(anatomy, index, rng)]
    if subtype == "intraventricular":
        found = draw_intraventricular(anatomy, index, rng)
        return [] if found is None else [found]
    return draw_intraparenchymal(anatomy, index, rng)


def insert_slice(
    hu: NDArray[np.int16],
    anatomy: SeriesAnatomy,
    index: int,
    lesions: Sequence[Lesion],
    thickness_mm: float = _USUAL_THICKNESS_MM,
) -> SimulatedSlice:
    """Insert what was drawn for a series into one of its slices.

    Parameters
    ----------
    hu
        int16[H, W], slice `index`.
    anatomy
        Of its series.
    lesions
        From `draw_lesions`.
    thickness_mm
        Of the slice.
    """
    none = np.zeros((len(SUBTYPES), *hu.shape), np.bool_)
    targets = np.zeros(len(LABELS), np.int8)
    text = tuple(lesion.describe() for lesion in lesions)
    if not anatomy.good[index] or not lesions:
        return SimulatedSlice(hu, targets, none, text)
    made: Composed = compose(view_slice(hu, anatomy, index, thickness_mm), lesions)
    targets[1:] = made.masks.any(axis=(1, 2))
    targets[0] = targets[1:].max()
    return SimulatedSlice(_rounded(made.hu, hu), targets, made.masks, text)


def simulate_series(
    hu: NDArray[np.int16],
    z_mm: NDArray[np.floating],
    pixel_mm: float,
    rng: np.random.Generator,
    plan: Plan | None = None,
) -> SimulatedSeries:
    """Find a series' anatomy, draw bleeding or none, and insert it.

    Parameters
    ----------
    hu
        int16[S, H, W], ascending to the vertex.
    z_mm
        float[S], positions along the slice normal.
    pixel_mm
        Distance of pixels.
    rng
        Source of all chance: the same gives the same.
    plan
        What to draw; by default all subtypes, mixtures and look-alikes.
    """
    anatomy = series_anatomy(list(hu), common_grids(z_mm, pixel_mm))
    good = np.flatnonzero(anatomy.good)
    if not len(good):
        none = np.zeros((len(hu), len(SUBTYPES), *hu.shape[1:]), np.bool_)
        return SimulatedSeries(hu.copy(), np.zeros((len(hu), len(LABELS)), np.int8), none)
    index = int(good[int(rng.integers(len(good)))])
    lesions = draw_lesions(anatomy, index, rng, plan or Plan())
    thickness = float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else _USUAL_THICKNESS_MM
    slices = [insert_slice(hu[i], anatomy, i, lesions, abs(thickness)) for i in range(len(hu))]
    return SimulatedSeries(
        np.stack([one.hu for one in slices]),
        np.stack([one.targets for one in slices]),
        np.stack([one.masks for one in slices]),
        tuple(lesion.describe() for lesion in lesions),
    )


def _rounded(made: NDArray[np.float32], source: NDArray[np.int16]) -> NDArray[np.int16]:
    """Round to whole HU; untouched pixels keep their very value."""
    rounded: NDArray[np.int16] = np.clip(np.rint(made), -1024, 32767).astype(np.int16)
    return np.where(made == source, source, rounded)
