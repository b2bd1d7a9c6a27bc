"""What a lesion is: what it puts into a slice, and how it pushes tissue away."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot
from model.data.simulate.slice_view import Shift, SliceView

_Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Deposit:
    """What a lesion puts into a slice.

    Parameters
    ----------
    box
        Where.
    share
        float32[h, w], 0..1: how much of each pixel becomes `blood_hu`.
    blood_hu
        float32[h, w] or one number.
    extra_hu
        float32[h, w], added before the blood: oedema; None for none.
    added_hu
        float32[h, w], what filling fluid with blood adds; `blood_hu` then counts for nothing.
    """

    box: Box
    share: _Floats
    blood_hu: _Floats | float = 0.0
    extra_hu: _Floats | None = None
    added_hu: _Floats | None = None


class Lesion(Protocol):
    """One bleed, or what resembles one, in all slices of a series."""

    @property
    def kind(self) -> str:
        """A subtype of `model.labels.SUBTYPES`, or the name of a look-alike."""
        ...

    def describe(self) -> str:
        """One line for the reader."""
        ...

    def shift(self, view: SliceView) -> Shift | None:
        """Return how it moves the tissue around it in a slice."""
        ...

    def deposit(self, view: SliceView) -> Deposit | None:
        """Return what it puts into a slice, after the tissue has been moved."""
        ...


class Still:
    """A lesion that pushes no tissue away."""

    def shift(self, view: SliceView) -> Shift | None:  # noqa: ARG002
        """Nothing moves."""
        return None


@dataclass(frozen=True)
class Collection:
    """Blood in a layer at the inner table or at the dura.

    Parameters
    ----------
    z_mm, half_height_mm
        Its middle and half its height, mm of the series.
    thick_mm
        In the middle.
    seed
        Where its noise begins.
    """

    z_mm: float
    half_height_mm: float
    thick_mm: float
    seed: Spot

    def height(self, z_mm: float) -> float:
        """How far a height is from its middle, as a share of its own half height."""
        return (z_mm - self.z_mm) / self.half_height_mm
