"""Windowing: the one mapping from Hounsfield units to 0..1 for training, serving and display.

Falx uses the VOI LUT function LINEAR_EXACT (DICOM PS3.3 C.11.2.1.3.2), which maps
``center - width / 2`` to 0 and ``center + width / 2`` to 1. The older LINEAR function differs from
it by up to 3 of 255 grey levels at width 80.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray


class _Arithmetic(Protocol):
    """What NumPy arrays and torch tensors share, so that one function serves both."""

    def __sub__(self, other: float, /) -> Self: ...
    def __truediv__(self, other: float, /) -> Self: ...
    def clip(self, low: float, high: float, /) -> Self: ...


_Array = TypeVar("_Array", bound=_Arithmetic)


@dataclass(frozen=True)
class Window:
    """A display window; `center` and `width` in HU, `width` > 0."""

    name: str
    center: float
    width: float


BRAIN: Final = Window("brain", 40, 80)
SUBDURAL: Final = Window("subdural", 80, 200)
BONE: Final = Window("bone", 600, 2800)
STROKE: Final = Window("stroke", 40, 40)
SOFT_TISSUE: Final = Window("soft-tissue", 40, 400)

MODEL_WINDOWS: Final = (BRAIN, SUBDURAL, BONE)
"""The network's input channels, in this order."""

DISPLAY_PRESETS: Final = (BRAIN, SUBDURAL, BONE, STROKE, SOFT_TISSUE)

HU_MIN: Final = -1024
"""Values below (padding outside the scan circle) are raised to this."""


def apply_window(hu: _Array, window: Window) -> _Array:
    """Map HU to 0..1 through `window` (PS3.3 C.11.2.1.3.2, LINEAR_EXACT).

    Parameters
    ----------
    hu
        Hounsfield units, any shape: a floating-point NumPy array or torch tensor.
    window
        The window to apply.

    Returns
    -------
    Same type and shape as `hu`, range 0..1.
    """
    lowest = window.center - window.width / 2
    return ((hu - lowest) / window.width).clip(0.0, 1.0)


@cache
def grey_lookup(window: Window) -> NDArray[np.uint8]:
    """Grey levels of all 16-bit HU: uint8[65536], indexed by ``hu.view(uint16)``.

    One table look-up a pixel renders a slice several times faster than arithmetic does.
    """
    every_hu = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.float64)
    grey = np.rint(apply_window(every_hu, window) * 255)
    return grey.astype(np.uint8)
