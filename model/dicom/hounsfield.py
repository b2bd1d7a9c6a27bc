"""From stored values to Hounsfield units: padding, known repairs, and the proof that they are HU.

MONOCHROME1 plays no part here: PS3.3 C.7.6.3.1.2 lets it say how to display a value, not what the
value is, so that it never inverts HU.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.dicom.pixels import IntegerImage, PixelFormat
from model.windowing import HU_MIN

_HU_MAX: Final = 32767
"""The largest value an int16 holds; metal on an extended scale stays below."""

_WRAP_OFFSET: Final = 1000
_WRAP_MODULUS: Final = 4096
_COARSE_SLOPE: Final = 4.0
"""HU a grey level from which brain, blood and fluid can no longer be told apart safely."""


class NotHounsfieldError(ValueError):
    """The values are not Hounsfield units; the problem as a clause."""


@dataclass(frozen=True)
class Rescale:
    """The linear Modality LUT (PS3.3 C.11.1): HU = stored * slope + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class Padding:
    """Pixel Padding Value and Range Limit (PS3.3 C.7.5.1.1.2), as the 16 bits in the file."""

    value: int
    range_limit: int | None


@dataclass(frozen=True)
class Hounsfield:
    """A slice in HU.

    Parameters
    ----------
    hu
        int16[rows, columns], in HU, -1024 to 32767; padding is -1024.
    warnings
        Each repair and doubt, as a sentence.
    raised
        Whether values below -1024, as outside the scan circle, were raised to it.
    """

    hu: NDArray[np.int16]
    warnings: tuple[str, ...]
    raised: bool


def to_hounsfield(
    cells: IntegerImage,
    stored: IntegerImage,
    pixel_format: PixelFormat,
    rescale: Rescale,
    padding: Padding | None,
) -> Hounsfield:
    """Convert stored values to HU, and prove that they are.

    Parameters
    ----------
    cells
        All allocated bits, unsigned, [rows, columns]: padding is matched here first, because it
        may need more bits than are stored.
    stored
        The stored values, same shape.
    pixel_format, rescale, padding
        What the attributes say.

    Raises
    ------
    NotHounsfieldError
        The values cannot be HU.
    """
    warnings: list[str] = []
    if _is_wrapped(stored, pixel_format, rescale):
        hu = _unwrap(stored)
        warnings.append(
            "12-bit values had wrapped around at 4096; air was restored (a known export error)."
        )
    else:
        hu = _rescale(stored, rescale)
    if padding is not None:
        is_padding, doubt = _match_padding(cells, stored, pixel_format, rescale, padding)
        hu[is_padding] = HU_MIN
        warnings.extend(doubt)
    if rescale.slope > _COARSE_SLOPE:
        warnings.append(
            f"One grey level is {rescale.slope:g} HU: too coarse to tell blood from brain."
        )
    _prove(hu)
    lowest = int(hu.min())
    return Hounsfield(np.maximum(hu, HU_MIN).astype(np.int16), tuple(warnings), lowest < HU_MIN)


def _rescale(stored: IntegerImage, rescale: Rescale) -> NDArray[np.int32]:
    """Apply slope and intercept, rounded to whole HU; out-of-range values saturate beyond int16."""
    if rescale.slope == 1 and rescale.intercept.is_integer() and abs(rescale.intercept) < 2**20:
        return stored.astype(np.int32) + np.int32(rescale.intercept)
    exact = stored.astype(np.float64) * rescale.slope + rescale.intercept
    rounded: NDArray[np.float64] = np.rint(exact.clip(-(2.0**30), 2.0**30))
    return rounded.astype(np.int32)


def _is_wrapped(stored: IntegerImage, pixel_format: PixelFormat, rescale: Rescale) -> bool:
    """Recognise signed 12-bit values exported as unsigned, as 5,326 RSNA 2019 files have them.

    Such files carry no negative value, so that air (-1000) reads as 3096, and an intercept near 0.
    """
    return (
        pixel_format.bits_stored == 12
        and not pixel_format.signed
        and rescale.slope == 1
        and rescale.intercept > -100
        and int(stored.max()) >= _WRAP_MODULUS - _WRAP_OFFSET
    )


def _unwrap(stored: IntegerImage) -> NDArray[np.int32]:
    """Undo the wrap: add 1000, subtract 4096 where that is reached, and take 1000 away again."""
    raised = stored.astype(np.int32) + _WRAP_OFFSET
    raised[raised >= _WRAP_MODULUS] -= _WRAP_MODULUS
    return raised - _WRAP_OFFSET


def _match_padding(
    cells: IntegerImage,
    stored: IntegerImage,
    pixel_format: PixelFormat,
    rescale: Rescale,
    padding: Padding,
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Find padding, in all allocated bits or in the stored ones.

    A padding value that reads as tissue is not believed: covering it would cut holes into brain.
    """
    bits = pixel_format.bits_allocated
    ends = [padding.value, padding.value if padding.range_limit is None else padding.range_limit]
    signed_ends = [e - 2**16 if pixel_format.signed and e >= 2**15 else e for e in ends]
    low, high = min(signed_ends), max(signed_ends)
    low_hu, high_hu = (end * rescale.slope + rescale.intercept for end in (low, high))
    if high_hu > -500 and low_hu < 3000:
        doubt = f"The padding value stands for {low_hu:g} HU, which is tissue; it was ignored."
        return np.zeros(cells.shape, np.bool_), (doubt,)
    whole = cells
    if pixel_format.signed:
        whole = cells.view(np.int8 if bits == 8 else np.int16)
    return ((whole >= low) & (whole <= high)) | ((stored >= low) & (stored <= high)), ()


def _prove(hu: NDArray[np.int32]) -> None:
    """Raise unless the values can be HU.

    Signed values labelled unsigned reach 64,000 HU. Values without their offset of 1024 show no
    air, and most of the tissue near 1,000 HU; a slice that lies wholly inside a head shows no air
    either, but its brain lies near 35 HU.
    """
    highest = int(hu.max())
    if highest > _HU_MAX:
        raise NotHounsfieldError(
            f"has values up to {highest:,}, which are not Hounsfield units "
            "(signed values labelled unsigned?)"
        )
    if highest < -4096:
        raise NotHounsfieldError(f"has no value above {highest:,}, which are not Hounsfield units")
    if int(hu.min()) > -200:
        offset_tissue = int(np.count_nonzero((hu > 850) & (hu < 1180)))
        brain = int(np.count_nonzero((hu >= 30) & (hu <= 80)))
        if offset_tissue > max(hu.size // 8, brain):
            raise NotHounsfieldError(
                "shows no air and most tissue near 1,000: the values are not Hounsfield units "
                "(is -1024 missing from the rescale intercept?)"
            )
