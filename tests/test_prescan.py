"""The byte-level check: sound files pass, everything else is refused quickly and by name."""

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct_factory import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_LS_LOSSLESS,
    LOSSLESS_SYNTAXES,
    ct_file,
    dicom_file,
    encode_elements,
)
from hostile_factory import (
    BOMBS,
    ITEM_END,
    SEQUENCE_END,
    item,
    long_element,
    nested,
    nested_with_lengths,
)
from model.dicom.element_walk import PIXEL_DATA, ScanLimits
from model.dicom.prescan import Scan, scan_file
from model.errors import InputRefusedError

UNDEFINED = 0xFFFFFFFF


def scan(data: bytes, limits: ScanLimits | None = None) -> Scan:
    return scan_file(data, "a.dcm", limits or ScanLimits())


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES)
def test_sound_files_pass_in_every_transfer_syntax(syntax: str) -> None:
    scanned = scan(ct_file(syntax=syntax))

    assert scanned.transfer_syntax.uid == syntax
    assert PIXEL_DATA in scanned.elements
    assert scanned.value(0x00100020) == b"E1"
    assert scanned.value(0x00104000) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"a", "no DICM mark"),
        (b"\0" * 132, "no DICM mark"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "is a PNG picture"),
        (b"\xff\xd8\xff\xe0" + bytes(200), "is a JPEG picture"),
        (b"%PDF-1.7" + bytes(200), "is a PDF document"),
        (b"PK\x03\x04" + bytes(200), "is a ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(200), "is a gzip archive"),
        (b"<!doctype html>" + b" " * 200, "is an HTML"),
        (ct_file()[132:], "without the file header"),
        (encode_elements({"Modality": "CT", "StudyDate": "2026"}), "without the file header"),
        (b"\0" * 128 + b"DICM", "does not say its transfer syntax"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_other_files_are_refused_by_what_they_are(data: bytes, reason: str) -> None:
    with pytest.raises(InputRefusedError, match=f"^a.dcm .*{reason}"):
        scan(data)


def test_the_preamble_may_hold_anything() -> None:
    dataset = encode_elements({"Modality": "CT"})

    assert scan(dicom_file(dataset, preamble=b"MZ".ljust(128, b"\x90"))).value(0x00080060) == b"CT"


@pytest.mark.parametrize(
    ("uid", "shown"),
    [
        ("1.2.840.10008.1.2.4.100", "MPEG2"),
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),
        ("1.2.840.10008.1.2.4.95", "JPIP"),
        ("1.2.3.4", "1.2.3.4"),
        ("<script>", r"\?{8}"),
        ("", "empty"),
    ],
)
def test_other_transfer_syntaxes_are_refused_by_name(uid: str, shown: str) -> None:
    with pytest.raises(InputRefusedError, match=f"transfer syntax .*{shown}.*does not decode"):
        scan(dicom_file(b"", uid))


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES)
@pytest.mark.parametrize("percent", range(1, 100, 7))
def test_a_file_cut_anywhere_is_refused_or_ends_before_its_pixels(
    syntax: str, percent: int
) -> None:
    whole = ct_file(syntax=syntax)
    cut = whole[: len(whole) * percent // 100]

    try:
        scanned = scan(cut)
    except InputRefusedError:
        return

    assert PIXEL_DATA not in scanned.elements


def test_a_cut_value_is_told_with_both_numbers_of_bytes() -> None:
    whole = ct_file()

    with pytest.raises(
        InputRefusedError, match=r"PixelData \(7FE0,0010\) promises 10,240 bytes, 240 are there"
    ):
        scan(whole[:-10_000])


def test_zeros_after_the_last_element_are_padding() -> None:
    assert PIXEL_DATA in scan(ct_file() + b"\0" * 1001).elements


def test_elements_after_the_pixel_data_are_checked_too() -> None:
    with pytest.raises(InputRefusedError, match="more than 20,000 sequence items"):
        scan(ct_file() + long_element(0xFFFAFFFA, b"SQ", UNDEFINED, item(0) * 30_000))


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (encode_elements({"Modality": "CT"}) * 2, r"contains Modality \(0008,0060\) twice"),
        (ITEM_END, "out of place"),
        (long_element(0x00081140, b"SQ", UNDEFINED), "a sequence is not closed"),
        (
            long_element(0x00081140, b"SQ", UNDEFINED, item(UNDEFINED)),
            "a sequence item is not closed",
        ),
        (
            long_element(0x00081140, b"SQ", UNDEFINED, item(99)),
            "sequence item promises 99 bytes, 0 are there",
        ),
        (
            long_element(0x00081140, b"SQ", 16, encode_elements({"Modality": "CT"}) + b"\0" * 6),
            "where a sequence item should start",
        ),
        (long_element(0x00091010, b"UN", UNDEFINED, b"abcdefgh"), "where a sequence item"),
        (b"\x08\0\x60\0CS", "it ends 6 bytes into an element's header"),
        (b"\x08\0\x40\x11SQ\0\0", "ends inside the header of ReferencedImageSequence"),
        (b"\x08\0\x60\0CS\x04\0CT", r"Modality \(0008,0060\) promises 4 bytes, 2 are there"),
        (
            long_element(PIXEL_DATA, b"OW", UNDEFINED, item(0) + SEQUENCE_END),
            "encapsulated pixel data, which does not agree",
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_damage_is_refused_by_name(dataset: bytes, reason: str) -> None:
    with pytest.raises(InputRefusedError, match=reason):
        scan(dicom_file(dataset))


def test_plain_pixels_in_a_compressed_syntax_are_refused() -> None:
    with pytest.raises(InputRefusedError, match="plain pixel data, which does not agree"):
        scan(ct_file(syntax=JPEG_LS_LOSSLESS, PixelData=b"\0" * 10240))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_private_values_that_only_look_like_sequences_are_no_damage(syntax: str) -> None:
    looks = b"\xfe\xff\x00\xe0\xff\xff\xff\x7fnothing."

    assert scan(ct_file(syntax=syntax, PixelPaddingValue=looks)).elements


def test_implicit_items_inside_explicit_files_are_followed() -> None:
    inside = encode_elements({"Modality": "CT"}, IMPLICIT)
    sequence = long_element(0x00091010, b"UN", UNDEFINED, item(len(inside), inside) + SEQUENCE_END)

    assert 0x00091010 in scan(dicom_file(sequence)).elements


def test_sixteen_levels_are_read_and_seventeen_are_not() -> None:
    assert scan(nested(16, closed=True)).elements
    assert scan(nested_with_lengths(16)).elements

    with pytest.raises(InputRefusedError, match="nests sequences more than 16 levels deep"):
        scan(nested(17, closed=True))


def test_inflation_stops_at_the_limit() -> None:
    small = ct_file(syntax=DEFLATED)

    with pytest.raises(InputRefusedError, match="inflates to more than 1,000 bytes"):
        scan(small, ScanLimits(inflated_bytes=1_000))


def test_a_damaged_deflated_stream_is_refused() -> None:
    data = bytearray(ct_file(syntax=DEFLATED))
    data[-60:] = b"\xff" * 60

    with pytest.raises(InputRefusedError, match=r"cannot be inflated|unfinished|cut short"):
        scan(bytes(data))


@pytest.mark.parametrize("build", BOMBS.values(), ids=BOMBS)
def test_bombs_are_scanned_in_linear_time(build: Callable[[], bytes]) -> None:
    data = build()
    started = time.process_time()

    with contextlib.suppress(InputRefusedError):
        scan(data)

    assert time.process_time() - started < 1


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_refusal(dataset: bytes) -> None:
    for syntax in (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED):
        whole = dicom_file(b"", syntax).removesuffix(b"\x03\0") + dataset
        try:
            scan(whole)
        except InputRefusedError:
            continue
