"""Decoding pixel data: sizes are checked before decoding, damage is refused, bits are exact."""

import struct

import imagecodecs
import numpy as np
import pytest

from ct_factory import (
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    RLE,
    Encoding,
    block_hu,
    ct_file,
    encode_pixels,
    to_cells,
)
from hostile_factory import jpeg_2000_of_size, jpeg_ls_of_size, jpeg_of_size, rle_bomb
from model.dicom.pixels import PixelFormat, stored_values
from model.dicom.slice_reader import ReadLimits, read_slice
from model.errors import InputRefusedError

CELLS = to_cells(block_hu(), Encoding())


def stream_of(syntax: str) -> bytes:
    encoded = encode_pixels(CELLS, syntax)
    assert isinstance(encoded, list)
    return encoded[0]


def read_stream(syntax: str, *fragments: bytes) -> np.ndarray:
    data = ct_file(syntax=syntax, PixelData=list(fragments))
    return read_slice(data, "a.dcm", ReadLimits()).hu


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (jpeg_of_size(65500, 65500), "JPEG stream of 65500 x 65500 pixels with 1 samples"),
        (jpeg_of_size(64, 80, samples=3), "with 3 samples, where the attributes say 64 x 80"),
        (jpeg_ls_of_size(64, 65535), "JPEG-LS stream of 64 x 65535"),
        (jpeg_2000_of_size(2**31, 2**31), "JPEG 2000 stream of 2147483648 x 2147483648"),
        (rle_bomb(10), "damaged RLE segment"),
    ],
    ids=["jpeg", "samples", "jpeg-ls", "jpeg 2000", "rle"],
)
def test_streams_of_another_size_are_refused_before_decoding(data: bytes, reason: str) -> None:
    with pytest.raises(InputRefusedError, match=reason):
        read_slice(data, "a.dcm", ReadLimits())


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, RLE])
def test_a_frame_may_come_in_several_fragments(syntax: str) -> None:
    stream = stream_of(syntax)

    hu = read_stream(syntax, stream[:100], stream[100:102], stream[102:])

    np.testing.assert_array_equal(hu, block_hu())


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        (JPEG_LOSSLESS_SV1, "without its end: it is cut short"),
        (JPEG_LS_LOSSLESS, "without its end: it is cut short"),
        (JPEG_2000_LOSSLESS, "without its end: it is cut short"),
        (RLE, r"damaged RLE segment|RLE segment of .* values where 5,120 are needed"),
    ],
)
def test_a_cut_stream_is_refused_and_never_filled_with_grey(syntax: str, reason: str) -> None:
    stream = stream_of(syntax)

    with pytest.raises(InputRefusedError, match=reason):
        read_stream(syntax, stream[: len(stream) // 4 * 3])


@pytest.mark.parametrize("padding", [b"", b"\0", b"\xff", b"\xff\xff\0\0"])
@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS])
def test_a_stream_may_be_padded(syntax: str, padding: bytes) -> None:
    stream = stream_of(syntax).rstrip(b"\0") + padding

    np.testing.assert_array_equal(read_stream(syntax, stream), block_hu())


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS])
@pytest.mark.parametrize("stream", [b"", b"\xff", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0" * 99])
def test_what_is_no_stream_is_refused(syntax: str, stream: bytes) -> None:
    with pytest.raises(InputRefusedError, match="pixel data that do not start with a"):
        read_stream(syntax, stream)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        struct.pack("<16I", 1, 64, *[0] * 14),
        struct.pack("<16I", 2, 64, 2**31, *[0] * 13),
        struct.pack("<16I", 2, 99, 64, *[0] * 13),
        struct.pack("<16I", 2, 0, 64, *[0] * 13),
        struct.pack("<16I", 2**31, *[64] * 15),
    ],
    ids=["empty", "one segment", "beyond the end", "backwards", "inside the header", "many"],
)
def test_an_rle_header_that_does_not_fit_is_refused(header: bytes) -> None:
    with pytest.raises(InputRefusedError, match="an RLE header that does not describe 2 segments"):
        read_stream(RLE, header + stream_of(RLE)[64:])


def test_damage_inside_a_stream_is_refused_or_decoded_to_the_right_shape() -> None:
    for syntax in (JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, RLE):
        stream = stream_of(syntax)
        for at in range(0, len(stream) - 2, max(1, len(stream) // 40)):
            damaged = stream[:at] + bytes([stream[at] ^ 0xFF]) + stream[at + 1 :]
            try:
                hu = read_stream(syntax, damaged)
            except InputRefusedError:
                continue
            assert hu.shape == (64, 80)


def test_deeper_streams_than_the_bits_allocated_are_refused() -> None:
    encoding = Encoding(bits_allocated=8, bits_stored=8, signed=False, slope=10, intercept=-1000)

    with pytest.raises(InputRefusedError, match="16-bit pixels for 8 bits"):
        read_slice(
            ct_file(
                encoding=encoding, syntax=JPEG_LS_LOSSLESS, PixelData=[stream_of(JPEG_LS_LOSSLESS)]
            ),
            "a.dcm",
            ReadLimits(),
        )


def test_lossy_jpeg_of_12_bits_is_close() -> None:
    encoding = Encoding(bits_stored=12, signed=False)
    smooth = np.linspace(-1000, 1000, 64 * 80).reshape(64, 80).astype(np.int16)
    stream = imagecodecs.jpeg8_encode(to_cells(smooth, encoding), level=95, bitspersample=12)

    ct_slice = read_slice(
        ct_file(smooth, encoding, "1.2.840.10008.1.2.4.51", PixelData=[bytes(stream)]),
        "a.dcm",
        ReadLimits(),
    )

    assert np.abs(ct_slice.hu - smooth).max() <= 10
    assert any("with loss" in warning for warning in ct_slice.warnings)


@pytest.mark.parametrize(
    ("cell", "bits_stored", "high_bit", "signed", "value"),
    [
        (0x0FFF, 12, 11, False, 4095),
        (0x0FFF, 12, 11, True, -1),
        (0xF7FF, 12, 11, True, 2047),
        (0xF800, 12, 11, True, -2048),
        (0xFFF0, 12, 15, False, 4095),
        (0xFFF0, 12, 15, True, -1),
        (0x8000, 16, 15, True, -32768),
        (0x8000, 16, 15, False, 32768),
    ],
)
def test_stored_bits_are_taken_out_and_their_sign_is_extended(
    cell: int, bits_stored: int, high_bit: int, signed: bool, value: int
) -> None:
    pixel_format = PixelFormat(1, 1, 16, bits_stored, high_bit, signed)

    stored = stored_values(np.array([[cell]], np.uint16), pixel_format)

    assert stored.tolist() == [[value]]
