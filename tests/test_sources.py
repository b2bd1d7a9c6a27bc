"""Files from a file, a folder or a ZIP archive: lazily, bounded, and never outside of it."""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from model.dicom.sources import Ignored, Source, SourceLimits, display_name, iter_sources
from model.errors import InputRefusedError

CONTENT = b"\0" * 128 + b"DICM and so on"


def collect(path: Path, limits: SourceLimits | None = None) -> tuple[dict[str, bytes], list[str]]:
    """Return the sources by name, and what was refused or ignored, as text."""
    sources, others = {}, []
    for found in iter_sources(path, limits or SourceLimits()):
        if isinstance(found, Source):
            sources[found.name] = found.data
        elif isinstance(found, Ignored):
            others.append(f"{found.name} ignored: {found.reason}")
        else:
            others.append(str(found))
    return sources, others


def make_zip(
    path: Path, members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = 8
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_a_file_is_one_source(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(CONTENT)

    assert collect(path) == ({"a.dcm": CONTENT}, [])


def test_a_folder_gives_its_files_sorted_with_their_place(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3", "0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())

    sources, others = collect(tmp_path)

    assert list(sources) == ["0", "a/3", "b/1", "b/2"]
    assert others == []


def test_an_archive_gives_its_members_in_its_own_order(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "upload.bin", [("s/2.dcm", b"two"), ("s/", b""), ("s/1.dcm", b"1")])

    sources, others = collect(path)

    assert list(sources.items()) == [("s/2.dcm", b"two"), ("s/1.dcm", b"1")]
    assert others == []


def test_sources_are_read_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"one")
    (tmp_path / "2").write_bytes(b"two")

    sources = iter_sources(tmp_path, SourceLimits())
    next(sources)
    (tmp_path / "2").write_bytes(b"changed")

    assert next(sources) == Source("2", b"changed")


@pytest.mark.parametrize("name", ["DICOMDIR", "x/dicomdir", ".DS_Store", "Thumbs.db"])
def test_files_that_are_no_images_are_listed_as_ignored(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path / "a.zip", [(name, b"x"), ("__MACOSX/._1.dcm", b"x"), ("1", b"1")])

    sources, others = collect(path)

    assert sources == {"1": b"1"}
    assert [other.split(" ignored: ")[0] for other in others] == [name, "__MACOSX/._1.dcm"]


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_bytes(b"secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file link").symlink_to(secret / "key")
    (folder / "folder link").symlink_to(secret)
    os.mkfifo(folder / "pipe")

    sources, others = collect(folder)

    assert sources == {}
    assert [other.split(".")[0] for other in others] == [
        "file link is a link, which is not followed",
        "folder link is a link, which is not followed",
        "pipe is not a regular file",
    ]


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    assert collect(tmp_path / "none.dcm")[1][0].startswith("none.dcm cannot be opened")


def test_a_file_beyond_the_limit_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 11)
    (tmp_path / "small").write_bytes(b"x" * 10)

    sources, others = collect(tmp_path, SourceLimits(file_bytes=10))

    assert list(sources) == ["small"]
    assert others[0].startswith("big has more than 10 bytes")


def test_a_folder_of_too_many_files_stops_with_one_refusal(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).write_bytes(b"x")

    sources, others = collect(tmp_path, SourceLimits(members=3))

    assert list(sources) == ["0", "1", "2"]
    assert len(others) == 1
    assert "holds more than 3 files" in others[0]


def test_at_a_sum_beyond_the_limit_one_refusal_ends_it(tmp_path: Path) -> None:
    members = [(str(number), b"x" * 10) for number in range(5)]
    path = make_zip(tmp_path / "a.zip", members)

    sources, others = collect(path, SourceLimits(total_bytes=25))

    assert list(sources) == ["0", "1"]
    assert len(others) == 1
    assert others[0].startswith("a.zip holds more than 25 bytes in all; the rest was left")


def test_a_folder_of_too_many_bytes_stops_with_one_refusal(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).write_bytes(b"x" * 10)

    sources, others = collect(tmp_path, SourceLimits(total_bytes=25))

    assert list(sources) == ["0", "1"]
    assert len(others) == 1


def test_a_member_beyond_the_limit_is_refused_without_inflating_it(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("bomb", bytes(10**8)), ("1", b"1")])

    sources, others = collect(path, SourceLimits(file_bytes=10**6))

    assert sources == {"1": b"1"}
    assert others[0].startswith("bomb unpacks to 100,000,000 bytes, more than 1,000,000")


def test_a_forged_size_does_not_unpack_more_than_it_promises(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("bomb", bytes(10**7))])
    forged = path.read_bytes().replace(struct.pack("<I", 10**7), struct.pack("<I", 100))
    path.write_bytes(forged)

    sources, others = collect(path)

    assert sources == {}
    assert others[0].startswith("bomb is damaged inside the archive")


def test_too_many_members_are_refused_at_once(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [(str(n), b"") for n in range(70_000)], 0)

    sources, others = collect(path)

    assert sources == {}
    assert "holds" in others[0]
    assert "5,000" in others[0]


def test_a_forged_directory_size_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("1", b"1")])
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, len(data) - 22 + 12, 10**9)
    path.write_bytes(data)

    assert "holds more than 5,000 files" in collect(path)[1][0]


def overlapping_zip(path: Path) -> Path:
    """Write two members that share the same compressed bytes, as quoted overlap bombs do."""
    make_zip(path, [("a", bytes(1000)), ("b", bytes(1000))])
    data = bytearray(path.read_bytes())
    second = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)
    path.write_bytes(data)
    return path


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    sources, others = collect(overlapping_zip(tmp_path / "a.zip"))

    assert sources == {}
    assert "members that overlap" in others[0]


def test_a_member_that_reaches_over_the_next_one_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("a", b"x" * 50), ("b", b"y" * 50)], 0)
    data = bytearray(path.read_bytes())
    struct.pack_into("<II", data, data.find(b"PK\x01\x02") + 20, 110, 110)
    path.write_bytes(data)

    assert "members that overlap" in collect(path)[1][0]


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = make_zip(tmp_path / "a.zip", [(link, b"/etc/passwd"), ("1", b"1")])

    sources, others = collect(path)

    assert sources == {"1": b"1"}
    assert others[0].startswith("link is a link or special file")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", [("secret", b"x")], 0)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    path.write_bytes(data)

    assert collect(path)[1][0].startswith("secret is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_methods_are_refused(tmp_path: Path, method: int) -> None:
    path = make_zip(tmp_path / "a.zip", [("1", b"x" * 100)], method)

    assert collect(path)[1][0].startswith(f"1 is packed by the ZIP method {method}")


def test_an_archive_inside_an_archive_is_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("1", b"1")
    path = make_zip(tmp_path / "a.zip", [("inner.dcm", inner.getvalue())])

    assert collect(path)[1][0].startswith("inner.dcm is an archive inside an archive")


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "C:\\evil", "a/../../evil"])
def test_names_that_climb_are_only_names(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "only"
    folder.mkdir()

    sources, _ = collect(make_zip(folder / "a.zip", [(name, b"x")]))

    assert list(sources.values()) == [b"x"]
    assert [p.name for p in tmp_path.rglob("*")] == ["only", "a.zip"]


def test_names_are_shown_in_one_bounded_line() -> None:
    assert display_name("a\r\nb\x1b[0m\u202e.dcm") == "a��b�[0m�.dcm"
    assert len(display_name("x" * 1000)) == 200
    assert display_name("x" * 1000 + "1.dcm").endswith("1.dcm")


@pytest.mark.parametrize("keep", [30, 100, 0.5, 0.9, 0.99])
def test_a_cut_archive_is_refused_by_its_name(tmp_path: Path, keep: float) -> None:
    path = make_zip(tmp_path / "a.zip", [(f"{n}.dcm", os.urandom(99)) for n in range(9)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])

    sources, others = collect(path)

    assert sources == {}
    assert others[0].startswith("a.zip is a")


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_archive_never_raises(tmp_path: Path, seed: int) -> None:
    path = make_zip(tmp_path / "a.zip", [(f"{n}.dcm", b"x" * 99) for n in range(5)])
    data = bytearray(path.read_bytes())
    for at in range(seed, len(data), 40):
        data[at] ^= 0xFF
    path.write_bytes(data)

    for found in iter_sources(path, SourceLimits()):
        assert isinstance(found, Source | Ignored | InputRefusedError)


def test_a_dicom_file_whose_preamble_looks_like_an_archive_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.dcm"
    path.write_bytes(b"PK\x03\x04".ljust(128, b"\0") + b"DICM")

    assert list(collect(path)[0]) == ["polyglot.dcm"]


def test_a_large_archive_with_64_bit_records_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("1", "w", force_zip64=True) as member:
        member.write(b"one")

    assert collect(path)[0] == {"1": b"one"}
