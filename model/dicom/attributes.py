"""Reading attribute values from a scanned file: text as the reader sees it, numbers as numbers.

Values are taken from their raw bytes, so that no strange character set, number or value
representation can raise anything but `UnreadableError`.
"""

import math
import struct
import warnings
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword

from model.dicom.prescan import Scan

SHOWN_KEYWORDS: Final = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge",
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "AccessionNumber",
    "StudyID", "StudyDate", "StudyTime", "SeriesDate", "SeriesTime", "AcquisitionDate",
    "AcquisitionTime", "ContentDate", "ContentTime", "StudyDescription", "SeriesDescription",
    "ProtocolName", "ReferringPhysicianName", "Modality", "BodyPartExamined", "ImageType",
    "SeriesNumber", "AcquisitionNumber", "InstanceNumber", "WindowCenter", "WindowWidth",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "FrameOfReferenceUID", "SliceLocation", "SliceThickness",
    "SpacingBetweenSlices", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PhotometricInterpretation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "LossyImageCompression", "LossyImageCompressionRatio", "BurnedInAnnotation",
    "Manufacturer", "ManufacturerModelName", "InstitutionName", "StationName",
    "KVP", "XRayTubeCurrent", "ConvolutionKernel",
    "GantryDetectorTilt", "ContrastBolusAgent", "SpecificCharacterSet", "SyntheticData",
)  # fmt: skip
"""What `CTSlice.attributes` holds where the file has it, besides the transfer syntax."""

MAX_SHOWN_CHARACTERS: Final = 1024

_TAGS: Final = {keyword: tag_for_keyword(keyword) or 0 for keyword in SHOWN_KEYWORDS}
_VRS: Final = {keyword: dictionary_VR(tag) for keyword, tag in _TAGS.items()}
_CHARSET_TAG: Final = _TAGS["SpecificCharacterSet"]
_LOCALIZED_VRS: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_NAME_DELIMITERS: Final = {ord("^"), ord("=")}
_TEXT_DELIMITERS: Final = {ord("\\")}


class UnreadableError(ValueError):
    """An attribute's value is not what its value representation promises."""


def shown_attributes(scan: Scan) -> dict[str, str]:
    """Return the attributes to show, keyword -> text; absent and empty ones are left out.

    Several values stay divided by a backslash. Undecodable bytes become U+FFFD, control
    characters are dropped, and text is cut at `MAX_SHOWN_CHARACTERS`.
    """
    encodings = _encodings(scan)
    shown = {}
    for keyword, tag in _TAGS.items():
        raw = scan.value(tag)
        if raw:
            vr = _VRS[keyword]
            if vr == "US or SS":
                vr = "SS" if _has_signed_pixels(scan) else "US"
            text = _decode(raw, vr, encodings, big_endian=scan.transfer_syntax.big_endian)
            if text:
                shown[keyword] = text
    shown["TransferSyntaxUID"] = f"{scan.transfer_syntax.name} ({scan.transfer_syntax.uid})"
    return shown


def numbers(scan: Scan, keyword: str) -> tuple[float, ...]:
    """Return the finite numbers of a decimal or integer string (PS3.5 section 6.2), or ().

    Raises
    ------
    UnreadableError
        The value is not a list of finite numbers.
    """
    raw = scan.value(_TAGS[keyword])
    if raw is None or not raw.strip(b" \0"):
        return ()
    try:
        found = tuple(float(part) for part in raw[:4096].decode("ascii").strip(" \0").split("\\"))
    except ValueError:
        raise UnreadableError(f"has a {keyword} that is not a number") from None
    if not all(math.isfinite(value) for value in found):
        raise UnreadableError(f"has a {keyword} that is not finite")
    return found


def unsigned_short(scan: Scan, keyword: str) -> int | None:
    """Return a 16-bit unsigned value, or None where it is absent or empty.

    Signed values (VR SS) come back as the same 16 bits.

    Raises
    ------
    UnreadableError
        The value is not exactly one 16-bit number.
    """
    raw = scan.value(_TAGS[keyword])
    if not raw:
        return None
    if len(raw) != 2:
        raise UnreadableError(f"has a {keyword} of {len(raw)} bytes instead of 2")
    value: int = struct.unpack(">H" if scan.transfer_syntax.big_endian else "<H", raw)[0]
    return value


def _has_signed_pixels(scan: Scan) -> bool:
    """Whether values in the pixels' own terms, as padding, are signed (PS3.3 C.7.5.1.1.2)."""
    raw = scan.value(_TAGS["PixelRepresentation"])
    return raw is not None and 1 in raw


def _encodings(scan: Scan) -> list[str]:
    """Return the Python codecs of the Specific Character Set (PS3.3 C.12.1.1.2).

    pydicom looks up names that it does not know among all Python codecs, of which some decompress
    or rotate: only the names that DICOM defines are passed on.
    """
    raw = (scan.value(_CHARSET_TAG) or b"")[:256].decode("ascii", "replace")
    names = [name.strip(" \0") for name in raw.split("\\")]
    if not all(name in python_encoding for name in names):
        return ["utf-8"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(convert_encodings(names))


def _decode(raw: bytes, vr: str, encodings: list[str], *, big_endian: bool) -> str:
    """Decode one value for display; never raises."""
    if vr in ("US", "SS"):
        order, code = ">" if big_endian else "<", "H" if vr == "US" else "h"
        count = min(len(raw) // 2, 8)
        return "\\".join(str(v) for v in struct.unpack(f"{order}{count}{code}", raw[: 2 * count]))
    raw = raw[: 4 * MAX_SHOWN_CHARACTERS]
    if vr in _LOCALIZED_VRS:
        text = _decode_localized(raw, vr, encodings)
    else:
        text = raw.decode("ascii", "replace")
    return _clean(text.rstrip("= \0") if vr == "PN" else text)


def _decode_localized(raw: bytes, vr: str, encodings: list[str]) -> str:
    delimiters = _NAME_DELIMITERS if vr == "PN" else _TEXT_DELIMITERS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(decode_bytes(raw, encodings, delimiters))
        except (LookupError, ValueError):
            return raw.decode("ascii", "replace")


def _clean(text: str) -> str:
    """Blank control and direction-changing characters; drop outer spaces and what is too long."""
    kept = "".join(c if c.isprintable() else " " for c in text).strip()
    if len(kept) <= MAX_SHOWN_CHARACTERS:
        return kept
    return kept[: MAX_SHOWN_CHARACTERS - 1] + "…"
