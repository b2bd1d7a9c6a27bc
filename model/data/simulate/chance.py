"""Draws that several lesions share."""

from typing import Final

import numpy as np

from model.data.simulate.series_anatomy import SeriesAnatomy

Spot = tuple[float, float, float]


def noise_shift(rng: np.random.Generator) -> Spot:
    """Draw where in the tile of noise a lesion begins."""
    x, y, z = rng.random(3)
    return float(x), float(y), float(z)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a size, small ones as often as large ones on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


ACUTE_HU: Final = (46.0, 86.0)
"""Clotted acute blood is 50 to 90 HU at haematocrits of 30 to 50 % (New and Aronow 1976,
Radiology 121: 635-640, measured attenuation of whole blood and clots); the blood of anaemic and
anticoagulated patients, which does not clot, is 45 to 60."""


def acute_hu(rng: np.random.Generator) -> float:
    """Draw the HU of acute blood, most of it in the lower half of the range."""
    low, high = ACUTE_HU
    return float(low + (high - low) * rng.beta(1.8, 3.0))


def slice_z(anatomy: SeriesAnatomy, index: int, rng: np.random.Generator, half_mm: float) -> float:
    """Draw a lesion's middle height so that slice `index` is cut by it, mostly well."""
    offset = float(np.clip(rng.normal(0, 0.38), -0.85, 0.85)) * half_mm
    return anatomy.grids[index].z_mm + offset
