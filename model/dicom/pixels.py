"""From encoded pixel data to stored values, with the decoded size known before decoding starts."""

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.dicom.element_walk import PIXEL_DATA
from model.dicom.prescan import Scan
from model.dicom.transfer_syntaxes import PixelCoding
from model.errors import InputRefusedError

IntegerImage = NDArray[np.integer[Any]]
"""An image of whole numbers, of whichever width the file has."""

_ACCEPTED: Final = "Falx reads CT images whose pixel data agree with their attributes."
_JPEG_SIZE_MARKERS: Final = {0xC0: 8, 0xC1: 12, 0xC2: 12, 0xC3: 16}
"""Start-of-frame markers of the JPEG processes that Falx decodes, with the deepest precision."""
_JPEG_LS_SIZE_MARKER: Final = 0xF7
_RLE_HEADER_BYTES: Final = 64
_MOST_PARTS: Final = 400
"""A progressive JPEG has about 10 scans; 64 x 64 tiles are 324 in an image of 1024 x 1024."""


@dataclass(frozen=True)
class PixelFormat:
    """How stored values lie in memory (PS3.3 C.7.6.3.1 and PS3.5 section 8.1.1)."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def n_pixels(self) -> int:
        return self.rows * self.columns

    @property
    def cell_type(self) -> type[np.uint8] | type[np.uint16]:
        return np.uint8 if self.bits_allocated == 8 else np.uint16


@dataclass(frozen=True)
class _StreamSize:
    """What the header of a compressed stream says about its image."""

    rows: int
    columns: int
    samples: int
    precision: int
    parts: int
    """Scans or tiles: each costs time and memory of its own, whatever its size."""


def decode_cells(scan: Scan, pixel_format: PixelFormat) -> IntegerImage:
    """Decode the one frame of a file to its cells: all allocated bits, unsigned.

    Parameters
    ----------
    scan
        A file with pixel data.
    pixel_format
        Size and bits as the attributes state them.

    Returns
    -------
    [rows, columns], uint8 or uint16 after `bits_allocated`. `stored_values` takes the stored bits.

    Raises
    ------
    InputRefusedError
        The size of the data or of the compressed stream differs from the attributes, or the
        stream cannot be decoded.
    """
    if scan.transfer_syntax.pixel_coding is PixelCoding.NATIVE:
        return _native_cells(scan, pixel_format)
    stream = b"".join(scan.dataset[start:stop] for start, stop in scan.fragments)
    coding = scan.transfer_syntax.pixel_coding
    if coding is PixelCoding.RLE:
        return _decode_rle(stream, scan.name, pixel_format)
    _check_stream(stream, coding, scan.name, pixel_format)
    try:
        decoded = _decode_stream(stream, coding)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        problem = f"has a damaged {coding.value} stream ({type(error).__name__})"
        raise InputRefusedError(scan.name, problem, _ACCEPTED) from None
    if decoded.shape != (pixel_format.rows, pixel_format.columns):
        problem = f"decodes to the shape {decoded.shape}"
        raise InputRefusedError(scan.name, problem, _ACCEPTED)
    if decoded.dtype.kind == "i":
        decoded = decoded.astype(np.int16, copy=False).view(np.uint16)
    return np.asarray(decoded.astype(pixel_format.cell_type, copy=False))


def stored_values(cells: IntegerImage, pixel_format: PixelFormat) -> IntegerImage:
    """Take the stored bits out of the cells, and extend their sign (PS3.5 section 8.1.1).

    Bits outside the stored ones may hold overlay planes in older files.

    Returns
    -------
    Same shape as `cells`; int8 or int16 if signed, else uint8 or uint16.
    """
    allocated, stored = pixel_format.bits_allocated, pixel_format.bits_stored
    signed_type: type[np.signedinteger[Any]] = np.int8 if allocated == 8 else np.int16
    if stored == allocated:
        return cells.view(signed_type) if pixel_format.signed else cells
    raised: IntegerImage = cells << (allocated - 1 - pixel_format.high_bit)
    if pixel_format.signed:
        raised = raised.view(signed_type)
    return raised >> (allocated - stored)


def _native_cells(scan: Scan, pixel_format: PixelFormat) -> IntegerImage:
    """View plain pixel data in place (PS3.5 section 8.1.1); exactly one frame, no more, no less."""
    element = scan.elements[PIXEL_DATA]
    expected = pixel_format.n_pixels * pixel_format.bits_allocated // 8
    if element.length != expected + expected % 2:
        raise InputRefusedError(
            scan.name,
            f"has {element.length:,} bytes of pixel data where {pixel_format.rows} x "
            f"{pixel_format.columns} pixels of {pixel_format.bits_allocated} bits need "
            f"{expected:,}",
            _ACCEPTED,
        )
    order = ">" if scan.transfer_syntax.big_endian else "<"
    if pixel_format.bits_allocated == 8 and order == ">" and element.vr == "OW":
        # Two 8-bit pixels share a word, whose bytes are swapped (PS3.5 annex D).
        words = np.frombuffer(scan.dataset, ">u2", element.length // 2, element.start)
        cells = words.astype("<u2").view(np.uint8)[: pixel_format.n_pixels]
    else:
        code = f"{order}u{pixel_format.bits_allocated // 8}"
        cells = np.frombuffer(scan.dataset, code, pixel_format.n_pixels, element.start)
    return np.asarray(
        cells.reshape(pixel_format.rows, pixel_format.columns).astype(
            pixel_format.cell_type, copy=False
        )
    )


def _check_stream(stream: bytes, coding: PixelCoding, name: str, pixel_format: PixelFormat) -> None:
    """Raise unless the stream's own header promises the image that the attributes describe."""
    try:
        size = _jpeg_2000_size(stream) if coding is PixelCoding.JPEG_2000 else _jpeg_size(stream)
    except (struct.error, IndexError):
        size = None
    if size is None:
        problem = f"has pixel data that do not start with a {coding.value} header"
        raise InputRefusedError(name, problem, _ACCEPTED)
    if (size.rows, size.columns, size.samples) != (pixel_format.rows, pixel_format.columns, 1):
        raise InputRefusedError(
            name,
            f"has a {coding.value} stream of {size.rows} x {size.columns} pixels with "
            f"{size.samples} samples, where the attributes say {pixel_format.rows} x "
            f"{pixel_format.columns} with 1",
            _ACCEPTED,
        )
    if size.precision > pixel_format.bits_allocated:
        problem = f"has {size.precision}-bit pixels for {pixel_format.bits_allocated} bits"
        raise InputRefusedError(name, problem, _ACCEPTED)
    if size.parts > _MOST_PARTS:
        problem = f"has a {coding.value} stream of {size.parts:,} tiles or scans"
        raise InputRefusedError(name, problem, _ACCEPTED)
    # Decoders fill the missing part of a cut stream with grey, without an error. Behind the end
    # marker of all three codings, some writers pad with other bytes than zero.
    if not stream.rstrip(b"\0\xff").endswith(b"\xff\xd9"):
        problem = f"has a {coding.value} stream without its end: it is cut short"
        raise InputRefusedError(name, problem, _ACCEPTED)


def _jpeg_size(stream: bytes) -> _StreamSize | None:
    """Read the frame header of a JPEG (ITU-T T.81 B.2.2) or JPEG-LS (T.87 C.2.2) stream."""
    if stream[:2] != b"\xff\xd8":
        return None
    at = 2
    while stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        (length,) = struct.unpack_from(">H", stream, at + 2)
        if marker in _JPEG_SIZE_MARKERS or marker == _JPEG_LS_SIZE_MARKER:
            precision, rows, columns, samples = struct.unpack_from(">BHHB", stream, at + 4)
            deepest = _JPEG_SIZE_MARKERS.get(marker, 16)
            if precision > deepest:
                return None
            # Entropy-coded data never hold this marker, so that each one starts a scan.
            return _StreamSize(rows, columns, samples, precision, stream.count(b"\xff\xda"))
        if marker == 0xDA:
            return None
        at += 2 + length
    return None


def _jpeg_2000_size(stream: bytes) -> _StreamSize | None:
    """Read the SIZ segment of a JPEG 2000 codestream (ITU-T T.800 A.5.1)."""
    if stream[:4] != b"\xff\x4f\xff\x51":
        return None
    right, bottom, left, top, tile_width, tile_height = struct.unpack_from(">6I", stream, 8)
    samples, depth = struct.unpack_from(">HB", stream, 40)
    rows, columns = bottom - top, right - left
    if not tile_width or not tile_height:
        return None
    # One more each way, because the tiles need not start with the image.
    n_tiles = (rows // tile_height + 2) * (columns // tile_width + 2)
    return _StreamSize(rows, columns, samples, (depth & 0x7F) + 1, n_tiles)


def _decode_stream(stream: bytes, coding: PixelCoding) -> IntegerImage:
    """Decode a checked stream; the decoder is imported when a file first needs it."""
    import imagecodecs

    if coding is PixelCoding.JPEG:
        return np.asarray(imagecodecs.jpeg8_decode(stream))
    if coding is PixelCoding.JPEG_LS:
        return np.asarray(imagecodecs.jpegls_decode(stream))
    return np.asarray(imagecodecs.jpeg2k_decode(stream))


def _decode_rle(stream: bytes, name: str, pixel_format: PixelFormat) -> IntegerImage:
    """Decode RLE (PS3.5 annex G): one run-length segment a byte plane, most significant first.

    Every plane is decoded into a buffer of its known size, so that a stream of long runs cannot
    take more memory than the image does.
    """
    import imagecodecs

    n_planes = pixel_format.bits_allocated // 8
    offsets = struct.unpack_from("<16I", stream.ljust(_RLE_HEADER_BYTES, b"\0"))
    starts = [*offsets[1 : 1 + n_planes], len(stream)]
    if offsets[0] != n_planes or starts[0] < _RLE_HEADER_BYTES or starts != sorted(starts):
        problem = f"has an RLE header that does not describe {n_planes} segments"
        raise InputRefusedError(name, problem, _ACCEPTED)
    n_pixels = pixel_format.n_pixels
    cells = np.zeros(n_pixels, pixel_format.cell_type)
    for index in range(n_planes):
        segment = stream[starts[index] : starts[index + 1]]
        try:
            # A padding byte at the end may decode to a few values too many.
            plane = imagecodecs.packbits_decode(segment, out=n_pixels + 128)
        except (RuntimeError, ValueError) as error:
            problem = f"has a damaged RLE segment ({type(error).__name__})"
            raise InputRefusedError(name, problem, _ACCEPTED) from None
        if len(plane) < n_pixels:
            raise InputRefusedError(
                name,
                f"has an RLE segment of {len(plane):,} values where {n_pixels:,} are needed",
                _ACCEPTED,
            )
        values = np.frombuffer(plane, np.uint8, n_pixels)
        cells |= values.astype(cells.dtype) << (8 * (n_planes - 1 - index))
    return cells.reshape(pixel_format.rows, pixel_format.columns)
