"""The byte-level check of a DICOM file: bounded in time and memory, before anything trusts it.

It finds every element of the top level, so that what follows reads attributes and pixels in place.
Depth, elements and items are counted on the way, also inside sequences that Falx never reads,
because the original file may be handed to other programs.
"""

import zlib
from dataclasses import dataclass
from typing import Final

from model.dicom.element_walk import (
    PIXEL_DATA,
    UNDEFINED_LENGTH,
    DamagedError,
    Element,
    ElementWalker,
    ScanLimits,
    TooMuchError,
)
from model.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, PixelCoding, TransferSyntax, uid_name
from model.errors import InputRefusedError

PREAMBLE_BYTES: Final = 128
_PART_10: Final = "Falx reads complete DICOM Part 10 files; export the image again."

_FOREIGN_FORMATS: Final = (
    (b"\x89PNG", "is a PNG picture"),
    (b"\xff\xd8\xff", "is a JPEG picture"),
    (b"%PDF", "is a PDF document"),
    (b"PK\x03\x04", "is a ZIP archive"),
    (b"\x1f\x8b", "is a gzip archive"),
    (b"\x5c\x01\x00\x00", "is a NIfTI volume"),
    (b"\xff\x4f\xff\x51", "is a JPEG 2000 picture"),
    (b"GIF8", "is a GIF picture"),
    (b"<", "is an HTML or XML text"),
    (b"{", "is a JSON text"),
)


@dataclass(frozen=True)
class Scan:
    """A file whose structure is sound; values are still unread.

    `dataset` is the data set after the file meta information, inflated. `fragments` are the spans
    of encapsulated pixel data without the basic offset table (PS3.5 A.4), empty for native ones.
    `media_storage_class` is the SOP class that the file meta information names, or empty.
    """

    name: str
    transfer_syntax: TransferSyntax
    dataset: memoryview
    elements: dict[int, Element]
    fragments: tuple[tuple[int, int], ...]
    media_storage_class: str

    def value(self, tag: int) -> bytes | None:
        """Return the raw bytes of a top-level element, or None where it is absent."""
        element = self.elements.get(tag)
        if element is None:
            return None
        return bytes(self.dataset[element.start : element.start + element.length])


def scan_file(data: bytes, name: str, limits: ScanLimits) -> Scan:
    """Check the structure of a DICOM Part 10 file (PS3.10 section 7, PS3.5 section 7).

    Files without the mark DICM at byte 128 are refused, also where the rest looks like a data set:
    without the file meta information the transfer syntax would be a guess.

    Raises
    ------
    InputRefusedError
        The file is not DICOM, is cut short, is malformed, exceeds `limits` or has a transfer
        syntax that Falx does not read.
    """
    _refuse_foreign(data, name)
    try:
        syntax, media_storage_class, start = _read_file_meta(memoryview(data), name, limits)
        dataset = memoryview(data)[start:]
        if syntax.deflated:
            dataset = memoryview(_inflate(dataset, name, limits.inflated_bytes))
        walker = ElementWalker(dataset, limits, big_endian=syntax.big_endian)
        walker.walk_elements(0, len(dataset), syntax.implicit_vr, depth=0, delimited=False)
    except DamagedError as damage:
        raise InputRefusedError(name, str(damage), _PART_10) from None
    except TooMuchError as excess:
        raise InputRefusedError(name, str(excess), "CT images need far less.") from None
    if PIXEL_DATA in walker.found:
        encapsulated = walker.found[PIXEL_DATA].length == UNDEFINED_LENGTH
        if encapsulated == (syntax.pixel_coding is PixelCoding.NATIVE):
            raise InputRefusedError(
                name,
                f"has {'encapsulated' if encapsulated else 'plain'} pixel data, which does not "
                f"agree with its transfer syntax {syntax.name}",
                _PART_10,
            )
    fragments = tuple(walker.fragments)
    return Scan(name, syntax, dataset, walker.found, fragments, media_storage_class)


def _refuse_foreign(data: bytes, name: str) -> None:
    """Raise unless the mark DICM stands behind the preamble; name what the file is instead."""
    if not data:
        raise InputRefusedError(name, "is empty", _PART_10)
    if data[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == b"DICM":
        return
    for magic, what in _FOREIGN_FORMATS:
        if data.startswith(magic):
            raise InputRefusedError(name, f"{what}, not a DICOM file", _PART_10)
    if data[:2] in (b"\x08\x00", b"\x02\x00", b"\x00\x08", b"\x00\x02"):
        problem = "looks like a DICOM data set without the file header (no DICM mark at byte 128)"
        raise InputRefusedError(name, problem, _PART_10)
    raise InputRefusedError(name, "is not a DICOM file (no DICM mark at byte 128)", _PART_10)


def _read_file_meta(
    data: memoryview, name: str, limits: ScanLimits
) -> tuple[TransferSyntax, str, int]:
    """Return transfer syntax, SOP class and where the data set starts (PS3.10 section 7.1)."""
    walker = ElementWalker(data, limits, big_endian=False)
    at, end = PREAMBLE_BYTES + 4, len(data)
    while end - at >= 8 and walker.tag(at) >> 16 == 0x0002:
        at = walker.walk_one(at, end, implicit=False, depth=0)
    if 0x00020010 not in walker.found:
        raise InputRefusedError(name, "does not say its transfer syntax", _PART_10)
    uid = _meta_uid(data, walker.found[0x00020010])
    if uid not in TRANSFER_SYNTAXES:
        raise InputRefusedError(
            name,
            f"has the transfer syntax {uid_name(uid) or '(empty)'}, which Falx does not decode",
            "Falx reads uncompressed, deflated, RLE, JPEG, JPEG-LS and JPEG 2000 images.",
        )
    media_storage_class = walker.found.get(0x00020002)
    stored_class = "" if media_storage_class is None else _meta_uid(data, media_storage_class)
    return TRANSFER_SYNTAXES[uid], stored_class, at


def _meta_uid(data: memoryview, element: Element) -> str:
    """Return a UID of the file meta information as text, cut where no UID is that long."""
    raw = bytes(data[element.start : element.start + min(element.length, 80)])
    return raw.decode("ascii", "replace").strip(" \0")


def _inflate(deflated: memoryview, name: str, cap: int) -> bytes:
    """Inflate a deflated data set (PS3.5 A.5), never beyond `cap` bytes."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(deflated, cap)
    except zlib.error:
        problem = "has a deflated data set that cannot be inflated"
        raise InputRefusedError(name, problem, _PART_10) from None
    if inflater.eof:
        return inflated
    if len(inflated) >= cap:
        raise InputRefusedError(
            name,
            f"inflates to more than {cap:,} bytes",
            f"Falx inflates up to {cap // 2**20} MiB a file.",
        )
    raise InputRefusedError(
        name,
        f"is cut short: its deflated data set ends after {len(deflated):,} bytes, unfinished",
        _PART_10,
    )
