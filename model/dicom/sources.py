"""Where files come from: a file, a folder or a ZIP archive, one file in memory at a time."""

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

from model.errors import InputRefusedError

_IGNORED_NAMES: Final = {
    "DICOMDIR": "an index of a medium, not an image",
    ".DS_STORE": "a folder setting, not an image",
    "THUMBS.DB": "a folder setting, not an image",
    "DESKTOP.INI": "a folder setting, not an image",
}
_ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_END_RECORD: Final = struct.Struct("<4s4H2IH")
_END_RECORD_64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64_BYTES: Final = 20
_LOCAL_HEADER: Final = struct.Struct("<4s5H3I2H")
_LONGEST_COMMENT: Final = 2**16
_ENTRY_BYTES: Final = 46 + 512
"""A central directory entry with a long name; what an archive of many members may need of them."""
_MAX_NAME: Final = 200


@dataclass(frozen=True)
class SourceLimits:
    """What is read at most; a slice has 0.1 to 2 MB, a thin-slice head series 100 to 300 MB."""

    file_bytes: int = 64 * 2**20
    members: int = 5_000
    total_bytes: int = 4 * 2**30


@dataclass(frozen=True)
class Source:
    """One file: `name` for display only, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Ignored:
    """A file that belongs to a medium or folder and was never meant as an image."""

    name: str
    reason: str


def iter_sources(
    path: Path, limits: SourceLimits, name: str | None = None
) -> Iterator[Source | Ignored | InputRefusedError]:
    """Yield the files of a file, a folder (and its folders, sorted) or a ZIP archive, lazily.

    Links inside folders and archives are not followed. What cannot be read is yielded as a
    refusal, and the rest goes on; at `members` files or `total_bytes` one refusal ends it.

    Parameters
    ----------
    path
        A file, folder or archive. Archives are known by their first bytes, not by their name.
    limits
        Bounds on each file, on their number and on their sum, after inflation.
    name
        What a file or archive is called in messages; its own name if None.
    """
    shown = display_name(name or path.name)
    try:
        is_folder = path.is_dir()
        is_archive = not is_folder and _is_archive(path)
    except OSError as error:
        yield _refusal(shown, f"cannot be opened ({error.strerror})")
        return
    if is_folder:
        yield from _iter_folder(path, limits)
    elif is_archive:
        yield from _iter_archive(path, shown, limits)
    else:
        yield _read_file(path, shown, limits.file_bytes)


def display_name(name: str) -> str:
    """Return a name safe to show and to log: one line, no control characters, bounded."""
    shown = "".join(
        "\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") else c for c in name
    )
    return shown if len(shown) <= _MAX_NAME else "…" + shown[1 - _MAX_NAME :]


def _refusal(name: str, problem: str) -> InputRefusedError:
    return InputRefusedError(
        display_name(name), problem, "Falx reads DICOM files, folders and ZIP archives of them."
    )


def _is_archive(path: Path) -> bool:
    """Tell by the first bytes; a DICOM file may hold anything in its preamble."""
    with path.open("rb") as file:
        start = file.read(132)
    return start[:4] in _ZIP_MAGICS and start[128:] != b"DICM"


def _ignored_reason(name: str) -> str | None:
    """Tell why a file is passed over, or None."""
    parts = name.replace("\\", "/").split("/")
    if "__MACOSX" in parts:
        return "a folder setting, not an image"
    return _IGNORED_NAMES.get(parts[-1].upper())


def _iter_folder(
    folder: Path, limits: SourceLimits
) -> Iterator[Source | Ignored | InputRefusedError]:
    n_files = n_bytes = 0
    for path in _walk(folder):
        name = display_name(path.relative_to(folder).as_posix())
        reason = _ignored_reason(name)
        if reason is not None:
            yield Ignored(name, reason)
            continue
        n_files += 1
        if n_files > limits.members:
            yield _refusal(
                folder.name, f"holds more than {limits.members:,} files; the rest was left"
            )
            return
        source = _read_file(path, name, limits.file_bytes)
        n_bytes += len(source.data) if isinstance(source, Source) else 0
        if n_bytes > limits.total_bytes:
            yield _too_much_in_all(folder.name, limits)
            return
        yield source


def _too_much_in_all(name: str, limits: SourceLimits) -> InputRefusedError:
    problem = f"holds more than {limits.total_bytes:,} bytes in all; the rest was left"
    return _refusal(name, problem)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield all that is no folder, sorted; links to folders are yielded, not followed."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders.sort()
        for name in sorted(files + links):
            yield Path(place, name)


def _read_file(path: Path, name: str, most_bytes: int) -> Source | InputRefusedError:
    try:
        # Pipes would block and links may point anywhere: neither is opened.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return _refusal(name, "is not a regular file")
            data = opened.read(most_bytes + 1)
    except OSError as error:
        if path.is_symlink():
            return _refusal(name, "is a link, which is not followed")
        return _refusal(name, f"cannot be opened ({error.strerror})")
    if len(data) > most_bytes:
        return _refusal(name, f"has more than {most_bytes:,} bytes")
    return Source(name, data)


def _iter_archive(
    path: Path, name: str, limits: SourceLimits
) -> Iterator[Source | Ignored | InputRefusedError]:
    try:
        with path.open("rb") as file:
            problem = _directory_problem(file, limits)
            if problem is not None:
                yield _refusal(name, problem)
                return
            with zipfile.ZipFile(file) as archive:
                yield from _iter_members(archive, file, name, limits)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        yield _refusal(name, "is a damaged ZIP archive")


def _directory_problem(file: BinaryIO, limits: SourceLimits) -> str | None:
    """Check the size of the central directory before the zipfile module loads it whole."""
    file_bytes = file.seek(0, os.SEEK_END)
    start = max(
        0,
        file_bytes - _LONGEST_COMMENT - _END_RECORD.size - _LOCATOR_64_BYTES - _END_RECORD_64.size,
    )
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END_RECORD.size:
        return "is a ZIP archive without its directory: it is cut short"
    directory_bytes = _END_RECORD.unpack_from(tail, at)[5]
    at_64 = at - _LOCATOR_64_BYTES - _END_RECORD_64.size
    if at_64 >= 0 and tail[at - _LOCATOR_64_BYTES :].startswith(b"PK\x06\x07"):
        directory_bytes = max(
            directory_bytes % 0xFFFFFFFF, _END_RECORD_64.unpack_from(tail, at_64)[8]
        )
    if directory_bytes > limits.members * _ENTRY_BYTES:
        return f"holds more than {limits.members:,} files"
    return None


def _iter_members(
    archive: zipfile.ZipFile, file: BinaryIO, name: str, limits: SourceLimits
) -> Iterator[Source | Ignored | InputRefusedError]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > limits.members:
        yield _refusal(name, f"holds {len(members):,} files, more than {limits.members:,}")
        return
    if _members_overlap(archive, file):
        yield _refusal(name, "has members that overlap, as decompression bombs have")
        return
    n_bytes = 0
    for member in members:
        shown = display_name(member.filename)
        reason = _ignored_reason(member.filename)
        if reason is not None:
            yield Ignored(shown, reason)
            continue
        source = _read_member(archive, member, shown, limits.file_bytes)
        n_bytes += len(source.data) if isinstance(source, Source) else 0
        if n_bytes > limits.total_bytes:
            yield _too_much_in_all(name, limits)
            return
        yield source


def _members_overlap(archive: zipfile.ZipFile, file: BinaryIO) -> bool:
    """Tell whether two members share bytes (CVE-2024-0450), which Python 3.11.7 lets pass."""
    spans = []
    for member in archive.infolist():
        file.seek(member.header_offset)
        header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        spans.append(
            (
                member.header_offset,
                member.header_offset
                + _LOCAL_HEADER.size
                + header[9]
                + header[10]
                + member.compress_size,
            )
        )
    spans.sort()
    spans.append((archive.start_dir, archive.start_dir))
    return any(end > start for (_, end), (start, _) in pairwise(spans))


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, most_bytes: int
) -> Source | InputRefusedError:
    """Read one member; its size is counted while it inflates, whatever its header promises."""
    mode = member.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return _refusal(name, "is a link or special file in an archive")
    if member.flag_bits & 0x1:
        return _refusal(name, "is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return _refusal(name, f"is packed by the ZIP method {member.compress_type}")
    if member.file_size > most_bytes:
        return _refusal(name, f"unpacks to {member.file_size:,} bytes, more than {most_bytes:,}")
    try:
        with archive.open(member) as opened:
            data = opened.read(most_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError):
        return _refusal(name, "is damaged inside the archive")
    if len(data) > most_bytes:
        return _refusal(name, f"unpacks to more than {most_bytes:,} bytes")
    if data[:4] in _ZIP_MAGICS and data[128:132] != b"DICM":
        return _refusal(name, "is an archive inside an archive")
    return Source(name, data)
