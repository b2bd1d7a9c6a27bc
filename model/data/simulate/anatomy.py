"""The anatomy of one slice, from its Hounsfield units alone: thresholds and morphology."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BONE_HU: Final = 170
_SOFT_HU: Final = (-30, 100)
_BRIDGES_MM: Final = (3.0, 8.0, 13.0)
"""Gaps in bone up to about twice this are closed: sutures and fractures; at the base, orbits and
large foramina, where the first does not do."""
_MUCH_MORE: Final = 1.4
"""A wider bridge is taken where it encloses this much more brain."""
_NECK_MM: Final = 5.0
"""Soft tissue that hangs together by less than twice this is taken apart: orbits, foramina."""
_LEAST_CM2: Final = 4.0
_BRAIN_HU: Final = (12.0, 52.0)

_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SliceAnatomy:
    """What was found in a slice of H x W pixels.

    Parameters
    ----------
    inside
        bool[H, W], the space within the inner table, vessels and calcifications included.
    depth_mm
        float32[H, W], in-plane distance from the inner table; 0 outside.
    brain_hu
        Median of the parenchyma; nan where there is no brain.
    noise_hu
        Standard deviation of the noise in homogeneous brain.
    """

    inside: _Mask
    depth_mm: NDArray[np.float32]
    brain_hu: float
    noise_hu: float


def find_inside(hu: NDArray[np.int16], pixel_mm: float) -> _Mask:
    """Find the intracranial space in the middle of the skull, or wherever bone encloses brain.

    Parameters
    ----------
    hu
        int16[H, W].
    pixel_mm
        Distance of pixels.

    Returns
    -------
    bool[H, W]; nothing is set where no brain is seen. Pieces of the face may be left over: what
    hangs together with the neighbouring slices is chosen by `series_anatomy`.
    """
    smooth = ndimage.gaussian_filter(np.clip(hu, -300, 600).astype(np.float32), 0.6 / pixel_mm)
    best = np.zeros(hu.shape, np.bool_)
    for bridge_mm in _BRIDGES_MM:
        found = _enclosed_brain(smooth, pixel_mm, bridge_mm)
        if found.sum() > _MUCH_MORE * best.sum():
            best = found
    edge = ndimage.binary_dilation(best) & (hu < 2 * BONE_HU) & (hu > 0)
    return np.asarray(best | edge)


def _enclosed_brain(smooth: NDArray[np.float32], pixel_mm: float, bridge_mm: float) -> _Mask:
    """Find brain that bone, with its gaps closed, goes all around."""
    bone = smooth > BONE_HU
    bridge = _closed(bone, bridge_mm / pixel_mm)
    enclosed = ndimage.binary_fill_holes(bridge) & ~bone
    soft = enclosed & (smooth > _SOFT_HU[0]) & (smooth < _SOFT_HU[1])
    core = ndimage.distance_transform_edt(soft) > _NECK_MM / pixel_mm
    pieces, count = ndimage.label(core)
    if count == 0:
        return np.zeros(smooth.shape, np.bool_)
    areas = np.bincount(pieces.ravel())[1:] * pixel_mm**2 / 100
    medians = ndimage.median(smooth, pieces, np.arange(1, count + 1))
    good = (areas > _LEAST_CM2 / 4) & (medians > _BRAIN_HU[0]) & (medians < _BRAIN_HU[1])
    chosen: _Mask = np.concatenate([[False], good])[pieces]
    if not chosen.any():
        return chosen
    near = ndimage.distance_transform_edt(~chosen) < (_NECK_MM + 1.5) / pixel_mm
    grown = near & ~bone & (smooth > -60) & ndimage.binary_fill_holes(bridge | chosen)
    return np.asarray(ndimage.binary_fill_holes(_largest_pieces(grown, pixel_mm)))


def measure(hu: NDArray[np.int16], inside: _Mask, pixel_mm: float) -> SliceAnatomy:
    """Measure depth, the brain's HU and the noise within `inside`."""
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] * pixel_mm
    # Distances to pixels come in steps; what follows the bone should not.
    depth = ndimage.gaussian_filter(depth, 1.2) * inside
    values = hu[depth > 4.0]
    values = values[(values > 0) & (values < 80)]
    if len(values) < 200:
        return SliceAnatomy(inside, depth.astype(np.float32), float("nan"), float("nan"))
    middle = depth > 6.0
    rough = hu - ndimage.gaussian_filter(hu.astype(np.float32), 2.0)
    spread = np.abs(rough[middle & (hu > 15) & (hu < 65)])
    noise = float(np.median(spread)) * 1.4826 if len(spread) else float("nan")
    return SliceAnatomy(inside, depth.astype(np.float32), float(np.median(values)), noise)


def _closed(mask: _Mask, radius: float) -> _Mask:
    """Close a mask with a disc: dilate and erode by distance."""
    far = ndimage.distance_transform_edt(~mask) > radius
    return np.asarray(ndimage.distance_transform_edt(~far) > radius) | mask


def _largest_pieces(mask: _Mask, pixel_mm: float) -> _Mask:
    pieces, _ = ndimage.label(mask)
    areas = np.bincount(pieces.ravel()) * pixel_mm**2 / 100
    areas[0] = 0
    return np.asarray((areas > _LEAST_CM2)[pieces])
