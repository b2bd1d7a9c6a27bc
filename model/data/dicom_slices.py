"""DICOM files as the slices of a data set: the reader that serves a clinic, without its gate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from model.data.dataset import LeftOut, SourceSlice
from model.dicom.series import position_along_normal_mm
from model.dicom.slice_reader import CTSlice, ReadLimits, read_header, read_pixels
from model.errors import InputRefusedError

_LIMITS: Final = ReadLimits(least_rows_columns=16, most_rows_columns=2048)
"""A data set is chosen by a person, slice by slice: sizes unusual in a clinic are fine here."""


def read_dicom_slice(
    path: Path, name: str, patients: Mapping[str, str] | None = None
) -> SourceSlice | LeftOut:
    """Read one labelled DICOM file; whatever is wrong with it leaves it out.

    Parameters
    ----------
    path
        The file.
    name
        The slice in its data set.
    patients
        By SOP Instance UID, `name` or the file's bare name: what replaces Patient ID, where it is
        not empty.

    Returns
    -------
    The slice, or why there is none: kind `missing file`, `unreadable file` or `no patient`.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return LeftOut(name, "missing file", f"{path} is not there.")
    except OSError as error:
        return LeftOut(name, "unreadable file", f"{path} cannot be read: {error.strerror}.")
    try:
        ct_slice = read_pixels(read_header(data, path.name, _LIMITS))
    except InputRefusedError as refusal:
        return LeftOut(name, "unreadable file", str(refusal))
    keys = (ct_slice.sop_instance_uid, name, path.name)
    stated = next((patients[key] for key in keys if key in patients), "") if patients else ""
    patient = stated or ct_slice.attributes.get("PatientID", "")
    if not patient:
        return LeftOut(name, "no patient", f"{path.name} has no PatientID: it cannot be split.")
    return _source_slice(ct_slice, name, patient)


def _source_slice(ct_slice: CTSlice, name: str, patient: str) -> SourceSlice:
    return SourceSlice(
        name=name,
        hu=ct_slice.hu,
        patient=patient,
        study=ct_slice.study_instance_uid,
        series=ct_slice.series_instance_uid,
        z_mm=position_along_normal_mm(ct_slice),
        number=ct_slice.instance_number or 0,
        pixel_spacing_mm=ct_slice.pixel_spacing_mm,
        slice_thickness_mm=ct_slice.slice_thickness_mm,
        warnings=ct_slice.warnings + _repairs(ct_slice),
        attributes=ct_slice.attributes,
    )


def _repairs(ct_slice: CTSlice) -> tuple[str, ...]:
    """What is too usual to be told a reader, but is counted over a whole data set."""
    repairs = []
    if ct_slice.raised:
        repairs.append("Values below -1024 HU, as outside the scan circle, were raised to it.")
    if "\\" in ct_slice.attributes.get("WindowCenter", ""):
        repairs.append("The header has several windows; none of them is used.")
    return tuple(repairs)
