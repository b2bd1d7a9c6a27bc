"""Augment batches of slices in Hounsfield units and in space, then make the network's input."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from model.preprocess import ModelWindows, normalise

_WINDOWS = ModelWindows()


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def vary_hu(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Vary calibration and noise of float32[S, H, W] as scanners do.

    Offset to 4 HU and gain to 5 % either way (the same as jitter of window center and width),
    Gaussian noise of up to 6 HU.
    """
    count = len(hu)
    gain = _uniform(count, 0.95, 1.05, generator)[:, None, None]
    offset = _uniform(count, -4, 4, generator)[:, None, None]
    deviation = _uniform(count, 0, 6, generator)[:, None, None]
    noise = torch.randn(hu.shape, generator=generator) * deviation
    return hu * gain + offset + noise


def random_placement(count: int, generator: torch.Generator) -> Tensor:
    """Draw float32[count, 2, 3] affine maps for `affine_grid`.

    Mirrored in half the cases, rotated to 25 degrees, scaled by 0.75 to 1.1 of the field (a crop
    or a margin), each axis stretched to 6 %, moved by up to 6 % of the field.
    """
    angle = _uniform(count, -25, 25, generator) * (math.pi / 180)
    scale = _uniform(count, 0.75, 1.1, generator)
    stretch = _uniform(count, 0.94, 1.06, generator)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift_x = _uniform(count, -0.12, 0.12, generator)
    shift_y = _uniform(count, -0.12, 0.12, generator)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    first = torch.stack([cos * mirror * stretch, -sin, shift_x], dim=1)
    second = torch.stack([sin * mirror * stretch, cos, shift_y], dim=1)
    return torch.stack([first, second], dim=1)


def augmented_input(hu: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Make a training batch.

    Parameters
    ----------
    hu
        int16[S, H, H].
    size
        Rows and columns of the network's input.
    generator
        Source of all randomness.

    Returns
    -------
    float32[S, 3, size, size], normalised as in serving. Sampled at twice the size and averaged,
    which stands in for the antialiased resize of `Preprocess`.
    """
    windowed = _WINDOWS(vary_hu(hu.to(torch.float32), generator))
    placement = random_placement(len(hu), generator)
    grid = functional.affine_grid(placement, [len(hu), 3, 2 * size, 2 * size], align_corners=False)
    # Outside the field all three windows are 0, as they are for air.
    sampled = functional.grid_sample(windowed, grid, align_corners=False)
    return normalise(functional.avg_pool2d(sampled, 2))
