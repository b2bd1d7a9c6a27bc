"""The anatomy of a series: what is brain in every slice, the head's frame, the ventricles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.data.simulate.anatomy import SliceAnatomy, find_inside, measure
from model.data.simulate.grid import Grid
from model.data.simulate.head_frame import USUAL_LENGTH_MM, HeadFrame, fit_frame

INSIDE: Final = 1
VENTRICLE: Final = 2
"""Bits of `SeriesAnatomy.codes`."""

DEPTH_STEP_MM: Final = 0.25
_LEAST_OVERLAP: Final = 0.6
_LEAST_LARGEST_CM2: Final = 60.0
_SUDDEN: Final = 0.55
"""A slice with less than this share of the area both its neighbours have was not understood."""
_BASE: Final = 90.0
_LOWEST: Final = 126.0
"""mm of a usual head below the vertex; deeper lies the foramen magnum."""
_LEAST_AT_BASE_CM2: Final = 25.0
_FLUID_BELOW_BRAIN_HU: Final = 11.0
_BEYOND_MM: Final = 4.0
_MOSTLY: Final = 0.7
_USUAL_BRAIN_HU: Final = (20.0, 48.0)


@dataclass(frozen=True)
class SeriesAnatomy:
    """Of S slices, ascending to the vertex.

    Parameters
    ----------
    grids
        Where the slices' pixels lie.
    codes
        uint8[S, H, W], `INSIDE` and `VENTRICLE`.
    depths
        uint8[S, H, W], distance from the inner table in plane, in `DEPTH_STEP_MM`, capped.
    good
        bool[S]: the slice shows brain and was understood; nothing is put into others.
    brain_hu, noise_hu
        float32[S], nan where not good.
    frame
        None where no slice is good.
    """

    grids: tuple[Grid, ...]
    codes: NDArray[np.uint8]
    depths: NDArray[np.uint8]
    good: NDArray[np.bool_]
    brain_hu: NDArray[np.float32]
    noise_hu: NDArray[np.float32]
    frame: HeadFrame | None


def series_anatomy(
    hu: Sequence[NDArray[np.int16]], grids: Sequence[Grid], *, spacing_known: bool = True
) -> SeriesAnatomy:
    """Find the anatomy of a series.

    Parameters
    ----------
    hu
        int16[H, W] each, ascending to the vertex.
    grids
        Of the same slices.
    spacing_known
        False where the pixels' size was guessed: the head is then taken to be of a usual length.
    """
    insides = [find_inside(one, grid.pixel_mm) for one, grid in zip(hu, grids, strict=True)]
    insides = _hanging_together(insides, grids)
    if not spacing_known:
        factor = _to_usual_length(insides, grids)
        grids = [grid.scaled(factor) for grid in grids]
    slices = [
        measure(one, inside, grid.pixel_mm)
        for one, inside, grid in zip(hu, insides, grids, strict=True)
    ]
    areas = np.array(
        [s.inside.sum() * g.pixel_mm**2 / 100 for s, g in zip(slices, grids, strict=True)],
        np.float32,
    )
    good = _understood(slices, areas)
    codes = np.stack([s.inside.astype(np.uint8) * INSIDE for s in slices])
    depths = np.stack(
        [np.clip(np.rint(s.depth_mm / DEPTH_STEP_MM), 0, 255).astype(np.uint8) for s in slices]
    )
    brain = np.array([s.brain_hu for s in slices], np.float32)
    noise = np.array([s.noise_hu for s in slices], np.float32)
    frame = None
    if good.any():
        tissues = [
            _tissue(one, found, grid) for one, found, grid in zip(hu, slices, grids, strict=True)
        ]
        frame = fit_frame([s.depth_mm for s in slices], tissues, grids, areas)
        below = np.array([frame.below_vertex(grid.z_mm) for grid in grids])
        good &= (below < _LOWEST) & ((below < _BASE) | (areas > _LEAST_AT_BASE_CM2))
    if frame is not None:
        for i in map(int, np.flatnonzero(good)):
            codes[i][_ventricles(hu[i], slices[i], grids[i], frame)] |= VENTRICLE
    return SeriesAnatomy(tuple(grids), codes, depths, good, brain, noise, frame)


def _to_usual_length(insides: list[NDArray[np.bool_]], grids: Sequence[Grid]) -> float:
    """Usual length of a head over this one's, in the widest slice, however it is turned."""
    widest = int(np.argmax([m.sum() * g.pixel_mm**2 for m, g in zip(insides, grids, strict=True)]))
    rows, columns = np.nonzero(insides[widest])
    if len(rows) < 3:
        return 1.0
    points = np.stack([rows, columns]) * grids[widest].pixel_mm
    turns = np.deg2rad(np.arange(0, 180, 5))
    spread = [np.ptp(points[0] * np.cos(t) + points[1] * np.sin(t)) for t in turns]
    return float(np.clip(USUAL_LENGTH_MM / max(spread), 0.6, 1.6))


def _tissue(hu: NDArray[np.int16], found: SliceAnatomy, grid: Grid) -> NDArray[np.float32]:
    """Smoothed HU less the brain's; 0 outside and where there is no brain."""
    if not np.isfinite(found.brain_hu):
        return np.zeros(hu.shape, np.float32)
    near = np.clip(hu - np.float32(found.brain_hu), -30, 30)
    return np.asarray(ndimage.gaussian_filter(near, 1.5 / grid.pixel_mm) * found.inside)


def _understood(slices: Sequence[SliceAnatomy], areas: NDArray[np.float32]) -> NDArray[np.bool_]:
    if areas.max(initial=0) < _LEAST_LARGEST_CM2:
        return np.zeros(len(slices), np.bool_)
    good = areas > 2.0
    brain = np.array([s.brain_hu for s in slices])
    with np.errstate(invalid="ignore"):
        good &= (brain > _USUAL_BRAIN_HU[0]) & (brain < _USUAL_BRAIN_HU[1])
    below, above = np.roll(areas, 1), np.roll(areas, -1)
    below[0], above[-1] = 0, 0
    good &= ~(areas < _SUDDEN * np.minimum(below, above))
    return good


def _hanging_together(
    insides: list[NDArray[np.bool_]], grids: Sequence[Grid]
) -> list[NDArray[np.bool_]]:
    """Keep the pieces that lie over brain in the neighbouring slice, from the largest outward."""
    areas = [one.sum() * grid.pixel_mm**2 for one, grid in zip(insides, grids, strict=True)]
    largest = int(np.argmax(areas))
    kept = list(insides)
    for order in (range(largest + 1, len(kept)), range(largest - 1, -1, -1)):
        last = largest
        for i in order:
            shadow = _moved(kept[last], grids[last], grids[i], kept[i].shape)
            shadow = ndimage.binary_dilation(shadow, iterations=round(5 / grids[i].pixel_mm))
            pieces, count = ndimage.label(kept[i])
            if count:
                size = np.bincount(pieces.ravel(), minlength=count + 1)
                over = np.bincount(pieces[shadow], minlength=count + 1)
                keep = over > _LEAST_OVERLAP * size
                keep[0] = False
                kept[i] = keep[pieces]
            # After a slice that was not understood, the last one that was is compared with.
            area, before = (kept[k].sum() * grids[k].pixel_mm ** 2 for k in (i, last))
            if area > 0.4 * before:
                last = i
    return kept


def _moved(
    mask: NDArray[np.bool_], source: Grid, target: Grid, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Sample a mask of one slice at the pixels of another."""
    rows = np.rint((target.y_mm(0, shape[0]) - source.top_mm) / source.pixel_mm).astype(int)[:, 0]
    columns = np.rint((target.x_mm(0, shape[1]) - source.left_mm) / source.pixel_mm)
    columns = columns.astype(int)[0]
    inside = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & (
        (columns >= 0) & (columns < mask.shape[1])
    )
    sampled = mask[rows.clip(0, mask.shape[0] - 1)][:, columns.clip(0, mask.shape[1] - 1)]
    return np.asarray(sampled & inside)


def _ventricles(
    hu: NDArray[np.int16], found: SliceAnatomy, grid: Grid, frame: HeadFrame
) -> NDArray[np.bool_]:
    """Fluid in the middle of the head: lateral and third ventricles, and the fourth."""
    smooth = ndimage.gaussian_filter(np.clip(hu, -50, 90).astype(np.float32), 0.8 / grid.pixel_mm)
    fluid = (smooth < found.brain_hu - _FLUID_BELOW_BRAIN_HU) & (smooth > -15) & found.inside
    height, width = hu.shape
    x, y = grid.x_mm(0, width), grid.y_mm(0, height)
    across = np.abs(frame.across(x, y, grid.z_mm)) / frame.scale
    along = frame.along(x, y) / frame.scale
    deep = found.depth_mm / frame.scale
    below = frame.below_vertex(grid.z_mm)
    place = np.zeros(hu.shape, np.bool_)
    if 42 < below < 84:
        # In front of the horns lies the fissure, behind the third ventricle a cistern, and low
        # down the cisterns about the brain stem.
        horns = (along < 2) & (along > -48) & (across < 26) & (below < 73)
        third = (along < 14) & (along > -20) & (across < 5)
        bodies = (along >= 2) & (along < 52) & (across < 40)
        bodies &= ~((along > 14) & (across < 11) & (below > 62))
        bodies &= ~((across < 24) & (below > 71))
        bodies &= ((across < 26) & (along < 38)) | (below > 58)
        place = (horns | third | bodies) & (deep > 17)
    elif 105 < below < 124:
        place = (along > 19) & (along < 48) & (across < 11) & (deep > 12)
    # A ventricle that reaches a little beyond its place is not cut off there.
    steps = max(round(_BEYOND_MM / grid.pixel_mm), 1)
    pieces, count = ndimage.label(fluid & ndimage.binary_dilation(place, iterations=steps))
    if count == 0:
        return place & False
    sizes = np.bincount(pieces.ravel()) * grid.pixel_mm**2
    placed = np.bincount(pieces[place], minlength=count + 1) * grid.pixel_mm**2
    keep = (placed > 12) & (placed > _MOSTLY * sizes)
    keep[0] = False
    return np.asarray(ndimage.binary_dilation(keep[pieces]) & found.inside)
