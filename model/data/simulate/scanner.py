"""What differs between scanners and sites, as plain functions on slices in Hounsfield units.

Each takes float32[S, H, W] and a generator, and returns a new array of the same shape; strengths
are arguments, drawn by `vary_scanner`. The sources of difference: reconstruction kernel and noise
texture (Solomon, Christianson and Samei 2012, Medical Physics 39: 6048-6055, on noise spectra),
slice thickness, field of view and padding (DICOM PS3.3 C.8.2.1, C.7.5.1.1.2), 8-bit exports.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model.windowing import HU_MIN

_AIR_HU: Final = -1000.0

Slices = NDArray[np.floating[Any]]


def offset_and_gain(hu: Slices, offset_hu: float, gain: float) -> Slices:
    """Calibrate otherwise: water off 0 by `offset_hu`, everything else stretched by `gain`."""
    return np.asarray(np.maximum(hu * gain + offset_hu, HU_MIN), hu.dtype)


def smoother_kernel(hu: Slices, sigma_pixels: float) -> Slices:
    """Blur in plane, as a softer kernel does."""
    return np.asarray(ndimage.gaussian_filter(hu, (0, sigma_pixels, sigma_pixels)))


def sharper_kernel(hu: Slices, amount: float, sigma_pixels: float = 1.0) -> Slices:
    """Enhance edges and noise, as a bone kernel does; edges overshoot."""
    blurred = ndimage.gaussian_filter(hu, (0, sigma_pixels, sigma_pixels))
    return np.asarray(np.maximum(hu + amount * (hu - blurred), HU_MIN))


def coloured_noise(
    hu: Slices, rng: np.random.Generator, deviation_hu: float, grain_pixels: float
) -> Slices:
    """Add noise with a grain: 0 is white, 1 to 2 what soft kernels and iterative methods leave.

    Outside the body noise is left out, as most consoles cut it off.
    """
    noise = rng.standard_normal(hu.shape, np.float32)
    if grain_pixels > 0:
        noise = ndimage.gaussian_filter(noise, (0, grain_pixels, grain_pixels))
        noise /= noise.std() + 1e-6
    body = np.clip((hu + 600) / 400, 0, 1)
    return np.asarray(hu + deviation_hu * noise * body, hu.dtype)


def thicker_slices(hu: Slices, share: float) -> Slices:
    """Average each slice with its neighbours in the series: `share` of them, 0 to 0.5 each side."""
    if len(hu) < 2 or share <= 0:
        return hu.copy()
    below = np.concatenate([hu[:1], hu[:-1]])
    above = np.concatenate([hu[1:], hu[-1:]])
    return np.asarray((hu + share * (below + above)) / (1 + 2 * share), hu.dtype)


def other_field(hu: Slices, scale: float, shift_pixels: tuple[float, float]) -> Slices:
    """Reconstruct another field of view: `scale` > 1 shows more around the head (air).

    The same number of pixels, so that everything becomes smaller.
    """
    rows, columns = hu.shape[1:]
    middle = np.array([rows - 1, columns - 1]) / 2
    start = middle - scale * middle + np.array(shift_pixels)
    return np.stack(
        [ndimage.affine_transform(one, [scale, scale], start, order=1, cval=_AIR_HU) for one in hu]
    )


def head_holder(hu: Slices, rng: np.random.Generator, hu_of_holder: float) -> Slices:
    """Put a head rest below the head: an arc with a thin shell, of carbon fibre over foam."""
    rows, columns = hu.shape[1:]
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    radius = columns * float(rng.uniform(0.5, 0.72))
    middle_x = columns * (0.5 + float(rng.uniform(-0.05, 0.05)))
    lowest = rows * float(rng.uniform(0.93, 1.02))
    distance = np.hypot(x - middle_x, y - (lowest - radius))
    shell = np.clip(1.2 - np.abs(distance - radius), 0, 1) * (y > lowest - 0.42 * radius)
    foam = np.clip((radius - distance) / 4, 0, 1) * (y > lowest - 0.3 * radius)
    rest = _AIR_HU + (hu_of_holder - _AIR_HU) * shell + 60 * foam
    return np.asarray(np.where(hu < -500, np.maximum(hu, rest), hu), hu.dtype)


def eight_bits(hu: Slices, center: float, width: float) -> Slices:
    """Keep what an 8-bit export in a window keeps: 256 levels, and nothing outside."""
    low = center - width / 2
    grey = np.rint(np.clip((hu - low) / width, 0, 1) * 255)
    return np.asarray(low + grey * (width / 255), hu.dtype)


def padding(hu: Slices, value_hu: float, radius: float = 0.5) -> Slices:
    """Fill what lies outside the circle of reconstruction (`radius` of the width) with a value."""
    rows, columns = hu.shape[1:]
    y, x = np.ogrid[:rows, :columns]
    far = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) > radius * columns
    return np.asarray(np.where(far, value_hu, hu), hu.dtype)


@dataclass(frozen=True)
class ScannerRange:
    """How far `vary_scanner` goes, and how often it does each thing."""

    offset_hu: float = 4.0
    gain: float = 0.03
    blur_pixels: float = 1.0
    sharpen: float = 0.8
    noise_hu: float = 6.0
    grain_pixels: float = 1.4
    thickness_share: float = 0.4
    field_scale: float = 1.35
    seldom: float = 0.12
    often: float = 0.5


def vary_scanner(
    hu: NDArray[np.int16], rng: np.random.Generator, limits: ScannerRange | None = None
) -> NDArray[np.int16]:
    """Show slices as another scanner might have.

    Parameters
    ----------
    hu
        int16[S, H, W], neighbouring slices of one series (S may be 1): all are treated alike.
    rng
        Source of all chance.
    limits
        How far to go.
    """
    limits = limits or ScannerRange()
    made: Slices = hu.astype(np.float32)
    if rng.random() < limits.often:
        made = thicker_slices(made, float(rng.uniform(0, limits.thickness_share)))
    kernel = rng.random()
    if kernel < limits.often / 2:
        made = smoother_kernel(made, float(rng.uniform(0.2, limits.blur_pixels)))
    elif kernel < limits.often:
        made = sharper_kernel(made, float(rng.uniform(0.1, limits.sharpen)))
    if rng.random() < limits.often:
        grain = float(rng.uniform(0, limits.grain_pixels))
        made = coloured_noise(made, rng, float(rng.uniform(0.5, limits.noise_hu)), grain)
    gain = 1 + float(rng.uniform(-limits.gain, limits.gain))
    made = offset_and_gain(made, float(rng.uniform(-limits.offset_hu, limits.offset_hu)), gain)
    if rng.random() < limits.seldom:
        scale = float(rng.uniform(0.95, limits.field_scale))
        far = 0.05 * hu.shape[-1]
        shift = (float(rng.uniform(-far, far)), float(rng.uniform(-far, far)))
        made = other_field(made, scale, shift)
    if rng.random() < limits.seldom:
        made = head_holder(made, rng, float(rng.uniform(-300, 400)))
    if rng.random() < limits.seldom:
        made = padding(made, float(rng.choice([-1024, -1000, 0])))
    if rng.random() < limits.seldom:
        window = ((40, 80), (40, 120), (80, 200), (35, 100))[int(rng.integers(4))]
        made = eight_bits(made, *window)
    return np.asarray(np.clip(np.rint(made), HU_MIN, 32767), np.int16)
