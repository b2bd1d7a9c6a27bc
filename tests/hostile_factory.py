"""Hostile DICOM files: bombs for memory, time and stack, small on disk and large in effect."""

import struct
import zlib
from typing import Final

from ct_factory import (
    DEFLATED,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    RLE,
    ct_file,
    dicom_file,
)

_UNDEFINED: Final = 0xFFFFFFFF


def long_element(tag: int, vr: bytes, length: int, value: bytes = b"") -> bytes:
    """Encode an explicit element with a 32-bit length, which need not be that of its value."""
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, length) + value


def item(length: int, value: bytes = b"") -> bytes:
    """Encode the start of a sequence item."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, length) + value


ITEM_END: Final = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END: Final = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_SEQUENCE: Final = 0x00081140


def deflate_bomb(megabytes: int) -> bytes:
    """Return a file that inflates to so many megabytes of zeros, a thousandth of that on disk."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    head = long_element(0x00091010, b"OB", megabytes * 10**6)
    packed = [packer.compress(head)]
    packed += [packer.compress(bytes(10**6)) for _ in range(megabytes)]
    empty_deflated_file = dicom_file(b"", DEFLATED)
    start = len(empty_deflated_file) - 2
    return empty_deflated_file[:start] + b"".join(packed) + packer.flush()


def nested(depth: int, *, closed: bool) -> bytes:
    """Return a file of sequences within sequences, with undefined lengths."""
    opening = long_element(_SEQUENCE, b"SQ", _UNDEFINED) + item(_UNDEFINED)
    return dicom_file(opening * depth + (ITEM_END + SEQUENCE_END) * (depth if closed else 0))


def nested_with_lengths(depth: int) -> bytes:
    """Return a file of sequences within sequences, with defined lengths."""
    value = b""
    for _ in range(depth):
        value = item(len(value), value)
        value = long_element(_SEQUENCE, b"SQ", len(value), value)
    return dicom_file(value)


def nested_in_unknown(depth: int) -> bytes:
    """Return sequences within private elements of unknown type (VR UN) and defined length."""
    value = b""
    for _ in range(depth):
        value = item(len(value), value)
        value = long_element(0x00091010, b"UN", len(value), value)
    return dicom_file(value)


def many_items(count: int, *, closed: bool = True) -> bytes:
    """Return a sequence of so many empty items."""
    items = item(0) * count + (SEQUENCE_END if closed else b"")
    length = _UNDEFINED if closed else len(items)
    return dicom_file(long_element(_SEQUENCE, b"SQ", length, items))


def many_elements(count: int) -> bytes:
    """Return so many private elements."""
    return dicom_file(
        b"".join(
            struct.pack("<HH2sH", 0x0009 + 2 * (n >> 16), n & 0xFFFF, b"LO", 0)
            for n in range(count)
        )
    )


def many_fragments(count: int) -> bytes:
    """Return pixel data in so many empty fragments."""
    return ct_file(syntax=JPEG_LOSSLESS_SV1, PixelData=[b""] * count)


def rle_bomb(megabytes: int) -> bytes:
    """Return RLE pixel data that would decode to so many megabytes."""
    runs = bytes([0x81, 7]) * (megabytes * 10**6 // 128)
    header = struct.pack("<16I", 2, 64, 64 + len(runs), *[0] * 13)
    return ct_file(syntax=RLE, PixelData=[header + runs + runs])


def jpeg_of_size(rows: int, columns: int, samples: int = 1) -> bytes:
    """Return a lossless JPEG stream whose header promises an image of that size."""
    frame = struct.pack(">2sHBHHB", b"\xff\xc3", 8 + 3 * samples, 16, rows, columns, samples)
    frame += bytes([1, 0x11, 0]) * samples
    stream = b"\xff\xd8" + frame + b"\xff\xda\0\x08\1\1\0\1\0\0" + bytes(64) + b"\xff\xd9"
    return ct_file(syntax=JPEG_LOSSLESS_SV1, PixelData=[stream])


def jpeg_ls_of_size(rows: int, columns: int) -> bytes:
    """Return a JPEG-LS stream whose header promises an image of that size."""
    frame = struct.pack(">2sHBHHB3s", b"\xff\xf7", 11, 16, rows, columns, 1, b"\1\x11\0")
    stream = b"\xff\xd8" + frame + b"\xff\xda\0\x08\1\1\0\0\0\0" + bytes(64) + b"\xff\xd9"
    return ct_file(syntax=JPEG_LS_LOSSLESS, PixelData=[stream])


def jpeg_of_scans(count: int) -> bytes:
    """Return a JPEG stream of the right size in very many scans."""
    sound = jpeg_of_size(64, 80)
    scan = b"\xff\xda\0\x08\1\1\0\1\0\0\x7f"
    stream = sound[sound.index(b"\xff\xd8") :].split(b"\xff\xda")[0] + scan * count + b"\xff\xd9"
    return ct_file(syntax=JPEG_LOSSLESS_SV1, PixelData=[stream])


def jpeg_2000_of_size(rows: int, columns: int, tile: int = 2**31) -> bytes:
    """Return a JPEG 2000 stream whose header promises an image of that size, in such tiles."""
    size = struct.pack(">HH8IH3B", 41, 0, columns, rows, 0, 0, tile, tile, 0, 0, 1, 15, 1, 1)
    stream = b"\xff\x4f\xff\x51" + size + b"\xff\x90" + bytes(64) + b"\xff\xd9"
    return ct_file(syntax=JPEG_2000_LOSSLESS, PixelData=[stream])


BOMBS: Final = {
    "deflate 100 MB": lambda: deflate_bomb(100),
    "deflate 1000 MB": lambda: deflate_bomb(1000),
    "nested 17": lambda: nested(17, closed=True),
    "nested 1,000": lambda: nested(1_000, closed=True),
    "nested 100,000 and open": lambda: nested(100_000, closed=False),
    "nested 5,000 with lengths": lambda: nested_with_lengths(5_000),
    "nested 500 in unknown elements": lambda: nested_in_unknown(500),
    "500,000 items": lambda: many_items(500_000),
    "500,000 items with a length": lambda: many_items(500_000, closed=False),
    "300,000 elements": lambda: many_elements(300_000),
    "100,000 fragments": lambda: many_fragments(100_000),
    "rows 65,535": lambda: ct_file(Rows=65535, Columns=65535),
    "2,000,000,000 frames": lambda: ct_file(NumberOfFrames="2000000000"),
    "jpeg of 65,500": lambda: jpeg_of_size(65500, 65500),
    "jpeg of 3 samples": lambda: jpeg_of_size(64, 80, samples=3),
    "jpeg-ls of 65,500": lambda: jpeg_ls_of_size(65500, 65500),
    "jpeg 2000 of 2,000,000,000": lambda: jpeg_2000_of_size(2 * 10**9, 2 * 10**9),
    "jpeg of 1,000,000 scans": lambda: jpeg_of_scans(1_000_000),
    "jpeg 2000 of 1,280 tiles": lambda: jpeg_2000_of_size(64, 80, tile=2),
    "rle 1000 MB": lambda: rle_bomb(1000),
}
"""Every bomb, by name; each call builds one. All must be refused without great cost."""
