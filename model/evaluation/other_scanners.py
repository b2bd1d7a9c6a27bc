"""Other scanners and exports, each as one function on Hounsfield units, to be judged under."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

from model.data import scanner_variation as scanner

OtherScanner = Callable[[Tensor, float], Tensor]
"""HU of any type [B, C, N, N] and their pixels in mm, to float32 of that shape."""


def _higher(hu: Tensor, pixel_mm: float) -> Tensor:  # noqa: ARG001 - one form for all
    return offset(hu, 5)


def _softer(hu: Tensor, pixel_mm: float) -> Tensor:
    return scanner.blur(hu.float(), _strength(hu, 1.2 / pixel_mm))


def _sharper(hu: Tensor, pixel_mm: float) -> Tensor:
    width = _strength(hu, 0.8 / pixel_mm)
    edged = scanner.reconstruction_kernel(hu.float(), _strength(hu, 1), width)
    return scanner.textured_noise(edged, _strength(hu, 6), width)


def _coarser(hu: Tensor, pixel_mm: float) -> Tensor:  # noqa: ARG001 - one form for all
    return scanner.coarser_pixels(hu.float(), _strength(hu, 2))


def _exported(hu: Tensor, pixel_mm: float) -> Tensor:  # noqa: ARG001 - one form for all
    return scanner.eight_bits(hu.float(), _strength(hu, 40), _strength(hu, 80))


OTHER_SCANNERS: Final[Mapping[str, OtherScanner]] = {
    "5 HU higher": _higher,
    "softer kernel": _softer,
    "sharper kernel, 6 HU of noise": _sharper,
    "half the resolution": _coarser,
    "8 bits of 0 to 80 HU": _exported,
}
"""What another scanner or an export does; noise comes from torch's global generator."""


def offset(hu: Tensor, offset_hu: float) -> Tensor:
    """Calibrate so much higher: float32 in the shape of `hu`."""
    return scanner.offset_and_gain(hu.float(), _strength(hu, offset_hu), _strength(hu, 1))


def _strength(hu: Tensor, value: float) -> Tensor:
    return torch.full((len(hu),), value)
