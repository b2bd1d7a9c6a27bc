"""What the reader must know about one slice before trusting a probability, from its attributes."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

_ADULT_YEARS: Final = 18
_NO_CONTRAST: Final = frozenset(("", "NO", "N", "NONE", "0", "NIL", "NA", "N/A", "WITHOUT", "-"))
_CONTRAST_WORDS: Final = re.compile(
    r"\bC\+|\+C\b|\bW/ ?C\b|POST ?-?CONTRAST|WITH CONTRAST|\bANGIO|\bCTA\b|\bCTV\b|VENOGRAM",
    re.IGNORECASE,
)
_SHARP_KERNELS: Final = re.compile(r"BONE|EDGE|LUNG|SHARP|^[HBJTU][RF]?[67]\d", re.IGNORECASE)
_AGE: Final = re.compile(r"(\d{1,3})([DWMY])")
_YEARS: Final = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


def attribute_warnings(attributes: Mapping[str, str], *, lossy: bool) -> tuple[str, ...]:
    """Return the warnings that follow from a slice's attributes, as sentences.

    Parameters
    ----------
    attributes
        `CTSlice.attributes`.
    lossy
        Whether the transfer syntax allows loss.
    """
    warnings = []
    if lossy or attributes.get("LossyImageCompression") == "01":
        warnings.append("The image was compressed with loss; faint bleeding may be lost.")
    if _has_contrast(attributes):
        warnings.append(
            "Contrast medium was given; it looks like blood. Falx was made for scans without it."
        )
    age = age_in_years(attributes)
    if age is not None and age < _ADULT_YEARS:
        warnings.append(f"The patient is under {_ADULT_YEARS}; Falx was made for adults.")
    kernel = attributes.get("ConvolutionKernel", "")
    if _SHARP_KERNELS.search(kernel):
        warnings.append(f"The sharp kernel {kernel[:16]} raises noise in brain; use a soft one.")
    if attributes.get("RescaleType") == "US":
        warnings.append("The file does not say that its values are Hounsfield units.")
    return tuple(warnings)


def geometry_warnings(usable: Mapping[str, bool]) -> tuple[str, ...]:
    """Return a warning for each attribute of the image plane that is absent or unusable."""
    return tuple(
        f"The file has no usable {keyword}: {meaning}."
        for keyword, meaning in (
            ("PixelSpacing", "sizes cannot be measured"),
            ("ImagePositionPatient", "the slice's place in the head is unknown"),
            ("ImageOrientationPatient", "left and right follow convention"),
        )
        if not usable[keyword]
    )


def age_in_years(attributes: Mapping[str, str]) -> float | None:
    """Return the patient's age in years from Patient's Age, or from the dates, or None."""
    stated = _AGE.fullmatch(attributes.get("PatientAge", ""))
    if stated:
        return int(stated[1]) * _YEARS[stated[2]]
    try:
        born = date.fromisoformat(attributes.get("PatientBirthDate", ""))
        scanned = date.fromisoformat(attributes.get("StudyDate", ""))
    except ValueError:
        return None
    return max((scanned - born).days / 365.25, 0.0)


def _has_contrast(attributes: Mapping[str, str]) -> bool:
    agent = attributes.get("ContrastBolusAgent", "").strip().upper()
    if agent not in _NO_CONTRAST:
        return True
    return any(
        _CONTRAST_WORDS.search(attributes.get(keyword, ""))
        for keyword in ("SeriesDescription", "ProtocolName")
    )
