"""Attribute text in every character set that pydicom's own files show, and never an exception."""

import warnings
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_charset_files

from ct_factory import ct_file
from model.dicom.attributes import UnreadableError, numbers, shown_attributes, unsigned_short
from model.dicom.element_walk import ScanLimits
from model.dicom.prescan import scan_file

CHARSET_FILES = sorted(Path(name) for name in get_charset_files("*.dcm"))


@pytest.mark.skipif(not CHARSET_FILES, reason="this pydicom was installed without its test files")
@pytest.mark.parametrize("path", CHARSET_FILES, ids=lambda path: path.stem)
def test_names_are_decoded_as_pydicom_decodes_them(path: Path) -> None:
    data = path.read_bytes()
    if data[128:132] != b"DICM":
        pytest.skip("the file has no file header")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = str(pydicom.dcmread(path).get("PatientName", ""))

    shown = shown_attributes(scan_file(data, path.name, ScanLimits()))

    assert shown.get("PatientName", "") == expected


@given(charset=st.binary(max_size=40), name=st.binary(max_size=60))
def test_no_bytes_stop_the_display(charset: bytes, name: bytes) -> None:
    data = ct_file(SpecificCharacterSet=charset, PatientName=name, StudyDescription=name)

    shown = shown_attributes(scan_file(data, "a.dcm", ScanLimits()))

    assert all(text.isprintable() for text in shown.values())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", (1.0,)),
        (" -1.5e2 ", (-150.0,)),
        ("0.5\\0.25", (0.5, 0.25)),
        ("", ()),
        (b"\0\0", ()),
    ],
)
def test_numbers_are_read_from_text(value: str | bytes, expected: tuple[float, ...]) -> None:
    scan = scan_file(ct_file(PixelSpacing=value), "a.dcm", ScanLimits())

    assert numbers(scan, "PixelSpacing") == expected


@pytest.mark.parametrize("value", ["1,5", "one", "1\\", "0x10", "NaN", "-inf", b"\xb2"])
def test_what_is_no_number_is_unreadable(value: str | bytes) -> None:
    scan = scan_file(ct_file(PixelSpacing=value), "a.dcm", ScanLimits())

    with pytest.raises(UnreadableError, match="a PixelSpacing that is not"):
        numbers(scan, "PixelSpacing")


def test_a_short_of_another_size_is_unreadable() -> None:
    scan = scan_file(ct_file(Rows=b"\0\0\0\0"), "a.dcm", ScanLimits())

    with pytest.raises(UnreadableError, match="Rows of 4 bytes instead of 2"):
        unsigned_short(scan, "Rows")


@pytest.mark.parametrize(("representation", "shown"), [(1, "-1500"), (0, "64036")])
def test_padding_is_shown_in_the_pixels_own_terms(representation: int, shown: str) -> None:
    data = ct_file(PixelRepresentation=representation, PixelPaddingValue=-1500 % 65536)

    attributes = shown_attributes(scan_file(data, "a.dcm", ScanLimits()))

    assert attributes["PixelPaddingValue"] == shown
