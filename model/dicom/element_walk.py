"""One linear pass over the elements of a data set: it finds, counts and never decodes a value."""

import struct
from dataclasses import dataclass
from typing import Final, Protocol

from pydicom.datadict import keyword_for_tag

PIXEL_DATA: Final = 0x7FE00010
UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_LONG_VRS: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
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


class DamagedError(Exception):
    """The bytes are not what their lengths and delimiters promise; the problem as a clause."""


class TooMuchError(Exception):
    """A limit is exceeded; the problem as a clause."""


class _Unpack(Protocol):
    def __call__(self, buffer: memoryview, offset: int, /) -> tuple[int, ...]: ...


class ElementWalker:
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
            raise DamagedError("is cut short: a sequence item is not closed")
        return end

    def walk_one(self, at: int, end: int, implicit: bool, depth: int) -> int:
        """Walk one element with all that it contains; return where the next one starts."""
        self.n_elements += 1
        if self.n_elements > self.limits.elements:
            raise TooMuchError(f"has more than {self.limits.elements:,} elements")
        tag, vr, length, start = self._header(at, end, implicit)
        if depth == 0:
            if tag in self.found:
                raise DamagedError(f"contains {_tag_text(tag)} twice")
            self.found[tag] = Element(vr.decode("ascii"), start, length)
        if length == UNDEFINED_LENGTH:
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
            raise DamagedError(f"is cut short: it ends {end - at} bytes into an element's header")
        group, element, long_length = self._tag_and_long(self.data, at)
        tag = group << 16 | element
        if group == 0xFFFE:
            raise DamagedError(f"has a delimiter {_tag_text(tag)} out of place at byte {at:,}")
        vr = bytes(self.data[at + 4 : at + 6])
        # Some writers switch to implicit VR inside sequences; a VR is always two capitals.
        if implicit or not (vr.isalpha() and vr.isupper()):
            return tag, b"", long_length, at + 8
        if vr not in _LONG_VRS:
            return tag, vr, self._short(self.data, at + 6)[0], at + 8
        if end - at < 12:
            raise DamagedError(f"is cut short: it ends inside the header of {_tag_text(tag)}")
        return tag, vr, self._long(self.data, at + 8)[0], at + 12

    def _walk_items(self, at: int, end: int, implicit: bool, depth: int, *, delimited: bool) -> int:
        """Walk the items of a sequence (PS3.5 section 7.5); return where it ends."""
        if depth >= self.limits.depth:
            raise TooMuchError(f"nests sequences more than {self.limits.depth} levels deep")
        while at < end:
            tag, length = self._item_header(at, end)
            at += 8
            if tag == _SEQUENCE_END and delimited:
                return at
            if tag != _ITEM:
                raise DamagedError(f"has {_tag_text(tag)} where a sequence item should start")
            if length == UNDEFINED_LENGTH:
                at = self.walk_elements(at, end, implicit, depth + 1, delimited=True)
                continue
            self._expect("a sequence item", length, end - at)
            self.walk_elements(at, at + length, implicit, depth + 1, delimited=False)
            at += length
        if delimited:
            raise DamagedError("is cut short: a sequence is not closed")
        return end

    def _walk_guessed_items(self, start: int, end: int, implicit: bool, depth: int) -> None:
        """Walk a value that starts like a sequence without saying so, to count what it holds.

        Private values of that kind need not be sequences, so damage inside them means nothing.
        """
        try:
            self._walk_items(start, end, implicit, depth, delimited=False)
        except DamagedError:
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
                raise DamagedError(f"has {_tag_text(tag)} where a fragment should start")
            self._expect("a pixel data fragment", length, end - at)
            if keep and not is_offset_table:
                self.fragments.append((at, at + length))
            is_offset_table = False
            at += length
        raise DamagedError("is cut short: its encapsulated pixel data are not closed")

    def _item_header(self, at: int, end: int) -> tuple[int, int]:
        """Read and count one item or delimiter: its tag and length."""
        self.n_items += 1
        if self.n_items > self.limits.items:
            raise TooMuchError(f"has more than {self.limits.items:,} sequence items")
        if end - at < 8:
            raise DamagedError("is cut short: it ends where a sequence item should start")
        group, element, length = self._tag_and_long(self.data, at)
        return group << 16 | element, length

    def _expect(self, what: str, promised: int, there: int) -> None:
        """Raise if a value reaches beyond what holds it."""
        if promised > there:
            raise DamagedError(
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
