"""From cached crops to a batch of the network's input, varied in Hounsfield units and in space.

Everything random comes from torch's global generator: who seeds it decides the batch.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from model.preprocess import normalise
from model.windowing import MODEL_WINDOWS, apply_window


@dataclass(frozen=True)
class Augmentation:
    """What is varied, one switch a kind.

    Parameters
    ----------
    flip
        Left and right are exchanged in half the cases.
    rotate
        Up to 25 degrees either way.
    crop
        The field is 0.75 to 1.1 of the slice wide, stretched to 6 % and moved by up to 6 %.
    contrast
        HU times 0.95 to 1.05, as between scanners.
    noise
        Gaussian, of up to 6 HU.
    window_jitter
        Each window's width by up to 10 %, its center by up to 5 % of the width.
    """

    flip: bool = True
    rotate: bool = True
    crop: bool = True
    contrast: bool = True
    noise: bool = True
    window_jitter: bool = True


NO_AUGMENTATION: Final = Augmentation(*[False] * 6)


def network_input(
    hu: Tensor, placement: Tensor, size: int, augmentation: Augmentation = NO_AUGMENTATION
) -> Tensor:
    """Put cached crops back at their places in the field, varied, as the network's input.

    Parameters
    ----------
    hu
        int16[B, C, H, H], cached crops: C slices an input.
    placement
        float32[B, C, 3], scale and shift that put each crop into its field.
    size
        Rows and columns of the network's input.
    augmentation
        All slices of an input are varied alike, but for noise.

    Returns
    -------
    float32[B, 3 C, size, size], normalised as in serving, slice by slice: its three windows.
    Sampled finer and averaged, which stands in for the antialiased resize of `Preprocess`.
    """
    batch, slices = hu.shape[:2]
    windowed = vary_windows(vary_hu(hu.to(torch.float32), augmentation), augmentation)
    theta = compose(random_affine(batch, augmentation).to(hu.device), placement)
    finer = max(2, hu.shape[-1] // size)
    shape = [batch * slices, len(MODEL_WINDOWS), finer * size, finer * size]
    grid = functional.affine_grid(theta.flatten(0, 1), shape, align_corners=False)
    # Outside the crop all three windows are 0, as they are for air.
    sampled = functional.grid_sample(windowed.flatten(0, 1), grid, align_corners=False)
    channels = slices * len(MODEL_WINDOWS)
    return normalise(functional.avg_pool2d(sampled, finer)).reshape(batch, channels, size, size)


def vary_hu(hu: Tensor, augmentation: Augmentation) -> Tensor:
    """Vary contrast and noise of float32[B, C, H, H]."""
    count = len(hu)
    if augmentation.contrast:
        hu = hu * _uniform(count, 0.95, 1.05, hu)
    if augmentation.noise:
        hu = hu + torch.randn_like(hu) * _uniform(count, 0, 6, hu)
    return hu


def vary_windows(hu: Tensor, augmentation: Augmentation) -> Tensor:
    """Window float32[B, C, H, H] into float32[B, C, 3, H, H], range 0..1."""
    channels = []
    for window in MODEL_WINDOWS:
        seen = hu
        if augmentation.window_jitter:
            width = _uniform(len(hu), 0.9, 1.1, hu)
            center = _uniform(len(hu), -0.05 * window.width, 0.05 * window.width, hu)
            # Seen through the fixed window, this is HU through the varied one.
            seen = (hu - window.center - center) / width + window.center
        channels.append(apply_window(seen, window))
    return torch.stack(channels, dim=2)


def random_affine(count: int, augmentation: Augmentation) -> Tensor:
    """Draw affine maps float32[count, 2, 3] from the network's field to the slice's field."""
    identity = torch.eye(2).expand(count, 2, 2)
    turn, stretch, shift = identity, identity, torch.zeros(count, 2, 1)
    if augmentation.rotate:
        angle = (torch.rand(count) - 0.5) * math.radians(50)
        cos, sin = torch.cos(angle), torch.sin(angle)
        turn = torch.stack([cos, -sin, sin, cos], dim=1).reshape(count, 2, 2)
    if augmentation.crop:
        scale = torch.rand(count) * 0.35 + 0.75
        across = torch.rand(count) * 0.12 + 0.94
        stretch = torch.diag_embed(torch.stack([scale * across, scale], dim=1))
        # Units of half a field.
        shift = (torch.rand(count, 2, 1) - 0.5) * 0.24
    if augmentation.flip:
        mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
        stretch = stretch * torch.stack([mirror, torch.ones(count)], dim=1)[:, None, :]
    return torch.cat([turn @ stretch, shift], dim=2)


def compose(affine: Tensor, placement: Tensor) -> Tensor:
    """Maps from the network's field into each cached crop, float32[B, C, 2, 3].

    Parameters
    ----------
    affine
        float32[B, 2, 3], from the network's field to the slice's field.
    placement
        float32[B, C, 3], from the slice's field to the crop: scale, shift_x, shift_y.
    """
    theta = affine[:, None] * placement[:, :, :1, None]
    offset = functional.pad(placement[:, :, 1:, None], (2, 0))
    return theta + offset


def _uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """One number an input, float32[count, 1, 1, 1]; drawn on the CPU, whatever the device."""
    drawn = torch.rand(count, 1, 1, 1) * (high - low) + low
    return drawn.to(like.device, non_blocking=True)
