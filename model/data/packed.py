"""A cache in one small file, to be carried to another machine and unpacked there.

A zip archive: the cache's own tables, and of each slice a JPEG 2000 picture (lossless: ISO/IEC
15444-1, reversible 5/3 wavelet) of its Hounsfield units in eight bits. Pillow alone reads and
writes it.
"""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from model.data.cached import (
    DESCRIPTION_FILE,
    LEFT_OUT_FILE,
    PIXEL_FILE,
    SLICE_FILE,
    open_cache,
    read_description,
)
from model.data.companding import LEVELS, ROUNDING, compand
from model.errors import TrainingError
from model.system.files import write_atomically

VERSION: Final = 1
PACK_FILE: Final = "pack.json"

Progress = Callable[[int, int], None]
"""Told, now and then, how many slices are done and how many there are."""


def _pixel_member(row: int) -> str:
    return f"pixels/{row:06d}.j2k"


# ----------------------------------------------------------------------------------------- packing


def write_pack(folder: Path, file: Path, on_progress: Progress = lambda _done, _total: None) -> int:
    """Pack a finished cache; the file appears only once it is whole.

    Parameters
    ----------
    folder
        The cache. Its folds go along; its anatomy does not.
    file
        Where to.
    on_progress
        Told how far it is.

    Returns
    -------
    The worst error of any pixel, in HU; `model.data.companding.ROUNDING` says how it lies.

    Raises
    ------
    TrainingError
        There is no finished cache.
    """
    hu = open_cache(folder).hu
    frame = pd.read_parquet(folder / SLICE_FILE)
    checksums, worst = np.zeros(len(hu), np.int64), 0
    partial = file.with_name(file.name + ".part")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as raw:
            with zipfile.ZipFile(raw, "w") as archive, ThreadPoolExecutor() as pool:
                for row, (picture, crc32, error) in enumerate(pool.map(_encode, hu)):
                    _add(archive, _pixel_member(row), picture)
                    checksums[row], worst = crc32, max(worst, error)
                    on_progress(row + 1, len(hu))
                frame["crc32"] = checksums[frame["row"]]
                for name, content in _tables(folder, frame).items():
                    _add(archive, name, content)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return worst


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member that bears no time: the same cache makes the same file."""
    archive.writestr(zipfile.ZipInfo(name), content)


def _encode(hu: NDArray[np.int16]) -> tuple[bytes, int, int]:
    """The picture of a slice, the checksum of what it is unpacked to, and the worst error."""
    codes = compand(hu)
    rounded = LEVELS[codes]
    picture = io.BytesIO()
    Image.fromarray(codes).save(picture, format="JPEG2000", irreversible=False, no_jp2=True)
    error = np.abs(hu.astype(np.int32) - rounded).max()
    return picture.getvalue(), zlib.crc32(rounded.tobytes()), int(error)


def _tables(folder: Path, frame: pd.DataFrame) -> dict[str, bytes]:
    """The members that are no pixels."""
    description = read_description(folder)
    facts = description["facts"]
    note = f"Rounded to be carried: {ROUNDING}."
    if note not in facts["hounsfield_units"]:  # what was unpacked may be packed again
        facts["hounsfield_units"] += f" {note}"
    beside = [folder / LEFT_OUT_FILE, *sorted(folder.glob("folds*.csv"))]
    head = {
        "version": VERSION,
        "levels": LEVELS.tolist(),
        "beside": [path.name for path in beside],
    }
    return {
        PACK_FILE: json.dumps(head).encode(),
        DESCRIPTION_FILE: json.dumps(description).encode(),
        SLICE_FILE: frame.to_parquet(index=False, compression="zstd"),
        **{path.name: path.read_bytes() for path in beside},
    }


# --------------------------------------------------------------------------------------- unpacking


def unpack(file: Path, folder: Path, on_progress: Progress = lambda _done, _total: None) -> None:
    """Make an ordinary cache of a pack; nothing is done where it is there already.

    `slices.parquet` comes last: what was interrupted is no cache, and is unpacked anew.

    Parameters
    ----------
    file
        What `write_pack` made.
    folder
        Of the cache.
    on_progress
        Told how far it is.

    Raises
    ------
    TrainingError
        The file is missing, damaged or of another version, or the folder holds another cache.
    """
    with _opened(file) as (archive, head):
        if not _is_there(archive, folder):
            _unpack(archive, folder, head, on_progress)


def is_unpacked(file: Path, folder: Path) -> bool:
    """Whether the folder holds the whole packed cache.

    Raises
    ------
    TrainingError
        As in `unpack`.
    """
    with _opened(file) as (archive, _):
        return _is_there(archive, folder)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """The archive and its head; what is wrong with the file becomes one sentence."""
    try:
        with zipfile.ZipFile(file) as archive:
            head = json.loads(archive.read(PACK_FILE))
            if head["version"] != VERSION:
                raise TrainingError(
                    f"{file} is of version {head['version']}, this program reads {VERSION}: pack "
                    "the cache anew."
                )
            yield archive, head
    except FileNotFoundError:
        raise TrainingError(
            f"There is no file {file}: make it with `python -m model.pack`."
        ) from None
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError) as problem:
        raise TrainingError(
            f"{file} is no pack, or damaged ({problem}): copy it again, or pack the cache anew."
        ) from problem


def _is_there(archive: zipfile.ZipFile, folder: Path) -> bool:
    """Whether the folder holds this very cache; another one is refused."""
    if not (folder / DESCRIPTION_FILE).exists():
        return False
    if read_description(folder) != json.loads(archive.read(DESCRIPTION_FILE)):
        raise TrainingError(
            f"{folder} holds another cache than the packed one: choose another folder."
        )
    return (folder / SLICE_FILE).exists()


def _unpack(
    archive: zipfile.ZipFile, folder: Path, head: Mapping[str, Any], on_progress: Progress
) -> None:
    levels = np.array(head["levels"], np.int16)
    write_atomically(folder / DESCRIPTION_FILE, archive.read(DESCRIPTION_FILE))
    description, table = read_description(folder), archive.read(SLICE_FILE)
    rows, size = int(description["rows"]), int(description["size"])
    frame = pd.read_parquet(io.BytesIO(table), columns=["row", "crc32"])
    expected = dict(zip(frame["row"], frame["crc32"], strict=True))
    partial = folder / f"{PIXEL_FILE}.part"
    with partial.open("wb") as raw, ThreadPoolExecutor() as pool:
        np.lib.format.write_array_header_1_0(
            raw, {"descr": "<i2", "fortran_order": False, "shape": (rows, size, size)}
        )
        pictures = (archive.read(_pixel_member(row)) for row in range(rows))
        for row, codes in enumerate(pool.map(_decode, pictures)):
            hu = levels[codes]
            content = hu.tobytes()
            if hu.shape != (size, size) or expected.get(row) not in (None, zlib.crc32(content)):
                raise ValueError(f"slice {row} is not what was packed")
            raw.write(content)
            on_progress(row + 1, rows)
        raw.flush()
        os.fsync(raw.fileno())
    partial.replace(folder / PIXEL_FILE)
    for name in (*head["beside"], SLICE_FILE):
        write_atomically(folder / Path(name).name, archive.read(name))


def _decode(picture: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(picture)))
