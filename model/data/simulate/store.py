"""Anatomy kept beside a cache: found once a series, mapped into memory afterwards."""

import hashlib
import json
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.cached import CachedSet, open_cache, read_description
from model.data.simulate.grid import Grid, cached_grids
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.series_anatomy import SeriesAnatomy, series_anatomy
from model.errors import TrainingError
from model.system.files import write_atomically

VERSION: Final = 3
FOLDER: Final = "anatomy"
DESCRIPTION_FILE: Final = "anatomy.json"
_USUAL_THICKNESS_MM: Final = 5.0


@dataclass(frozen=True)
class StoredSeries:
    """A series without bleeding, ready for insertion.

    Parameters
    ----------
    name, patient
        Of the series, and of the patient it belongs to.
    rows
        int64[S], rows of the cache's `hu`, ascending to the vertex.
    anatomy
        Its codes and depths are mapped into memory.
    thickness_mm
        Of its slices.
    """

    name: str
    patient: str
    rows: NDArray[np.int64]
    anatomy: SeriesAnatomy
    thickness_mm: float


def negative_series(cached: CachedSet) -> list[pd.DataFrame]:
    """List the series of a cache in which no slice bleeds, with their slices in order."""
    patients = cached.frame.groupby("patient")["any"].transform("max")
    frame = cached.frame[patients == 0]
    return [group for _, group in frame.groupby("series", sort=True)]


def is_built(cached: CachedSet) -> bool:
    """Whether the anatomy of this cache was found by this version."""
    try:
        found = json.loads((cached.folder / FOLDER / DESCRIPTION_FILE).read_text())
    except (OSError, ValueError):
        return False
    return bool(found == _description(cached))


def _description(cached: CachedSet) -> dict[str, Any]:
    """What the anatomy depends on: this module's version and the cache's own description."""
    text = json.dumps(read_description(cached.folder), sort_keys=True)
    return {
        "version": VERSION,
        "series": len(negative_series(cached)),
        "cache": hashlib.sha256(text.encode()).hexdigest(),
    }


def build_store(
    folder: Path, workers: int, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Find the anatomy of all negative series of the cache in `folder`, three files a series.

    The description is written last: what was interrupted is made anew.

    Parameters
    ----------
    folder
        Of the cache.
    workers
        Processes.
    on_progress
        Told, after each series, how many are done and how many there are.
    """
    cached = open_cache(folder)
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    (target / DESCRIPTION_FILE).unlink(missing_ok=True)
    description = _description(cached)
    numbers = range(description["series"])
    # `spawn`: a process that has started threads (torch's) must not be forked.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(_build_one, [folder] * len(numbers), numbers), 1):
            if on_progress:
                on_progress(done, len(numbers))
    write_atomically(target / DESCRIPTION_FILE, json.dumps(description).encode())


def _build_one(folder: Path, number: int) -> None:
    cached = open_cache(folder)
    frame = negative_series(cached)[number]
    grids = cached_grids(frame, cached.size)
    known = bool(frame["spacing_row_mm"].notna().all())
    hu = [np.array(cached.hu[row]) for row in frame["row"]]
    found = series_anatomy(hu, grids, spacing_known=known)
    name = folder / FOLDER / f"{number:05d}"
    np.save(name.with_suffix(".codes.npy"), found.codes)
    np.save(name.with_suffix(".depths.npy"), found.depths)
    text: dict[str, Any] = {
        "grids": [asdict(grid) for grid in found.grids],
        "good": found.good.tolist(),
        "brain_hu": found.brain_hu.tolist(),
        "noise_hu": found.noise_hu.tolist(),
        "frame": None if found.frame is None else asdict(found.frame),
    }
    name.with_suffix(".json").write_text(json.dumps(text))


class SeriesOnDemand(Sequence[StoredSeries]):
    """Series of a store, each mapped into memory only while it is used.

    A data set may have thousands of them, more than a process may hold open files.
    """

    def __init__(self, files: Sequence[tuple[Path, pd.DataFrame]]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> StoredSeries: ...

    @overload
    def __getitem__(self, index: slice) -> "SeriesOnDemand": ...

    def __getitem__(self, index: int | slice) -> "StoredSeries | SeriesOnDemand":
        """Open one series, or choose some."""
        if isinstance(index, slice):
            return SeriesOnDemand(self._files[index])
        return _open_one(*self._files[index])


def open_store(cached: CachedSet) -> list[StoredSeries]:
    """Open the anatomy of a cache's negative series; series without a good slice are left out.

    Raises
    ------
    TrainingError
        It was not made, or by another version or for another cache.
    """
    return list(list_store(cached))


def list_store(cached: CachedSet, patients: Container[str] | None = None) -> SeriesOnDemand:
    """List what `open_store` opens, of all patients or of these, without opening it yet.

    Raises
    ------
    TrainingError
        As in `open_store`.
    """
    target = cached.folder / FOLDER
    if not is_built(cached):
        raise TrainingError(
            f"{target} does not hold the anatomy of this cache: make it with "
            f"`python -m model.simulate --cache {cached.folder}`."
        )
    files = [
        (target / f"{number:05d}", frame)
        for number, frame in enumerate(negative_series(cached))
        if patients is None or frame["patient"].iloc[0] in patients
    ]
    return SeriesOnDemand(
        [
            (name, frame)
            for name, frame in files
            if any(json.loads(name.with_suffix(".json").read_text())["good"])
        ]
    )


def _open_one(name: Path, frame: pd.DataFrame) -> StoredSeries:
    text = json.loads(name.with_suffix(".json").read_text())
    anatomy = SeriesAnatomy(
        grids=tuple(Grid(**grid) for grid in text["grids"]),
        codes=np.load(name.with_suffix(".codes.npy"), mmap_mode="r"),
        depths=np.load(name.with_suffix(".depths.npy"), mmap_mode="r"),
        good=np.array(text["good"], np.bool_),
        brain_hu=np.array(text["brain_hu"], np.float32),
        noise_hu=np.array(text["noise_hu"], np.float32),
        frame=None if text["frame"] is None else HeadFrame(**text["frame"]),
    )
    thickness = frame["thickness_mm"].median()
    return StoredSeries(
        name=str(frame["series"].iloc[0]),
        patient=str(frame["patient"].iloc[0]),
        rows=frame["row"].to_numpy(np.int64),
        anatomy=anatomy,
        thickness_mm=float(thickness) if thickness > 0 else _USUAL_THICKNESS_MM,
    )
