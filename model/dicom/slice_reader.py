"""One DICOM file in, one CT slice in Hounsfield units out, or the reason why not."""

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.dicom import eligibility
from model.dicom.attributes import UnreadableError, numbers, shown_attributes, unsigned_short
from model.dicom.element_walk import PIXEL_DATA, ScanLimits
from model.dicom.hounsfield import NotHounsfieldError, Padding, Rescale, to_hounsfield
from model.dicom.pixels import PixelFormat, decode_cells, stored_values
from model.dicom.prescan import Scan, scan_file
from model.dicom.slice_warnings import attribute_warnings, geometry_warnings
from model.dicom.transfer_syntaxes import uid_name
from model.errors import InputRefusedError

_CT_IMAGE: Final = "1.2.840.10008.5.1.4.1.1.2"
_MULTI_FRAME_CT: Final = {
    "1.2.840.10008.5.1.4.1.1.2.1": "an Enhanced CT image",
    "1.2.840.10008.5.1.4.1.1.2.2": "a Legacy Converted Enhanced CT image",
}
_READS_CT: Final = "Falx reads CT images, one slice a file."
_UID: Final = re.compile(r"[0-9.]{1,64}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What stands for a UID in some de-identified files; it is harmless in a path and in a page."""
_SLOPES: Final = (1e-3, 100.0)
_LEAST_MM: Final = 0.01
_MOST_MM: Final = 10_000.0
"""Positions, distances and direction cosines beyond are nonsense."""


@dataclass(frozen=True)
class ReadLimits:
    """What one file may cost, and which sizes of image are read."""

    scan: ScanLimits = field(default_factory=ScanLimits)
    least_rows_columns: int = 64
    most_rows_columns: int = 1024


@dataclass(frozen=True)
class CTSlice:
    """One CT slice with what is needed to place, show and analyse it.

    `hu` is int16[rows, columns], in HU, from -1024. Positions, spacing (row, column) and thickness
    are in millimetres, in the patient's coordinates (PS3.3 C.7.6.2); None where the file does not
    say. `warnings` are sentences for the reader. `attributes` are DICOM keyword -> text.
    `raised` tells whether values below -1024 HU were raised to it.
    """

    hu: NDArray[np.int16]
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    instance_number: int | None
    position_mm: tuple[float, float, float] | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, float] | None
    slice_thickness_mm: float | None
    warnings: tuple[str, ...]
    attributes: dict[str, str]
    raised: bool

    @property
    def simulated(self) -> bool:
        """Whether the file says that no patient was scanned (Synthetic Data, PS3.3 C.12.1)."""
        return (
            self.attributes.get("SyntheticData", "").upper() == "YES"
            or self.attributes.get("PatientID", "").upper().startswith("SIMULATED")
            or "SIMULATED" in self.attributes.get("ImageType", "").upper().split("\\")
        )


@dataclass(frozen=True)
class CTHeader:
    """A file whose attributes are those of a CT slice; its pixels are not decoded yet.

    `warnings` are sentences on what identifies it.
    """

    scan: Scan
    attributes: dict[str, str]
    pixel_format: PixelFormat
    rescale: Rescale
    padding: Padding | None
    warnings: tuple[str, ...]


def read_slice(data: bytes, name: str, limits: ReadLimits) -> CTSlice:
    """Read one DICOM file.

    Parameters
    ----------
    data
        The whole file.
    name
        The file as the sender named it, for messages; never used as a path.
    limits
        What the file may cost.

    Raises
    ------
    InputRefusedError
        The file is not a sound DICOM file, not a CT image, not a slice of a head, or its values
        are not Hounsfield units.
    """
    header = read_header(data, name, limits)
    problem = eligibility.refuse_by_attributes(header.attributes)
    if problem is not None:
        raise InputRefusedError(name, problem, eligibility.ACCEPTED)
    return read_pixels(header)


def read_header(data: bytes, name: str, limits: ReadLimits) -> CTHeader:
    """Read and check the attributes of a CT image (PS3.3 A.3); no pixel is decoded.

    De-identified files as those of RSNA 2019, without a SOP class and with identifiers that are no
    UIDs, are read with a warning.

    Raises
    ------
    InputRefusedError
        The file is not a sound DICOM file, or not a CT image that Falx can decode.
    """
    scan = scan_file(data, name, limits.scan)
    attributes = shown_attributes(scan)
    warnings = _check_class(name, attributes, scan.media_storage_class)
    if PIXEL_DATA not in scan.elements:
        raise InputRefusedError(name, "has no pixel data", _READS_CT)
    warnings += _check_uids(name, attributes)
    try:
        pixel_format = _pixel_format(scan, attributes, limits)
        rescale = _rescale(scan)
        padding = _padding(scan)
    except UnreadableError as problem:
        raise InputRefusedError(name, str(problem), _READS_CT) from None
    return CTHeader(scan, attributes, pixel_format, rescale, padding, warnings)


def read_pixels(header: CTHeader) -> CTSlice:
    """Decode the pixels of a checked header to HU.

    Raises
    ------
    InputRefusedError
        The pixel data are damaged, or their values are not Hounsfield units.
    """
    scan, attributes = header.scan, header.attributes
    cells = decode_cells(scan, header.pixel_format)
    stored = stored_values(cells, header.pixel_format)
    try:
        hounsfield = to_hounsfield(
            cells, stored, header.pixel_format, header.rescale, header.padding
        )
    except NotHounsfieldError as problem:
        raise InputRefusedError(scan.name, str(problem), _READS_CT) from None
    position = _vector(scan, "ImagePositionPatient", 3)
    orientation = _vector(scan, "ImageOrientationPatient", 6)
    spacing = _vector(scan, "PixelSpacing", 2, least=_LEAST_MM)
    thickness = _vector(scan, "SliceThickness", 1, least=_LEAST_MM)
    usable = {
        "PixelSpacing": spacing is not None,
        "ImagePositionPatient": position is not None,
        "ImageOrientationPatient": orientation is not None,
    }
    of_attributes = attribute_warnings(attributes, lossy=scan.transfer_syntax.lossy)
    return CTSlice(
        hu=hounsfield.hu,
        sop_instance_uid=attributes["SOPInstanceUID"],
        series_instance_uid=attributes["SeriesInstanceUID"],
        study_instance_uid=attributes["StudyInstanceUID"],
        instance_number=_instance_number(attributes),
        position_mm=None if position is None else (position[0], position[1], position[2]),
        orientation=orientation,
        pixel_spacing_mm=None if spacing is None else (spacing[0], spacing[1]),
        slice_thickness_mm=None if thickness is None else thickness[0],
        warnings=header.warnings + hounsfield.warnings + of_attributes + geometry_warnings(usable),
        attributes=attributes,
        raised=hounsfield.raised,
    )


def _check_class(
    name: str, attributes: dict[str, str], media_storage_class: str
) -> tuple[str, ...]:
    """Raise unless the file is a single-frame CT image, by class, modality and frames.

    Where the data set names no class, the file meta information does, and else the modality.
    """
    modality = attributes.get("Modality", "")
    sop_class = attributes.get("SOPClassUID", "") or media_storage_class
    if sop_class in _MULTI_FRAME_CT:
        problem = f"is {_MULTI_FRAME_CT[sop_class]}: all slices in one file, which Falx cannot read"
        raise InputRefusedError(name, problem, _READS_CT)
    if sop_class != _CT_IMAGE and (sop_class or modality != "CT"):
        what = uid_name(sop_class) or "it has no SOP Class UID"
        raise InputRefusedError(name, f"is not a CT image ({what})", _READS_CT)
    if modality != "CT":
        problem = f"has the modality {modality[:16]!r}" if modality else "does not say its modality"
        raise InputRefusedError(name, problem, _READS_CT)
    if attributes.get("NumberOfFrames", "1") != "1":
        problem = f"has {attributes['NumberOfFrames'][:16]} frames"
        raise InputRefusedError(name, problem, _READS_CT)
    kind = attributes.get("RescaleType", "HU")
    if kind not in ("HU", "HU_MOD", "US"):
        raise InputRefusedError(name, f"holds {kind[:16]} values, not Hounsfield units", _READS_CT)
    if "SOPClassUID" in attributes:
        return ()
    basis = "file header" if sop_class else "modality"
    return (f"The file has no SOP Class UID; it was taken for a CT image by its {basis}.",)


def _check_uids(name: str, attributes: dict[str, str]) -> tuple[str, ...]:
    """Raise unless the three identifiers are there and look like UIDs (PS3.5 section 9).

    Plain identifiers in their place are told, not refused.
    """
    foreign = False
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        uid = attributes.get(keyword)
        if uid is None:
            raise InputRefusedError(name, f"has no {keyword}", _READS_CT)
        if not (_UID.fullmatch(uid) or _IDENTIFIER.fullmatch(uid)):
            problem = f"has a {keyword} that is not a UID (digits and dots, up to 64)"
            raise InputRefusedError(name, problem, _READS_CT)
        foreign = foreign or not _UID.fullmatch(uid)
    if not foreign:
        return ()
    return ("The identifiers are not DICOM UIDs (de-identified file?).",)


def _pixel_format(scan: Scan, attributes: dict[str, str], limits: ReadLimits) -> PixelFormat:
    """Read and check the Image Pixel module (PS3.3 C.7.6.3, with the CT values of C.8.2.1)."""
    photometric = attributes.get("PhotometricInterpretation", "")
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableError(f"is not a grey image (PhotometricInterpretation {photometric!r})")
    samples = _required_short(scan, "SamplesPerPixel")
    if samples != 1:
        raise UnreadableError(f"has {samples} samples a pixel instead of 1")
    rows, columns = _required_short(scan, "Rows"), _required_short(scan, "Columns")
    least, most = limits.least_rows_columns, limits.most_rows_columns
    if not (least <= rows <= most and least <= columns <= most):
        raise UnreadableError(
            f"has {rows} x {columns} pixels, where {least} to {most} each way are read"
        )
    allocated, stored = _required_short(scan, "BitsAllocated"), _required_short(scan, "BitsStored")
    high_bit = unsigned_short(scan, "HighBit")
    high_bit = stored - 1 if high_bit is None else high_bit
    if allocated not in (8, 16) or not 8 <= stored <= high_bit + 1 <= allocated:
        raise UnreadableError(
            f"has {stored} bits stored of {allocated} with the high bit {high_bit}, where 8 to 16 "
            "bits are read"
        )
    representation = _required_short(scan, "PixelRepresentation")
    if representation > 1:
        raise UnreadableError(f"has the PixelRepresentation {representation} instead of 0 or 1")
    return PixelFormat(rows, columns, allocated, stored, high_bit, signed=representation == 1)


def _required_short(scan: Scan, keyword: str) -> int:
    value = unsigned_short(scan, keyword)
    if value is None:
        raise UnreadableError(f"has no {keyword}")
    return value


def _rescale(scan: Scan) -> Rescale:
    """Read the linear Modality LUT; CT requires it (PS3.3 C.8.2.1.1.2), and no default is safe."""
    slope, intercept = (numbers(scan, key) for key in ("RescaleSlope", "RescaleIntercept"))
    for keyword, values in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
        if len(values) != 1:
            raise UnreadableError(f"has {len(values) or 'no'} values of {keyword} instead of 1")
    if not _SLOPES[0] <= slope[0] <= _SLOPES[1]:
        raise UnreadableError(
            f"has the RescaleSlope {slope[0]:g}, where {_SLOPES[0]:g} to {_SLOPES[1]:g} are read"
        )
    return Rescale(slope[0], intercept[0])


def _padding(scan: Scan) -> Padding | None:
    value = unsigned_short(scan, "PixelPaddingValue")
    if value is None:
        return None
    return Padding(value, unsigned_short(scan, "PixelPaddingRangeLimit"))


def _instance_number(attributes: dict[str, str]) -> int | None:
    """Return the Instance Number if it is an integer string (PS3.5 section 6.2), else None."""
    text = attributes.get("InstanceNumber", "")
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else None


def _vector(
    scan: Scan, keyword: str, length: int, least: float = -_MOST_MM
) -> tuple[float, ...] | None:
    """Read an optional attribute of so many numbers; what is unusable counts as absent."""
    try:
        values = numbers(scan, keyword)
    except UnreadableError:
        return None
    sensible = len(values) == length and all(least <= value <= _MOST_MM for value in values)
    return values if sensible else None
