"""A synthetic CT factory: small slices of known HU in every encoding, and every attribute at will.

It writes DICOM by itself, byte by byte, so that it can also write what no library would: attributes
that are missing, wrong or hostile. `ct_file()` is a sound file; keywords change it, None removes.

    ct_file(RescaleSlope="0")                    a slope that must be refused
    ct_file(PixelSpacing=None)                   no pixel spacing
    ct_file(encoding=Encoding(bits_stored=12, signed=False))
    ct_file(syntax=JPEG_LS_LOSSLESS)
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR, tag_for_keyword

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
JPEG_LOSSLESS: Final = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1: Final = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"
RLE: Final = "1.2.840.10008.1.2.5"

NATIVE_SYNTAXES: Final = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)
LOSSLESS_SYNTAXES: Final = (
    *NATIVE_SYNTAXES, JPEG_LOSSLESS, JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, RLE
)  # fmt: skip

HU_BLOCKS: Final = (-1000, 0, 35, 70, 1000)
"""Air, water, brain, blood and bone: one vertical stripe each."""

Value = str | bytes | int | list[bytes]
"""Text, raw bytes, one 16-bit number, or the fragments of encapsulated pixel data."""

_LONG_VRS: Final = ("OB", "OW", "SQ", "UN", "UT", "UC", "UR")


@dataclass(frozen=True)
class Encoding:
    """How HU become stored values; `junk` fills the bits that are allocated but not stored."""

    bits_allocated: int = 16
    bits_stored: int = 16
    signed: bool = True
    slope: float = 1
    intercept: float = -1024
    junk: int = 0


def block_hu(rows: int = 64, columns: int = 80) -> NDArray[np.int16]:
    """Return int16[rows, columns]: the stripes of `HU_BLOCKS`."""
    stripe = np.arange(columns) * len(HU_BLOCKS) // columns
    return np.tile(np.array(HU_BLOCKS, np.int16)[stripe], (rows, 1))


def ct_file(
    hu: NDArray[np.int16] | None = None,
    encoding: Encoding | None = None,
    syntax: str = EXPLICIT,
    **changes: Value | None,
) -> bytes:
    """Return a DICOM CT file; `changes` set attributes by keyword, None removes them."""
    encoding = encoding or Encoding()
    cells = to_cells(block_hu() if hu is None else hu, encoding)
    attributes = {**_attributes(cells, encoding, syntax), **changes}
    kept = {keyword: value for keyword, value in attributes.items() if value is not None}
    return dicom_file(encode_elements(kept, syntax), syntax)


def to_cells(hu: NDArray[np.int16], encoding: Encoding) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the cells that stand for `hu`, with `junk` in the unused high bits."""
    stored = np.rint((hu - encoding.intercept) / encoding.slope).astype(np.int64)
    used = stored & (2**encoding.bits_stored - 1)
    cells: NDArray[np.int64] = used | (encoding.junk << encoding.bits_stored)
    return cells.astype(np.uint8) if encoding.bits_allocated == 8 else cells.astype(np.uint16)


def dicom_file(dataset: bytes, syntax: str = EXPLICIT, preamble: bytes = b"\0" * 128) -> bytes:
    """Put the file meta information (PS3.10 7.1) in front of an encoded data set."""
    meta = b"".join(
        _element(tag, vr, value, EXPLICIT)
        for tag, vr, value in (
            (0x00020001, "OB", b"\0\1"),
            (0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
            (0x00020003, "UI", b"1.2.826.0.1.3680043.8.498.1"),
            (0x00020010, "UI", syntax.encode()),
        )
    )
    if syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        dataset = packer.compress(dataset) + packer.flush()
    length = _element(0x00020000, "UL", struct.pack("<I", len(meta)), EXPLICIT)
    return preamble + b"DICM" + length + meta + dataset


def encode_elements(attributes: Mapping[str, Value], syntax: str = EXPLICIT) -> bytes:
    """Encode attributes, in the order of their tags."""
    tags = {tag_for_keyword(keyword) or 0: value for keyword, value in attributes.items()}
    encoded = []
    for tag, value in sorted(tags.items()):
        vr = dictionary_VR(tag).split(" ")[-1 if tag == 0x7FE00010 else 0]  # OB or OW: words
        if isinstance(value, list):
            encoded.append(_encapsulated(value))
        else:
            encoded.append(_element(tag, vr, _to_bytes(value, syntax), syntax))
    return b"".join(encoded)


def _attributes(
    cells: NDArray[np.uint8] | NDArray[np.uint16], encoding: Encoding, syntax: str
) -> dict[str, Value | None]:
    rows, columns = cells.shape
    return {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.1",
        "StudyDate": "20260101",
        "Modality": "CT",
        "StudyDescription": "CT HEAD",
        "PatientName": "Example^Ada",
        "PatientID": "E1",
        "PatientAge": "060Y",
        "BodyPartExamined": "HEAD",
        "SliceThickness": "5",
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.3",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.2",
        "InstanceNumber": "1",
        "ImagePositionPatient": "-100\\-100\\0",
        "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": "0.5\\0.5",
        "BitsAllocated": encoding.bits_allocated,
        "BitsStored": encoding.bits_stored,
        "HighBit": encoding.bits_stored - 1,
        "PixelRepresentation": int(encoding.signed),
        "RescaleIntercept": f"{encoding.intercept:g}",
        "RescaleSlope": f"{encoding.slope:g}",
        "PixelData": encode_pixels(cells, syntax),
    }


def encode_pixels(cells: NDArray[np.uint8] | NDArray[np.uint16], syntax: str) -> Value:
    """Encode cells for a transfer syntax: plain bytes, or one fragment."""
    if syntax in _ENCODERS:
        stream = _ENCODERS[syntax](cells)
        return [stream + b"\0" * (len(stream) % 2)]
    ordered = cells.dtype.newbyteorder(">" if syntax == BIG_ENDIAN else "<")
    plain = cells.astype(ordered).tobytes()
    plain += b"\0" * (len(plain) % 2)
    if syntax == BIG_ENDIAN and cells.itemsize == 1:
        return np.frombuffer(plain, "<u2").byteswap().tobytes()  # 8-bit pixels in words (OW)
    return plain


def _encode_rle(cells: NDArray[Any]) -> bytes:
    """Encode by PS3.5 annex G with literal runs only, independently of any decoder."""
    planes = cells.astype(cells.dtype.newbyteorder(">")).view(np.uint8)
    planes = planes.reshape(-1, cells.itemsize).T
    segments = []
    for plane in planes:
        runs = [plane[i : i + 128] for i in range(0, plane.size, 128)]
        segment = b"".join(bytes([len(run) - 1]) + run.tobytes() for run in runs)
        segments.append(segment + b"\0" * (len(segment) % 2))
    offsets = np.cumsum([64, *[len(segment) for segment in segments]])[:-1]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def _encode_jpeg_lossless(cells: NDArray[Any], predictor: int) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(cells, lossless=True, predictor=predictor))


_ENCODERS: Final[dict[str, Callable[[NDArray[Any]], bytes]]] = {
    JPEG_LOSSLESS: lambda cells: _encode_jpeg_lossless(cells, 4),
    JPEG_LOSSLESS_SV1: lambda cells: _encode_jpeg_lossless(cells, 1),
    JPEG_LS_LOSSLESS: lambda cells: bytes(imagecodecs.jpegls_encode(cells)),
    JPEG_2000_LOSSLESS: lambda cells: bytes(
        imagecodecs.jpeg2k_encode(cells, level=0, reversible=True, codecformat="J2K")
    ),
    RLE: _encode_rle,
}


def _to_bytes(value: str | bytes | int, syntax: str) -> bytes:
    if isinstance(value, int):
        return struct.pack(">H" if syntax == BIG_ENDIAN else "<H", value & 0xFFFF)
    if isinstance(value, str):
        encoded = value.encode()
        return encoded + b" " * (len(encoded) % 2)
    return value


def _element(tag: int, vr: str, value: bytes, syntax: str) -> bytes:
    """Encode one element (PS3.5 section 7.1)."""
    order = ">" if syntax == BIG_ENDIAN else "<"
    group_element = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if vr == "UI":
        value = value.rstrip(b" ") + b"\0" * (len(value.rstrip(b" ")) % 2)
    if syntax == IMPLICIT:
        return group_element + struct.pack("<I", len(value)) + value
    if vr in _LONG_VRS:
        return group_element + vr.encode() + struct.pack(order + "HI", 0, len(value)) + value
    return group_element + vr.encode() + struct.pack(order + "H", len(value)) + value


def _encapsulated(fragments: list[bytes]) -> bytes:
    """Encode pixel data as fragments behind an empty offset table (PS3.5 A.4)."""
    items = b"".join(
        struct.pack("<HHI", 0xFFFE, 0xE000, len(fragment)) + fragment
        for fragment in (b"", *fragments)
    )
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    return head + items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
