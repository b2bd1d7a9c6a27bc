"""The byte-level check of a DICOM file: bounded in time and memory, before anything trusts it.

One pass over the file finds every element of the top level without decoding a value, so that what
follows reads attributes and pixels in place. Depth, elements and items are counted on the way, also
inside sequences that Falx never reads, because the original file may be handed to other programs.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final, Protocol

from pydicom.datadict import keyword_for_tag

from model.errors import InputRefusedError
from model.transfer_syntaxes import TRANSFER_SYNTAXES, PixelCoding, TransferSyntax, uid_name

PREAMBLE_BYTES: Final = 128
PIXEL_DATA: Final = 0x7FE00010
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_LONG_VRS: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
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
class ScanLimits:
    """What one file may cost before it is refused."""

    inflated_bytes: int = 64 * 2**20
    depth: int = 16
    elements: int = 20_000
    items: int = 20_000


@dataclass(frozen=True)
class Element:
    """Where one top-level element's value lies in the data set, in bytes."""

    vr: str
    start: int
    length: int


@dataclass(frozen=True)
class Scan:
    """A file whose structure is sound; values are still unread.

    `dataset` is the data set after the file meta information, inflated. `fragments` are the spans
    of encapsulated pixel data without the basic offset table (PS3.5 A.4), empty for native ones.
    """

    name: str
    transfer_syntax: TransferSyntax
    dataset: memoryview
    elements: dict[int, Element]
    fragments: tuple[tuple[int, int], ...]

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
        syntax, start = _read_file_meta(memoryview(data), name, limits)
        dataset = memoryview(data)[start:]
        if syntax.deflated:
            dataset = memoryview(_inflate(dataset, name, limits.inflated_bytes))
        walker = _Walker(dataset, limits, big_endian=syntax.big_endian)
        walker.walk_elements(0, len(dataset), syntax.implicit_vr, depth=0, delimited=False)
    except _DamagedError as damage:
        raise InputRefusedError(name, str(damage), _PART_10) from None
    except _TooMuchError as excess:
        raise InputRefusedError(name, str(excess), "CT images need far less.") from None
    if PIXEL_DATA in walker.found:
        encapsulated = walker.found[PIXEL_DATA].length == _UNDEFINED
        if encapsulated == (syntax.pixel_coding is PixelCoding.NATIVE):
            raise InputRefusedError(
                name,
                f"has {'encapsulated' if encapsulated else 'plain'} pixel data, which does not "
                f"agree with its transfer syntax {syntax.name}",
                _PART_10,
            )
    return Scan(name, syntax, dataset, walker.found, tuple(walker.fragments))


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


def _read_file_meta(data: memoryview, name: str, limits: ScanLimits) -> tuple[TransferSyntax, int]:
    """Return the transfer syntax and where the data set starts (PS3.10 section 7.1)."""
    walker = _Walker(data, limits, big_endian=False)
    at, end = PREAMBLE_BYTES + 4, len(data)
    while end - at >= 8 and walker.tag(at) >> 16 == 0x0002:
        at = walker.walk_one(at, end, implicit=False, depth=0)
    element = walker.found.get(0x00020010)
    if element is None:
        raise InputRefusedError(name, "does not say its transfer syntax", _PART_10)
    raw = bytes(data[element.start : element.start + min(element.length, 80)])
    uid = raw.decode("ascii", "replace").strip(" \0")
    if uid not in TRANSFER_SYNTAXES:
        raise InputRefusedError(
            name,
            f"has the transfer syntax {uid_name(uid) or '(empty)'}, which Falx does not decode",
            "Falx reads uncompressed, deflated, RLE, JPEG, JPEG-LS and JPEG 2000 images.",
        )
    return TRANSFER_SYNTAXES[uid], at


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


class _DamagedError(Exception):
    """The bytes are not what their lengths and delimiters promise; the problem as a clause."""


class _TooMuchError(Exception):
    """A limit is exceeded; the problem as a clause."""


class _Unpack(Protocol):
    def __call__(self, buffer: memoryview, offset: int, /) -> tuple[int, ...]: ...


class _Walker:
    """One linear pass over the elements of a data set; what it counts and finds is its state."""

    def __init__(self, data: memoryview, limits: ScanLimits, *, big_endian: bool) -> None:
        order = ">" if big_endian else "<"
        self.data = data
        self.limits = limits
        self.found: dict[int, Element] = {}
        self.fragments: list[tuple[int, int]] = []
        self.n_elements = 0
        self.n_items = 0
        self._tag_and_long: _Unpack = struct.Struct(order + "HHI").unpack_from
        self._short: _Unpack = struct.Struct(order + "H").unpack_from
        self._long: _Unpack = struct.Struct(order + "I").unpack_from

    def tag(self, at: int) -> int:
        group, element, _ = self._tag_and_long(self.data, at)
        return group << 16 | element

    def walk_elements(
        self, at: int, end: int, implicit: bool, depth: int, *, delimited: bool
    ) -> int:
        """Walk elements up to `end`, or up to the item delimiter; return where they end."""
        while at < end:
            if depth == 0 and self._only_zeros(at, end):
                return end
            if delimited and end - at >= 8 and self.tag(at) == _ITEM_END:
                return at + 8
            at = self.walk_one(at, end, implicit, depth)
        if delimited:
            raise _DamagedError("is cut short: a sequence item is not closed")
        return end

    def walk_one(self, at: int, end: int, implicit: bool, depth: int) -> int:
        """Walk one element with all that it contains; return where the next one starts."""
        self.n_elements += 1
        if self.n_elements > self.limits.elements:
            raise _TooMuchError(f"has more than {self.limits.elements:,} elements")
        tag, vr, length, start = self._header(at, end, implicit)
        if depth == 0:
            if tag in self.found:
                raise _DamagedError(f"contains {_tag_text(tag)} twice")
            self.found[tag] = Element(vr.decode("ascii"), start, length)
        if length == _UNDEFINED:
            if tag == PIXEL_DATA or vr in (b"OB", b"OW"):
                return self._walk_fragments(start, end, keep=tag == PIXEL_DATA and depth == 0)
            return self._walk_items(start, end, implicit, depth, delimited=True)
        self._expect(_tag_text(tag), length, end - start)
        if vr == b"SQ":
            self._walk_items(start, start + length, implicit, depth, delimited=False)
        elif vr in (b"UN", b"") and length >= 8 and self.tag(start) == _ITEM:
            self._walk_guessed_items(start, start + length, implicit, depth)
        return start + length

    def _header(self, at: int, end: int, implicit: bool) -> tuple[int, bytes, int, int]:
        """Read tag, VR (empty if implicit), length and start of the value (PS3.5 section 7.1)."""
        if end - at < 8:
            raise _DamagedError(f"is cut short: it ends {end - at} bytes into an element's header")
        group, element, long_length = self._tag_and_long(self.data, at)
        tag = group << 16 | element
        if group == 0xFFFE:
            raise _DamagedError(f"has a delimiter {_tag_text(tag)} out of place at byte {at:,}")
        vr = bytes(self.data[at + 4 : at + 6])
        # Some writers switch to implicit VR inside sequences; a VR is always two capitals.
        if implicit or not (vr.isalpha() and vr.isupper()):
            return tag, b"", long_length, at + 8
        if vr not in _LONG_VRS:
            return tag, vr, self._short(self.data, at + 6)[0], at + 8
        if end - at < 12:
            raise _DamagedError(f"is cut short: it ends inside the header of {_tag_text(tag)}")
        return tag, vr, self._long(self.data, at + 8)[0], at + 12

    def _walk_items(self, at: int, end: int, implicit: bool, depth: int, *, delimited: bool) -> int:
        """Walk the items of a sequence (PS3.5 section 7.5); return where it ends."""
        if depth >= self.limits.depth:
            raise _TooMuchError(f"nests sequences more than {self.limits.depth} levels deep")
        while at < end:
            tag, length = self._item_header(at, end)
            at += 8
            if tag == _SEQUENCE_END and delimited:
                return at
            if tag != _ITEM:
                raise _DamagedError(f"has {_tag_text(tag)} where a sequence item should start")
            if length == _UNDEFINED:
                at = self.walk_elements(at, end, implicit, depth + 1, delimited=True)
                continue
            self._expect("a sequence item", length, end - at)
            self.walk_elements(at, at + length, implicit, depth + 1, delimited=False)
            at += length
        if delimited:
            raise _DamagedError("is cut short: a sequence is not closed")
        return end

    def _walk_guessed_items(self, start: int, end: int, implicit: bool, depth: int) -> None:
        """Walk a value that starts like a sequence without saying so, to count what it holds.

        Private values of that kind need not be sequences, so damage inside them means nothing.
        """
        try:
            self._walk_items(start, end, implicit, depth, delimited=False)
        except _DamagedError:
            return

    def _walk_fragments(self, at: int, end: int, *, keep: bool) -> int:
        """Walk encapsulated fragments; the first item is the basic offset table (PS3.5 A.4)."""
        is_offset_table = True
        while at < end:
            tag, length = self._item_header(at, end)
            at += 8
            if tag == _SEQUENCE_END:
                return at
            if tag != _ITEM:
                raise _DamagedError(f"has {_tag_text(tag)} where a fragment should start")
            self._expect("a pixel data fragment", length, end - at)
            if keep and not is_offset_table:
                self.fragments.append((at, at + length))
            is_offset_table = False
            at += length
        raise _DamagedError("is cut short: its encapsulated pixel data are not closed")

    def _item_header(self, at: int, end: int) -> tuple[int, int]:
        """Read and count one item or delimiter: its tag and length."""
        self.n_items += 1
        if self.n_items > self.limits.items:
            raise _TooMuchError(f"has more than {self.limits.items:,} sequence items")
        if end - at < 8:
            raise _DamagedError("is cut short: it ends where a sequence item should start")
        group, element, length = self._tag_and_long(self.data, at)
        return group << 16 | element, length

    def _expect(self, what: str, promised: int, there: int) -> None:
        """Raise if a value reaches beyond what holds it."""
        if promised > there:
            raise _DamagedError(
                f"is cut short: {what} promises {promised:,} bytes, {there:,} are there"
            )

    def _only_zeros(self, at: int, end: int) -> bool:
        """Tell whether nothing but zero bytes is left: some programs pad files with them."""
        if self.data[at] or self.data[end - 1]:
            return False
        return bytes(self.data[at : at + 8]).strip(b"\0") == b"" and (
            bytes(self.data[at:end]).count(0) == end - at
        )


def _tag_text(tag: int) -> str:
    """Show a tag as DICOM writes it, with its keyword where the dictionary has one."""
    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    keyword = keyword_for_tag(tag)
    return f"{keyword} {number}" if keyword else number
