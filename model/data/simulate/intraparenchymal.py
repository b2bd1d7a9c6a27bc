"""Intraparenchymal hemorrhage: irregular, in its usual places, with oedema and mass effect."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from model.data.simulate.blob import Blob
from model.data.simulate.chance import acute_hu, log_uniform, noise_shift, slice_z
from model.data.simulate.series_anatomy import DEPTH_STEP_MM, SeriesAnatomy


@dataclass(frozen=True)
class Place:
    """Where such bleeds sit in a usual head: across (either side), along and below, in mm."""

    name: str
    across: tuple[float, float]
    along: tuple[float, float]
    below: tuple[float, float]
    radius_mm: tuple[float, float]


DEEP_PLACES: Final = (
    Place("basal ganglia", (20, 32), (-22, 10), (60, 82), (3, 24)),
    Place("thalamus", (7, 18), (2, 20), (60, 80), (2.5, 16)),
    Place("pons", (0, 9), (4, 22), (96, 116), (2.5, 12)),
    Place("cerebellum", (5, 38), (34, 68), (100, 128), (3, 20)),
)
"""Sites of hypertensive bleeds: putamen, thalamus, pons, cerebellum (Osborn's Brain; Qureshi et
al. 2001, New England Journal of Medicine 344: 1450-1460)."""


def draw_intraparenchymal(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator
) -> list[Blob]:
    """Draw one bleed, or the many of a contusion, that slice `index` cuts."""
    if anatomy.frame is None:
        return []
    below = anatomy.frame.below_vertex(anatomy.grids[index].z_mm)
    fitting = [p for p in DEEP_PLACES if p.below[0] - 4 < below < p.below[1] + 4]
    chance = rng.random()
    if fitting and chance < 0.4:
        return [_deep(anatomy, index, rng, fitting[int(rng.integers(len(fitting)))])]
    if chance < 0.72:
        return [_lobar(anatomy, index, rng)]
    return _contusions(anatomy, index, rng)


def _drawn(
    site: str,
    center: tuple[float, float],
    radius: float,
    *,
    anatomy: SeriesAnatomy,
    index: int,
    rng: np.random.Generator,
) -> Blob:
    long = float(rng.uniform(1.0, 1.7))
    tall = radius * float(rng.uniform(0.8, 1.4))
    old = rng.random() < 0.12
    bruise = site == "contusion"
    return Blob(
        kind="intraparenchymal",
        site=site,
        center=(*center, slice_z(anatomy, index, rng, tall)),
        radii_mm=(radius * long**0.5, radius / long**0.5, max(tall, 2.5)),
        turn=float(rng.uniform(0, np.pi)),
        rough=float(rng.uniform(0.12, 0.55)),
        soft_mm=float(rng.uniform(1.4, 5.5)) * min(1.0, 0.4 + radius / 8),
        mixed=float(rng.uniform(0.1, 0.75)) if rng.random() < (0.8 if bruise else 0.45) else 0.0,
        hu=float(rng.uniform(44, 56)) if old else acute_hu(rng) - (6 if bruise else 0),
        patchy_hu=float(rng.uniform(1.0, 6.0)),
        rim=float(rng.uniform(0.15, 0.7)) if rng.random() < 0.75 else 0.0,
        push=float(rng.uniform(0.15, 0.55)),
        seed=noise_shift(rng),
    )


def _deep(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator, place: Place) -> Blob:
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    across = float(rng.uniform(*place.across)) * (1 if rng.random() < 0.5 else -1)
    below = anatomy.frame.below_vertex(anatomy.grids[index].z_mm)
    x, y, _ = anatomy.frame.point(across, float(rng.uniform(*place.along)), below)
    radius = log_uniform(rng, *place.radius_mm)
    return _drawn(place.name, (x, y), radius, anatomy=anatomy, index=index, rng=rng)


def _tissue_point(
    anatomy: SeriesAnatomy, index: int, rng: np.random.Generator, depth: tuple[float, float]
) -> tuple[float, float]:
    """Draw a point (x, y) of slice `index` within a range of depths below the inner table."""
    depths = anatomy.depths[index]
    low, high = depth[0] / DEPTH_STEP_MM, depth[1] / DEPTH_STEP_MM
    found = np.flatnonzero((depths >= low) & (depths <= high) & (anatomy.codes[index] == 1))
    if not len(found):
        found = np.flatnonzero(anatomy.codes[index] > 0)
    row, column = divmod(int(found[int(rng.integers(len(found)))]), depths.shape[1])
    grid = anatomy.grids[index]
    return grid.left_mm + column * grid.pixel_mm, grid.top_mm + row * grid.pixel_mm


def _lobar(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator) -> Blob:
    radius = log_uniform(rng, 2.0, 26)
    center = _tissue_point(anatomy, index, rng, (min(4 + 0.6 * radius, 18), 16 + radius))
    center = _beside_falx(anatomy, index, center, radius)
    return _drawn("lobar", center, radius, anatomy=anatomy, index=index, rng=rng)


def _beside_falx(
    anatomy: SeriesAnatomy, index: int, center: tuple[float, float], radius: float
) -> tuple[float, float]:
    """Move a middle outward, so that the falx does not cut much off."""
    if anatomy.frame is None:
        raise ValueError("The series shows no brain.")
    across = anatomy.frame.across_of(*center, anatomy.grids[index].z_mm)
    step = np.sign(across) * max(1.05 * radius - abs(across), 0.0)
    right, _ = anatomy.frame.directions()
    return float(center[0] + right[0] * step), float(center[1] + right[1] * step)


def _contusions(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator) -> list[Blob]:
    """Several small bleeds of the cortex close together (frontal and temporal more often)."""
    x, y = _tissue_point(anatomy, index, rng, (2.5, 10))
    spread = float(rng.uniform(5, 14))
    found = []
    for number in range(int(rng.integers(1, 6))):
        step = rng.normal(0, spread, 2) if number else np.zeros(2)
        radius = log_uniform(rng, 1.8, 9 if number == 0 else 5)
        found.append(
            _drawn(
                "contusion",
                (x + step[0], y + step[1]),
                radius,
                anatomy=anatomy,
                index=index,
                rng=rng,
            )
        )
    return found
