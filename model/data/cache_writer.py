"""Fill a cache in one pass over a data set: in processes, checked, and resumable at any point.

Order makes it safe: a chunk's pixels are on the disk before its part file is, and `slices.parquet`
comes last. What has no part file is read again; what has no `slices.parquet` is not complete.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from model.data.cache_parts import join_parts, left_out_row, part_path, write_part
from model.data.cached import (
    DESCRIPTION_FILE,
    PIXEL_FILE,
    SLICE_FILE,
    VERSION,
    read_description,
)
from model.data.dataset import DataSet, LeftOut, SliceIndex
from model.data.slice_row import Row, reduce_slice
from model.errors import TrainingError
from model.system.files import write_json
from model.system.read_ahead import read_ahead
from model.windowing import HU_MIN

CHUNK_SLICES: Final = 256
"""Slices a part file is for, and so what a kill costs each process."""

_SPARE_BYTES: Final = 64 * 2**20

Chunk = Sequence[tuple[NDArray[np.int64], list[str]]]
"""Units to read together: row numbers and names."""


@dataclass(frozen=True)
class Plan:
    """What a cache is made of: all that the reading processes need."""

    data_set: DataSet
    folder: Path
    size: int
    index: SliceIndex
    chunks: Sequence[Sequence[NDArray[np.int64]]]

    @property
    def pixel_bytes(self) -> int:
        """What the pixels take on the disk, without the file's head."""
        return 2 * len(self.index.names) * self.size**2


def write_cache(
    data_set: DataSet,
    folder: Path,
    *,
    size: int,
    name: str = "",
    workers: int = 1,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Fill a cache, or go on with one that was interrupted.

    Parameters
    ----------
    data_set
        What to read.
    folder
        Where the cache is or will be.
    size
        Rows and columns of a cached slice.
    name
        Of the data set in this cache; its kind where empty.
    workers
        Reading processes; 1 reads in this process.
    on_progress
        Called with slices done and slices in all.

    Raises
    ------
    TrainingError
        The disk has not enough room, the folder holds another cache, another process fills it, a
        reading process was killed, or no slice of the data set can be read.
    """
    index = data_set.index()
    if not len(index.names):
        raise TrainingError("The data set has no labelled slice: nothing to cache.")
    plan = Plan(data_set, folder, size, index, chunk_units(index.units))
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        _describe(plan, name or data_set.facts.kind)
        if not (folder / SLICE_FILE).exists():
            _allocate(plan)
            _read_missing(plan, workers, on_progress)
            join_parts(folder, len(plan.chunks), index)
        shutil.rmtree(folder / "parts", ignore_errors=True)


def chunk_units(units: Sequence[NDArray[np.int64]]) -> list[list[NDArray[np.int64]]]:
    """Gather units, in their order, into chunks of `CHUNK_SLICES` slices or a little more."""
    chunks: list[list[NDArray[np.int64]]] = []
    room = 0
    for unit in units:
        if room <= 0:
            chunks.append([])
            room = CHUNK_SLICES
        chunks[-1].append(unit)
        room -= len(unit)
    return chunks


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time fill a cache; the lock ends with the process, however it ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TrainingError(f"Another process is filling the cache {folder}.") from None
    finally:
        os.close(handle)


# ------------------------------------------------------------- before reading: is there room?


def _describe(plan: Plan, name: str) -> None:
    """Write `cache.json`, or hold the one that is there against what is to be cached."""
    from model.data.registry import as_json

    digest = _digest(plan)
    if (plan.folder / DESCRIPTION_FILE).exists():
        found = read_description(plan.folder)
        if (found["digest"], found["size"], found["name"]) != (digest, plan.size, name):
            raise TrainingError(
                f"{plan.folder} holds a cache of other slices, labels, size or name "
                f"({found['name']}, {found['rows']} slices of {found['size']} pixels): "
                "choose another folder, or delete that one."
            )
        return
    if (plan.folder / PIXEL_FILE).exists():
        raise TrainingError(
            f"{plan.folder} has a {PIXEL_FILE} that is no cache's: choose another folder."
        )
    description = {
        "version": VERSION,
        "name": name,
        "size": plan.size,
        "rows": len(plan.index.names),
        "digest": digest,
        "data_set": as_json(plan.data_set),
        "facts": asdict(plan.data_set.facts),
    }
    write_json(plan.folder / DESCRIPTION_FILE, description)


def _digest(plan: Plan) -> str:
    """Tell caches of other slices, labels or chunks apart."""
    digest = hashlib.blake2b(digest_size=16)
    for name in plan.index.names:
        digest.update(name.encode() + b"\0")
    digest.update(np.asarray(plan.index.targets, np.int8).tobytes())
    for chunk in plan.chunks:
        for unit in chunk:
            digest.update(unit.astype("<i8").tobytes())
        digest.update(b"\0")
    return digest.hexdigest()


def _allocate(plan: Plan) -> None:
    """Reserve the disk space of `hu.npy`, so that a disk that fills up cannot stop the reading."""
    path = plan.folder / PIXEL_FILE
    if path.exists():
        return
    if any((plan.folder / "parts").glob("*.parquet")):
        raise TrainingError(f"{path} is gone, its parts are not: delete {plan.folder} and rerun.")
    needed, free = plan.pixel_bytes + _SPARE_BYTES, shutil.disk_usage(plan.folder).free
    room = f"The cache needs {needed / 1e9:.1f} GB in {plan.folder}"
    if free < needed:
        raise TrainingError(f"{room}, where {free / 1e9:.1f} GB are free: choose another folder.")
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            _write_head(file, len(plan.index.names), plan.size)
            os.posix_fallocate(file.fileno(), file.tell(), plan.pixel_bytes)
            os.fsync(file.fileno())
    except OSError as problem:
        unfinished.unlink(missing_ok=True)
        raise TrainingError(f"{room}, which cannot be had: {problem.strerror}.") from problem
    unfinished.replace(path)


def _write_head(file: IO[bytes], rows: int, size: int) -> None:
    shape = (rows, size, size)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<i2", "fortran_order": False, "shape": shape}
    )
    file.flush()


# --------------------------------------------------------------------------- reading, in parts


def _read_missing(plan: Plan, workers: int, on_progress: Callable[[int, int], None]) -> None:
    """Read every chunk that has no part file yet, and write its part file."""
    sizes = [sum(map(len, units)) for units in plan.chunks]
    missing = [
        number for number in range(len(sizes)) if not part_path(plan.folder, number).exists()
    ]
    total, done = sum(sizes), sum(sizes) - sum(sizes[number] for number in missing)
    on_progress(done, total)
    chunks = (_chunk(plan, number) for number in missing)
    reduce = partial(reduce_chunk, plan.data_set, plan.folder, plan.size)
    reduced = read_ahead(reduce, chunks, min(workers, len(missing)))
    for number, rows in zip(missing, reduced, strict=True):
        write_part(plan.folder, number, rows)
        done += sizes[number]
        on_progress(done, total)


def _chunk(plan: Plan, number: int) -> Chunk:
    names = plan.index.names
    return [(unit, [names[row] for row in unit]) for unit in plan.chunks[number]]


def reduce_chunk(data_set: DataSet, folder: Path, size: int, chunk: Chunk) -> list[Row]:
    """Read some slices, write their pixels into `hu.npy`, and describe each in a row."""
    path = folder / PIXEL_FILE
    head_bytes = np.lib.format.open_memmap(path, "r").offset
    air = np.full((size, size), HU_MIN, np.int16)
    described: list[Row] = []
    with path.open("rb+", buffering=0) as file:
        for rows, names in chunk:
            for row, result in zip(rows.tolist(), data_set.read(names), strict=True):
                if isinstance(result, LeftOut):
                    hu, about = air, left_out_row(result)
                else:
                    hu, about = reduce_slice(result, size)
                os.pwrite(file.fileno(), hu.tobytes(), head_bytes + row * hu.nbytes)
                described.append({"row": row, **about})
        os.fdatasync(file.fileno())
    return described
