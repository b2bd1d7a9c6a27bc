"""From Hounsfield units to the network's input: windowing, padding, resizing, normalisation.

These modules are part of the exported artefact, so that training and serving cannot drift apart.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.windowing import HU_MIN, MODEL_WINDOWS, apply_window

CHANNEL_MEAN: Final = 0.2
CHANNEL_STD: Final = 0.3
"""Round numbers near the mean and deviation of windowed head slices. Plain floats, not buffers:
converting the artefact to half precision must not round them."""


class ModelWindows(nn.Module):
    """HU to one channel a model window.

    Every operation is elementwise, so that a trace of this module holds for every shape. It is
    traced at export because `apply_window` also serves NumPy and is not written for TorchScript.
    """

    def forward(self, hu: Tensor) -> Tensor:
        """Window `hu` float32[S, H, W] into float32[S, 3, H, W], range 0..1."""
        return torch.stack([apply_window(hu, window) for window in MODEL_WINDOWS], dim=1)


def pad_to_square(hu: Tensor) -> Tensor:
    """Pad float32[S, H, W] with air to float32[S, N, N], N = max(H, W), the slice in the middle.

    Parameters
    ----------
    hu
        Hounsfield units.

    Returns
    -------
    The slices, padded with `HU_MIN`; an odd remainder goes to the right or to the bottom.
    """
    height, width = hu.shape[-2], hu.shape[-1]
    size = max(height, width)
    top = (size - height) // 2
    left = (size - width) // 2
    padding = [left, size - width - left, top, size - height - top]
    return functional.pad(hu, padding, value=-1024.0)


def neighbours(hu: Tensor, count: int) -> Tensor:
    """Give each slice of a series the ones beside it.

    Parameters
    ----------
    hu
        int16[S, H, W], in order along the head.
    count
        1, or 3: the slice below, itself, the slice above. The first and the last slice stand in
        for what lies beyond them, and so does a single slice.

    Returns
    -------
    int16[S, count, H, W].
    """
    if count == 1:
        return hu.unsqueeze(1)
    below = torch.cat([hu[:1], hu[:-1]])
    above = torch.cat([hu[1:], hu[-1:]])
    return torch.stack([below, hu, above], dim=1)


def normalise(windowed: Tensor) -> Tensor:
    """Shift and scale windowed values (0..1) to about zero mean and unit variance."""
    return (windowed - 0.2) / 0.3


class Preprocess(nn.Module):
    """HU of any size to the network's input.

    Parameters
    ----------
    input_size
        Rows and columns of the network's input in pixels.
    """

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.windows: nn.Module = ModelWindows()

    def forward(self, hu: Tensor) -> Tensor:
        """Window at full resolution, then resize: a thin bright rim survives in this order.

        Parameters
        ----------
        hu
            int16[S, C, H, W], Hounsfield units; C slices make one input.

        Returns
        -------
        float32[S, 3 * C, input_size, input_size], about -0.7..2.7: the windows of the first of
        the C slices, of the second, and so on.
        """
        square = pad_to_square(hu.flatten(0, 1).to(torch.float32).clip(min=-1024.0))
        windowed = self.windows(square)
        size = [self.input_size, self.input_size]
        resized = functional.interpolate(windowed, size, mode="bilinear", antialias=True)
        channels = hu.shape[1] * resized.shape[1]
        return normalise(resized).reshape(hu.shape[0], channels, size[0], size[1])


# TorchScript cannot read module constants that are not Final class attributes; the literals above
# are held to the named values here, once, at import.
if HU_MIN != -1024 or (CHANNEL_MEAN, CHANNEL_STD) != (0.2, 0.3):
    raise ImportError("model.preprocess repeats HU_MIN and the normalisation: bring them in line")
