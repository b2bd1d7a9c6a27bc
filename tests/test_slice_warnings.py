"""What a file lacks or has in excess is told beside its slice, and stops nothing."""

from typing import Any

import numpy as np
import pytest

from ct_factory import (
    block_hu,
    ct_file,
)
from model.errors import InputRefusedError
from read_file import read

DE_IDENTIFIED: dict[str, Any] = {
    "SOPClassUID": None,
    "SOPInstanceUID": "ID_000039fa0",
    "StudyInstanceUID": "ID_dd37ba3adb",
    "SeriesInstanceUID": "ID_15dcd6057a",
}
"""As RSNA 2019 has it."""


def test_files_without_uids_are_read_with_a_warning() -> None:
    ct_slice = read(ct_file(**DE_IDENTIFIED))

    np.testing.assert_array_equal(ct_slice.hu, block_hu())
    assert ct_slice.sop_instance_uid == "ID_000039fa0"
    assert ct_slice.warnings == (
        "The file has no SOP Class UID; it was taken for a CT image by its file header.",
        "The identifiers are not DICOM UIDs (de-identified file?).",
    )


def without_class_in_file_header(data: bytes, instead: bytes) -> bytes:
    """Put other bytes of the same length in the place of CT's SOP class in the file header."""
    at = data.index(b"1.2.840.10008.5.1.4.1.1.2\0")
    return data[:at] + instead.ljust(26, b"\0") + data[at + 26 :]


def test_without_any_class_the_modality_decides() -> None:
    data = without_class_in_file_header(ct_file(SOPClassUID=None), b"")
    other = without_class_in_file_header(ct_file(SOPClassUID=None, Modality="MR"), b"")

    assert "taken for a CT image by its modality" in read(data).warnings[0]
    with pytest.raises(InputRefusedError, match=r"not a CT image \(it has no SOP Class UID\)"):
        read(other)


def test_the_file_header_may_say_that_it_is_no_ct() -> None:
    data = without_class_in_file_header(ct_file(SOPClassUID=None), b"1.2.840.10008.5.1.4.1.1.4")

    with pytest.raises(InputRefusedError, match=r"not a CT image \(MR Image Storage\)"):
        read(data)


def test_the_data_set_knows_its_class_better_than_the_file_header() -> None:
    data = without_class_in_file_header(ct_file(), b"1.2.840.10008.5.1.4.1.1.4")

    assert read(data).warnings == ()


MISSING_BUT_READABLE: dict[str, str] = {
    "PixelSpacing": "sizes cannot be measured",
    "ImagePositionPatient": "place in the head is unknown",
    "ImageOrientationPatient": "left and right follow convention",
}


@pytest.mark.parametrize(("keyword", "warning"), MISSING_BUT_READABLE.items())
def test_missing_geometry_is_a_warning(keyword: str, warning: str) -> None:
    absent: dict[str, Any] = {keyword: None}

    ct_slice = read(ct_file(**absent))

    assert any(warning in told for told in ct_slice.warnings)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"ContrastBolusAgent": "ISOVUE300/100"}, "Contrast"),
        ({"SeriesDescription": "HEAD C+"}, "Contrast"),
        ({"SeriesDescription": "CTA HEAD"}, "Contrast"),
        ({"PatientAge": "009Y"}, "under 18"),
        ({"PatientAge": "011M"}, "under 18"),
        ({"PatientAge": None, "PatientBirthDate": "20150101"}, "under 18"),
        ({"ConvolutionKernel": "BONEPLUS"}, "sharp kernel"),
        ({"ConvolutionKernel": "H70s"}, "sharp kernel"),
        ({"LossyImageCompression": "01"}, "with loss"),
        ({"RescaleType": "US"}, "does not say that its values are Hounsfield"),
    ],
    ids=str,
)
def test_what_weakens_a_result_is_a_warning(changes: dict[str, Any], warning: str) -> None:
    assert any(warning in told for told in read(ct_file(**changes)).warnings)


@pytest.mark.parametrize(
    "changes",
    [
        {"ContrastBolusAgent": ""},
        {"ContrastBolusAgent": "NONE"},
        {"PatientAge": "018Y"},
        {"PatientAge": "??"},
        {"PatientAge": None, "PatientBirthDate": "1950"},
        {"ConvolutionKernel": "H31s"},
        {"ConvolutionKernel": "STANDARD"},
        {"LossyImageCompression": "00"},
        {"HighBit": None},
        {"NumberOfFrames": "1"},
        {"SpecificCharacterSet": None},
    ],
    ids=str,
)
def test_what_is_usual_is_no_warning(changes: dict[str, Any]) -> None:
    assert read(ct_file(**changes)).warnings == ()


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "PixelSpacing", "InstanceNumber"])
@pytest.mark.parametrize(
    "value", ["", "abc", "NaN\\1\\1", "1\\2\\3\\4\\5\\6\\7", "1e99", "1e99\\1e99"]
)
def test_unusable_geometry_counts_as_absent(keyword: str, value: str) -> None:
    changed: dict[str, Any] = {keyword: value}

    ct_slice = read(ct_file(**changed))

    assert ct_slice.position_mm is None or keyword != "ImagePositionPatient"
    assert ct_slice.pixel_spacing_mm is None or keyword != "PixelSpacing"
    assert ct_slice.instance_number is None or keyword != "InstanceNumber"


HOSTILE_CHARSETS = ["rot13", "hex", "zlib_codec", "idna", "unicode_escape", "nonsense", "a\\b\\c"]


@pytest.mark.parametrize("charset", [*HOSTILE_CHARSETS, "ISO 2022 IR 87", "", "\\ISO 2022 IR 149"])
def test_no_character_set_can_stop_the_reading(charset: str) -> None:
    data = ct_file(SpecificCharacterSet=charset, PatientName=b"Z\xfcrich^\x1b$B\xff\xff^<b>")

    assert "Z" in read(data).attributes["PatientName"]


def test_text_is_shown_in_one_line_and_bounded() -> None:
    ct_slice = read(
        ct_file(PatientID="a\r\nINFO forged\x1b[31m\u202e", StudyDescription="HEAD" + "x" * 5000)
    )

    assert ct_slice.attributes["PatientID"] == "a  INFO forged [31m"
    assert len(ct_slice.attributes["StudyDescription"]) == 1024
