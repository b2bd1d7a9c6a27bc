"""What differs between scanners and sites, as functions on batches in Hounsfield units.

Each takes float32[B, C, H, W] in HU (C slices an input, varied alike), strengths as float32[B],
one an input, on any device, and returns a new tensor. A strength's value that changes nothing is
named with it. Lengths are pixels of the given tensors.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_BODY_HU: Final = -400.0
"""Below is air, above is the body."""


def offset_and_gain(hu: Tensor, offset_hu: Tensor, gain: Tensor) -> Tensor:
    """Calibrate otherwise: HU times `gain` (1), plus `offset_hu` (0)."""
    return torch.addcmul(_each(offset_hu, hu), hu, _each(gain, hu))


def blur(hu: Tensor, sigma_pixels: Tensor) -> Tensor:
    """Blur in plane, nearly as a Gaussian of this standard deviation does (0).

    The kernel is w, 1 - 2 w, w along rows and columns, with its taps 1 pixel apart, then 2, 4
    and so on, as long as variance is left to be given (an "à trous" cascade): a few additions a
    pixel, however wide.
    """
    variance, spacing = sigma_pixels.square(), 1
    while float(variance.max()) > 1e-6:
        weight = (variance / (2 * spacing**2)).clip(max=0.25)
        for axis in (-2, -1):
            hu = _averaged(hu, _each(weight, hu), spacing, axis)
        variance, spacing = variance - 2 * spacing**2 * weight, 2 * spacing
    return hu


def reconstruction_kernel(hu: Tensor, sharpness: Tensor, sigma_pixels: Tensor) -> Tensor:
    """Reconstruct with a smoother or a sharper kernel.

    Frequencies above those that `blur` leaves are multiplied by 1 + `sharpness`: -1 is the blur
    itself, as of a soft kernel; above 0 edges overshoot and noise grows, as with a bone kernel (0).
    """
    return hu + _each(sharpness, hu) * (hu - blur(hu, sigma_pixels))


def textured_noise(hu: Tensor, deviation_hu: Tensor, grain_pixels: Tensor) -> Tensor:
    """Add noise of this standard deviation (0) in the body, white or with a grain.

    Grain is the standard deviation of the Gaussian that white noise was blurred by: 0 is white.
    Noise spectra of clinical kernels lie between nearly white and a few tenths of a line pair a
    millimetre (Solomon, Christianson and Samei 2012, Medical Physics 39: 6048-6055). In air it is
    left out: no window shows it.
    """
    noise = blur(torch.randn_like(hu), grain_pixels)
    # The root of the mean square: many times as fast as std().
    found = noise.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return torch.addcmul(hu, noise, _each(deviation_hu, hu) / found * (hu > _BODY_HU))


def coarser_pixels(hu: Tensor, factor: Tensor) -> Tensor:
    """Reconstruct on pixels `factor` as wide (1 or less), and interpolate back."""
    size = hu.shape[-2:]
    made = []
    for one, coarser in zip(hu, factor.clip(min=1).tolist(), strict=True):
        fewer = [max(1, round(side / coarser)) for side in size]
        small = functional.interpolate(one[None], fewer, mode="bilinear", antialias=True)
        made.append(functional.interpolate(small, size, mode="bilinear"))
    return torch.cat(made)


def thicker_slices(hu: Tensor, thickness: Tensor, tilt: Tensor) -> Tensor:
    """Cut the head in thicker slices, or with another tilt of the gantry.

    Each slice becomes a mean over a slab along z, of itself and the slices beside it.

    Parameters
    ----------
    hu
        float32[B, C + 2, H, W], neighbours in a series, in one field.
    thickness
        Of the slab in slices, 1 (nothing changes) to 2.
    tilt
        How far the slab lies above the slice in the last row, and below it in the first, in
        slices (0); with half the thickness at most 1.5.

    Returns
    -------
    float32[B, C, H, W], without the outermost two.
    """
    rows = torch.linspace(-1, 1, hu.shape[-2], device=hu.device)[:, None]
    middle, half = _each(tilt, hu) * rows, _each(thickness, hu) / 2
    above = (middle + half - 0.5).clip(min=0) / (2 * half)
    below = (half - middle - 0.5).clip(min=0) / (2 * half)
    return hu[:, 1:-1] * (1 - above - below) + hu[:, 2:] * above + hu[:, :-2] * below


def head_holder(
    hu: Tensor,
    *,
    holder_hu: Tensor,
    radius: Tensor,
    lowest: Tensor,
    across: Tensor,
    shell: Tensor,
) -> Tensor:
    """Put a shell of carbon fibre into the air below the head: a cradle, or the table's top.

    Parameters
    ----------
    holder_hu
        Of the shell.
    radius
        Of its arc in widths of the slice: about 0.5 for a cradle, above 1 for a table.
    lowest, across
        Where its lowest point lies, in heights and widths of the slice.
    shell
        Its thickness in pixels.
    """
    rows, columns = hu.shape[-2:]
    y = torch.arange(rows, device=hu.device, dtype=hu.dtype)[:, None]
    x = torch.arange(columns, device=hu.device, dtype=hu.dtype)
    radius_pixels = _each(radius, hu) * columns
    bottom = _each(lowest, hu) * rows
    distance = torch.hypot(x - _each(across, hu) * columns, y - (bottom - radius_pixels))
    cover = ((_each(shell, hu) + 1) / 2 - (distance - radius_pixels).abs()).clip(0, 1)
    # The ends of a cradle reach to the ears, not around the head.
    cover = cover * (y > bottom - 0.35 * rows)
    return torch.where(hu < _BODY_HU, torch.lerp(hu, _each(holder_hu, hu), cover), hu)


def eight_bits(hu: Tensor, center: Tensor, width: Tensor) -> Tensor:
    """Keep what an 8-bit export in a window keeps: 256 levels, and nothing outside of it.

    The window is LINEAR_EXACT (DICOM PS3.3 C.11.2.1.3.2), in HU.
    """
    low, step = _each(center - width / 2, hu), _each(width / 255, hu)
    return ((hu - low) / step).round().clip(0, 255) * step + low


def padding(hu: Tensor, value_hu: Tensor, radius: Tensor) -> Tensor:
    """Fill what lies outside the circle of reconstruction with a value.

    `radius` in widths of the slice (above 0.71: none lies outside). Files pad with any value
    (Pixel Padding Value, DICOM PS3.3 C.7.5.1.1.2): -1024, -2000, or 0 where it is not named.
    """
    rows, columns = hu.shape[-2:]
    y = torch.arange(rows, device=hu.device)[:, None] - (rows - 1) / 2
    x = torch.arange(columns, device=hu.device) - (columns - 1) / 2
    far = torch.hypot(x, y) > _each(radius, hu) * columns
    return torch.where(far, _each(value_hu, hu), hu)


def _averaged(hu: Tensor, weight: Tensor, spacing: int, axis: int) -> Tensor:
    """Convolve along an axis with `weight`, 1 - 2 `weight`, `weight`, its taps `spacing` apart.

    Each pixel takes a share of the difference to each of the two; at the borders there is none.
    """
    reach = hu.shape[axis] - spacing
    ahead = hu.narrow(axis, spacing, reach) - hu.narrow(axis, 0, reach)
    made = hu.clone()
    made.narrow(axis, 0, reach).addcmul_(ahead, weight)
    made.narrow(axis, spacing, reach).addcmul_(ahead, weight, value=-1)
    return made


def _each(strength: Tensor, hu: Tensor) -> Tensor:
    """One number an input, to go with float32[B, C, H, W]."""
    return strength[:, None, None, None].to(hu.device, non_blocking=True)
