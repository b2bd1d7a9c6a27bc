"""One real CT slice in 18 transfer syntaxes: lossless ones are equal, lossy ones are close.

The slice shows a chest, which Falx refuses as such; here only its decoding is of interest.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from model.dicom.slice_reader import CTSlice, ReadLimits, read_header, read_pixels, read_slice
from model.errors import InputRefusedError

FOLDER = Path(__file__).parents[2] / "shared/data/transfer-syntaxes"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the files of shared/data are not part of the project"
)

LOSSLESS = {
    "2": "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2",
    "2.1": "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1",
    "2.1.99": "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
    "2.2": "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2",
    "4.57": "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57",
    "4.70": "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70",
    "4.80": "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80",
    "4.90": "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90",
    "5": "RLELosslessTransferSyntax_1.2.840.10008.1.2.5",
}
LOSSY = {
    "4.50": ("JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50", 64),
    "4.51": ("JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51", 36),
    "4.53": ("JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53", 36),
    "4.55": ("JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55", 36),
    "4.81": ("JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81", 1),
    "4.91": ("JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91", 5),
}
"""File, and the largest difference in HU; 8 bits hold steps of 32 HU, 12 bits steps of 2."""


def decode(name: str) -> CTSlice:
    return read_pixels(read_header((FOLDER / name).read_bytes(), name, ReadLimits()))


@pytest.fixture(scope="module")
def original() -> NDArray[np.int16]:
    """The slice as the scanner wrote it, read without any of our code."""
    stored = np.frombuffer((FOLDER / "CTImage.dcm").read_bytes()[-2 * 512 * 512 :], "<i2")
    hu: NDArray[np.int32] = stored.reshape(512, 512).astype(np.int32) - 1024
    return np.maximum(hu, -1024).astype(np.int16)


@pytest.mark.parametrize("file", LOSSLESS.values(), ids=LOSSLESS)
def test_lossless_syntaxes_agree_to_the_last_bit(file: str, original: NDArray[np.int16]) -> None:
    ct_slice = decode(f"CTImage.dcm_{file}.dcm")

    np.testing.assert_array_equal(ct_slice.hu, original)
    assert ct_slice.warnings == ()


@pytest.mark.parametrize(("file", "tolerance"), LOSSY.values(), ids=LOSSY)
def test_lossy_syntaxes_are_close_and_say_so(
    file: str, tolerance: int, original: NDArray[np.int16]
) -> None:
    ct_slice = decode(f"CTImage.dcm_{file}.dcm")

    assert np.abs(ct_slice.hu.astype(int) - original).max() <= tolerance
    assert any("with loss" in warning for warning in ct_slice.warnings)


@pytest.mark.parametrize(("file", "bone_hu"), [("CT1_J2KR", 1254), ("CT2_J2KR", 1433)])
def test_jpeg_2000_with_padding_behind_its_end_is_read(file: str, bone_hu: int) -> None:
    assert decode(file).hu.max() == bone_hu


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("CTImage.dcm", "shows another part of the body"),
        ("no-pixel-data.dcm", "is not a CT image"),
        ("no-pixel-spacing.dcm", "is not a CT image"),
        ("CT0012.fragmented_no_bot_jpeg_baseline.51.dcm", "is an Enhanced CT image"),
    ],
)
def test_the_other_files_are_refused_by_reason(file: str, reason: str) -> None:
    with pytest.raises(InputRefusedError, match=reason):
        read_slice((FOLDER / file).read_bytes(), file, ReadLimits())
