"""Hounsfield units in eight bits: fine where blood and brain differ, coarse in air and bone."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SPANS: Final = (
    (-1024, -100, 84),
    (-100, -20, 4),
    (-20, 100, 1),
    (100, 200, 2),
    (200, 1000, 25),
    (1000, 3072, 112),
)
"""From, to and step, in HU. The widest step is a thirtieth of the bone window."""

LEVELS: Final[NDArray[np.int16]] = np.concatenate(
    [*(np.arange(*span, dtype=np.int16) for span in SPANS), np.array([3072], np.int16)]
)
"""HU of each code, int16[253], ascending."""

ROUNDING: Final = "; ".join(
    f"{low} to {high} HU {f'within {step // 2} HU' if step > 1 else 'exactly'}"
    for low, high, step in SPANS
)
"""What the codes keep, as a clause."""

_LOWEST: Final = -(2**15)


def _nearest_codes() -> NDArray[np.uint8]:
    """The code of every int16, from the lowest."""
    middles = (LEVELS[1:].astype(np.float64) + LEVELS[:-1]) / 2
    return np.searchsorted(middles, np.arange(_LOWEST, -_LOWEST)).astype(np.uint8)


_CODES: Final = _nearest_codes()


def compand(hu: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Round Hounsfield units to the nearest level.

    Parameters
    ----------
    hu
        int16, of any shape; what lies beyond the levels' ends counts as the end.

    Returns
    -------
    Codes of the same shape; `LEVELS` of them are the rounded Hounsfield units.
    """
    return _CODES[hu.astype(np.int32) - _LOWEST]
