"""A whole series of a synthetic head, with bleeding from the simulator, and its masks."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.insert import Plan, SimulatedSlice, draw_lesions, insert_slice
from model.data.simulate.series_anatomy import series_anatomy
from model.data.synthetic.head import draw_head
from model.data.synthetic.scan import Scan, clean_slice, record
from model.data.synthetic.shapes import STRIDE, Window, window
from model.labels import LABELS, SUBTYPES

_DRAWS: Final = 12
"""Where bleeding is wanted and none is visible, it is drawn again so many times at most."""
_BODY_HU: Final = -300


@dataclass(frozen=True)
class SyntheticSeries:
    """A series.

    Parameters
    ----------
    seed, scan, plan
        What it was made from.
    hu
        int16[S, H, W], from the neck upward.
    targets
        int8[S, 6], in `LABELS` order.
    masks
        bool[S, 5, H, W], in `SUBTYPES` order.
    description
        One line for each lesion and look-alike.
    """

    seed: int
    scan: Scan
    plan: Plan | None
    hu: NDArray[np.int16]
    targets: NDArray[np.int8]
    masks: NDArray[np.bool_]
    description: tuple[str, ...]


def bleeding_of(subtype: str) -> Plan:
    """Plan for one bleed of a subtype and nothing else."""
    chances = tuple(float(one == subtype) for one in SUBTYPES)
    return Plan(bleeding=1.0, subtypes=chances, mixture=0.0, look_alikes=0.0, trauma=0.0)


def make_series(seed: int, scan: Scan, plan: Plan | None = None) -> SyntheticSeries:
    """Make a head, bleed into it, and scan it.

    Parameters
    ----------
    seed
        Of everything: the same arguments give the same series.
    scan
        Geometry and noise.
    plan
        What bleeds or only looks like it; nothing where it is None. The simulator puts it in before
        the scanner's noise, which lies over blood and brain alike.
    """
    head = draw_head(seed)
    clean = np.stack([clean_slice(head, scan, index) for index in range(scan.n_slices)])
    shape = (scan.n_slices, len(SUBTYPES), scan.pixels, scan.pixels)
    targets, masks = np.zeros((scan.n_slices, len(LABELS)), np.int8), np.zeros(shape, np.bool_)
    description: tuple[str, ...] = ()
    part = window(clean[:, ::STRIDE, ::STRIDE].max(axis=0) > _BODY_HU)
    if plan is not None and part is not None:
        before = np.rint(clean[:, *part]).astype(np.int16)
        made = _insert(before, scan, part, (seed, plan))
        nearest = np.rint(np.arange(scan.pixels) / scan.finer).astype(np.int64)
        for index, one in enumerate(made):
            changed = one.hu != before[index]
            clean[index][part][changed] = one.hu[changed]
            targets[index] = one.targets
            whole = np.zeros((len(SUBTYPES), *clean.shape[1:]), np.bool_)
            whole[:, *part] = one.masks
            masks[index] = whole[:, nearest][:, :, nearest]
        description = made[0].description
    hu = np.stack([record(one, scan, (seed, 1, index)) for index, one in enumerate(clean)])
    return SyntheticSeries(seed, scan, plan, hu, targets, masks, description)


def _insert(
    hu: NDArray[np.int16], scan: Scan, part: Window, drawn_from: tuple[int, Plan]
) -> list[SimulatedSlice]:
    """Insert what the plan draws into a part of the planes, int16[S, h, w]."""
    rows, columns = part
    grids = [scan.coarse_grid(index) for index in range(scan.n_slices)]
    grids = [
        replace(
            grid,
            left_mm=grid.left_mm + columns.start * grid.pixel_mm,
            top_mm=grid.top_mm + rows.start * grid.pixel_mm,
        )
        for grid in grids
    ]
    anatomy = series_anatomy(list(hu), grids)
    good = np.flatnonzero(anatomy.good)
    seed, plan = drawn_from
    for turn in range(_DRAWS):
        rng = np.random.default_rng((seed, 2, turn))
        lesions = draw_lesions(anatomy, int(rng.choice(good)) if len(good) else 0, rng, plan)
        made = [
            insert_slice(one, anatomy, index, lesions, scan.thickness_mm)
            for index, one in enumerate(hu)
        ]
        quiet = plan.bleeding < 1 and not any(one.kind in SUBTYPES for one in lesions)
        if quiet or any(one.targets[0] for one in made):
            break
    return made
