"""Reading one DICOM file: exact HU from every encoding, and a reason for every refusal."""

from typing import Any

import numpy as np
import pytest

from ct_factory import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    LOSSLESS_SYNTAXES,
    NATIVE_SYNTAXES,
    RLE,
    Encoding,
    block_hu,
    ct_file,
)
from model.errors import InputRefusedError
from read_file import read

SIXTEEN_BIT_ENCODINGS = {
    "signed": Encoding(),
    "signed, no intercept": Encoding(intercept=0),
    "unsigned": Encoding(signed=False),
    "12 bit unsigned": Encoding(bits_stored=12, signed=False),
    "12 bit signed": Encoding(bits_stored=12, intercept=0),
    "13 bit signed": Encoding(bits_stored=13, intercept=0),
    "overlay above 12 unsigned bits": Encoding(bits_stored=12, signed=False, junk=0b1010),
    "overlay above 12 signed bits": Encoding(bits_stored=12, intercept=0, junk=0b0101),
    "fractional slope": Encoding(slope=0.25, intercept=-1024.5, signed=False),
}


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES)
@pytest.mark.parametrize("encoding", SIXTEEN_BIT_ENCODINGS.values(), ids=SIXTEEN_BIT_ENCODINGS)
def test_hu_are_exact_in_every_encoding(encoding: Encoding, syntax: str) -> None:
    data = ct_file(encoding=encoding, syntax=syntax)

    ct_slice = read(data)

    expected = np.rint(block_hu())
    if encoding.slope != 1:
        stored = np.rint((block_hu() - encoding.intercept) / encoding.slope)
        expected = np.rint(stored * encoding.slope + encoding.intercept)
    assert ct_slice.hu.dtype == np.int16
    np.testing.assert_array_equal(ct_slice.hu, expected)


@pytest.mark.parametrize("syntax", [*NATIVE_SYNTAXES, RLE, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS])
def test_eight_bit_values_are_scaled_by_the_slope(syntax: str) -> None:
    encoding = Encoding(bits_allocated=8, bits_stored=8, signed=False, slope=10, intercept=-1000)
    hu = (block_hu() // 10 * 10).astype(np.int16)

    ct_slice = read(ct_file(hu, encoding, syntax))

    np.testing.assert_array_equal(ct_slice.hu, hu)
    assert any("too coarse" in warning for warning in ct_slice.warnings)


def test_odd_numbers_of_8_bit_pixels_are_padded_to_whole_words() -> None:
    encoding = Encoding(bits_allocated=8, bits_stored=8, signed=False, slope=10, intercept=-1000)
    hu = (block_hu(65, 81) // 10 * 10).astype(np.int16)

    for syntax in (EXPLICIT, BIG_ENDIAN):
        np.testing.assert_array_equal(read(ct_file(hu, encoding, syntax)).hu, hu)


def test_monochrome1_does_not_invert_hu() -> None:
    ct_slice = read(ct_file(PhotometricInterpretation="MONOCHROME1"))

    np.testing.assert_array_equal(ct_slice.hu, block_hu())


def test_wrapped_12_bit_values_are_repaired_and_the_repair_is_told() -> None:
    encoding = Encoding(bits_stored=12, signed=False, intercept=0)

    ct_slice = read(ct_file(encoding=encoding))

    np.testing.assert_array_equal(ct_slice.hu, block_hu())
    assert any("wrapped" in warning for warning in ct_slice.warnings)


def test_unwrapped_12_bit_values_are_left_alone() -> None:
    ct_slice = read(ct_file(encoding=Encoding(bits_stored=12, signed=False)))

    assert ct_slice.warnings == ()


@pytest.mark.parametrize("padding_hu", [-1500, -2000, -3024])
@pytest.mark.parametrize("declared", [True, False])
def test_padding_outside_the_scan_circle_becomes_air(padding_hu: int, declared: bool) -> None:
    hu = block_hu()
    hu[:8] = padding_hu
    padding = (padding_hu + 1024) & 0xFFFF if declared else None

    ct_slice = read(ct_file(hu, PixelPaddingValue=padding))

    assert np.all(ct_slice.hu[:8] == -1024)
    np.testing.assert_array_equal(ct_slice.hu[8:], hu[8:])


def test_padding_above_the_stored_bits_is_matched_before_masking() -> None:
    encoding = Encoding(bits_stored=12, signed=False)
    cells = (block_hu().astype(np.int32) + 1024).astype("<u2")
    cells[:8] = 63536

    ct_slice = read(ct_file(None, encoding, PixelPaddingValue=63536, PixelData=cells.tobytes()))

    assert np.all(ct_slice.hu[:8] == -1024)
    np.testing.assert_array_equal(ct_slice.hu[8:], block_hu()[8:])


def test_a_padding_range_covers_everything_between_its_ends() -> None:
    hu = block_hu()
    hu[:4], hu[4:8] = -2000, -2500

    ct_slice = read(
        ct_file(hu, Encoding(intercept=0), PixelPaddingValue=-2000, PixelPaddingRangeLimit=-3000)
    )

    assert np.all(ct_slice.hu[:8] == -1024)


def test_a_padding_value_that_reads_as_tissue_cuts_no_holes() -> None:
    ct_slice = read(ct_file(encoding=Encoding(intercept=0), PixelPaddingValue=35))

    np.testing.assert_array_equal(ct_slice.hu, block_hu())
    assert any("ignored" in warning for warning in ct_slice.warnings)


def test_metal_on_an_extended_scale_is_kept() -> None:
    hu = block_hu()
    hu[30:34, 30:34] = 30_000

    assert read(ct_file(hu)).hu.max() == 30_000


def test_a_slice_without_any_air_is_read() -> None:
    hu = np.full((64, 64), 35, np.int16)
    hu[:10] = 1000

    np.testing.assert_array_equal(read(ct_file(hu)).hu, hu)


def test_attributes_and_placement_are_carried_along() -> None:
    ct_slice = read(
        ct_file(
            PatientName="Müller^Jörg",
            WindowCenter="40\\700",
            WindowWidth="80\\3200",
            ImagePositionPatient="-100\\-90.5\\12.25",
            InstanceNumber="7",
        )
    )

    assert ct_slice.position_mm == pytest.approx((-100.0, -90.5, 12.25))
    assert ct_slice.orientation == pytest.approx((1, 0, 0, 0, 1, 0))
    assert ct_slice.pixel_spacing_mm == pytest.approx((0.5, 0.5))
    assert ct_slice.slice_thickness_mm == 5
    assert ct_slice.instance_number == 7
    assert ct_slice.sop_instance_uid == "1.2.826.0.1.3680043.8.498.1"
    assert ct_slice.attributes["PatientName"] == "Müller^Jörg"
    assert ct_slice.attributes["WindowCenter"] == "40\\700"
    assert ct_slice.attributes["TransferSyntaxUID"].startswith("Explicit VR Little Endian")
    assert len(ct_slice.warnings) == 0
    assert not ct_slice.simulated


@pytest.mark.parametrize(
    "changes",
    [
        {"SyntheticData": "YES"},
        {"PatientID": "SIMULATED-4"},
        {"ImageType": "DERIVED\\SECONDARY\\AXIAL\\SIMULATED"},
    ],
    ids=str,
)
def test_simulated_files_say_so(changes: dict[str, Any]) -> None:
    assert read(ct_file(**changes)).simulated


WRONG_ATTRIBUTES: list[tuple[dict[str, Any], str]] = [
    ({"SOPClassUID": None, "Modality": "MR"}, "modality 'MR'"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "not a CT image .MR Image Storage"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "not a CT image .Secondary Capture"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "not a CT image .Basic Text SR"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, "is an Enhanced CT image"),
    ({"SOPClassUID": "1.2.3"}, r"not a CT image \(1\.2\.3\)"),
    ({"Modality": None}, "does not say its modality"),
    ({"Modality": "MR"}, "modality 'MR'"),
    ({"Modality": "OT"}, "modality 'OT'"),
    ({"NumberOfFrames": "2"}, "has 2 frames"),
    ({"StudyInstanceUID": None}, "has no StudyInstanceUID"),
    ({"SeriesInstanceUID": ""}, "has no SeriesInstanceUID"),
    ({"SOPInstanceUID": None}, "has no SOPInstanceUID"),
    ({"SOPInstanceUID": "../../../../var/pwned"}, "SOPInstanceUID that is not a UID"),
    ({"SOPInstanceUID": "1." * 33}, "SOPInstanceUID that is not a UID"),
    ({"StudyInstanceUID": "1.2'; DROP TABLE"}, "StudyInstanceUID that is not a UID"),
    ({"StudyInstanceUID": "<script>"}, "StudyInstanceUID that is not a UID"),
    ({"StudyInstanceUID": "ID_1 2"}, "StudyInstanceUID that is not a UID"),
    ({"SeriesInstanceUID": "-rf"}, "SeriesInstanceUID that is not a UID"),
    ({"SeriesInstanceUID": "_" + "a" * 64}, "SeriesInstanceUID that is not a UID"),
    ({"SeriesInstanceUID": "ID_\u00e9"}, "SeriesInstanceUID that is not a UID"),
    ({"SeriesInstanceUID": "a" * 65}, "SeriesInstanceUID that is not a UID"),
    ({"SeriesInstanceUID": b"1.2\0.3"}, "SeriesInstanceUID that is not a UID"),
    ({"PhotometricInterpretation": "RGB"}, "not a grey image"),
    ({"PhotometricInterpretation": "PALETTE COLOR"}, "not a grey image"),
    ({"PhotometricInterpretation": None}, "not a grey image"),
    ({"SamplesPerPixel": 3}, "has 3 samples"),
    ({"SamplesPerPixel": None}, "has no SamplesPerPixel"),
    ({"Rows": None}, "has no Rows"),
    ({"Rows": 0}, "has 0 x 80 pixels"),
    ({"Rows": 65535, "Columns": 65535}, "has 65535 x 65535 pixels"),
    ({"Rows": b"\0\0\1\0"}, "Rows of 4 bytes"),
    ({"Rows": 65}, "bytes of pixel data where 65 x 80"),
    ({"Columns": 79}, "bytes of pixel data where 64 x 79"),
    ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 bits stored of 32"),
    ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "1 bits stored of 1"),
    ({"BitsStored": 17}, "17 bits stored of 16"),
    ({"BitsStored": None}, "has no BitsStored"),
    ({"HighBit": 3}, "high bit 3"),
    ({"PixelRepresentation": 2}, "PixelRepresentation 2"),
    ({"PixelRepresentation": None}, "has no PixelRepresentation"),
    ({"RescaleSlope": None}, "has no values of RescaleSlope"),
    ({"RescaleSlope": ""}, "has no values of RescaleSlope"),
    ({"RescaleSlope": "0"}, "has the RescaleSlope 0"),
    ({"RescaleSlope": "-1"}, "has the RescaleSlope -1"),
    ({"RescaleSlope": "1e308"}, "has the RescaleSlope 1e.308"),
    ({"RescaleSlope": "1e-320"}, "has the RescaleSlope"),
    ({"RescaleSlope": "NaN"}, "RescaleSlope that is not finite"),
    ({"RescaleSlope": "Infinity"}, "RescaleSlope that is not finite"),
    ({"RescaleSlope": "9" * 400}, "RescaleSlope that is not finite"),
    ({"RescaleSlope": "one"}, "RescaleSlope that is not a number"),
    ({"RescaleSlope": "1\\2"}, "has 2 values of RescaleSlope"),
    ({"RescaleSlope": b"\xff\xfe"}, "RescaleSlope that is not a number"),
    ({"RescaleIntercept": None}, "has no values of RescaleIntercept"),
    ({"RescaleIntercept": "NaN"}, "RescaleIntercept that is not finite"),
    ({"RescaleIntercept": "1e30"}, "not Hounsfield units"),
    ({"RescaleIntercept": "-1e30"}, "not Hounsfield units"),
    ({"RescaleType": "Z_EFF"}, "holds Z_EFF values"),
    ({"PixelData": None}, "has no pixel data"),
    ({"PixelData": b""}, "has 0 bytes of pixel data"),
    ({"PixelPaddingValue": b"abcd"}, "PixelPaddingValue of 4 bytes"),
    ({"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, "is a localizer"),
    ({"ImageType": "DERIVED\\SECONDARY\\SCREEN SAVE"}, "is a screen save"),
    ({"ImageType": "DERIVED\\PRIMARY\\PERFUSION"}, "is a perfusion map"),
    ({"ImageOrientationPatient": "1\\0\\0\\0\\0\\-1"}, "is a coronal slice"),
    ({"ImageOrientationPatient": "0\\1\\0\\0\\0\\-1"}, "is a sagittal slice"),
]


@pytest.mark.parametrize(("changes", "reason"), WRONG_ATTRIBUTES, ids=lambda v: str(v)[:60])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_wrong_attributes_are_refused_with_the_file_and_the_reason(
    changes: dict[str, Any], reason: str, syntax: str
) -> None:
    with pytest.raises(InputRefusedError, match=f"^a.dcm .*{reason}"):
        read(ct_file(syntax=syntax, **changes))


def test_signed_values_labelled_unsigned_are_refused() -> None:
    data = ct_file(encoding=Encoding(intercept=0), PixelRepresentation=0)

    with pytest.raises(InputRefusedError, match="up to 64,536, which are not Hounsfield units"):
        read(data)


def test_values_without_their_offset_are_refused() -> None:
    hu = np.repeat(block_hu(), 2, axis=0)
    hu[:, 32:] = 40

    with pytest.raises(InputRefusedError, match="-1024 missing from the rescale intercept"):
        read(ct_file(hu, RescaleIntercept="0"))
