"""A bank: simulated slices made once, for training that must not wait for the simulator.

A folder with the pixels, memory-mapped, and a table that says of each slice whose it was and what
was put into it. Slice k of a seed is the same however many processes make it.
"""

import json
from collections.abc import Callable, Container
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.cached import CachedSet, field_placement, open_cache
from model.data.cells import SIDE, cells_of_masks
from model.data.mixture import Pool, Samples
from model.data.simulate.insert import Plan
from model.data.simulate.store import list_store
from model.data.simulate.training import draw_training_slice
from model.errors import TrainingError
from model.labels import LABELS, SUBTYPES
from model.system.files import write_atomically, write_json

PIXEL_FILE: Final = "hu.npy"
CELL_FILE: Final = "cells.npy"
TABLE_FILE: Final = "slices.parquet"
DESCRIPTION_FILE: Final = "bank.json"
VERSION: Final = 3

_CHUNK: Final = 250


@dataclass(frozen=True)
class Bank:
    """Simulated slices of some patients.

    Parameters
    ----------
    folder
        Where it lies.
    hu
        int16[N, H, W], the whole bank's memory map.
    rows
        int64[n], the slices of it that may be drawn.
    placement
        float32[n, 1, 3], as in `Samples`.
    targets
        int8[n, 6].
    cells
        uint8[N, 5, SIDE, SIDE], the whole bank's, as in `Samples`.
    """

    folder: Path
    hu: NDArray[np.int16]
    rows: NDArray[np.int64]
    placement: NDArray[np.float32]
    targets: NDArray[np.int8]
    cells: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, chosen: NDArray[np.int64]) -> Samples:
        """Read the slices of these numbers, int64[B]."""
        rows = self.rows[chosen]
        return Samples(
            self.hu[rows][:, None], self.placement[chosen], self.targets[chosen], self.cells[rows]
        )

    def number(self, seed: np.random.SeedSequence) -> int:
        """The number of the slice that this seed draws."""
        return int(np.random.default_rng(seed).integers(len(self)))

    def draw(self, seed: np.random.SeedSequence) -> Samples:
        """Draw one sample; the same seed gives the same one."""
        return self.read(np.array([self.number(seed)]))

    @property
    def pool(self) -> Pool:
        """The slices that may be drawn, as a pool."""
        return Pool(
            hu=(self.hu,),
            source=np.zeros(len(self), np.int64),
            rows=self.rows[:, None],
            placement=self.placement,
            targets=self.targets,
            cells=self.cells,
            cell_rows=self.rows,
        )


def write_bank(
    cache: Path,
    folder: Path,
    *,
    slices: int,
    seed: int = 0,
    bleeding: float = 0.7,
    patients: Container[str] | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Fill a bank from the slices of a cache's patients without hemorrhage.

    The description is written last: what was interrupted is no bank, and is made anew.

    Parameters
    ----------
    cache
        With its anatomy (`model.data.simulate.store.build_store`).
    folder
        Where to.
    slices, seed
        How many, and of all chance.
    bleeding
        Share that is meant to bleed, 0..1.
    patients
        Whose slices, as they are named in the cache's frame; by default all.
    workers
        Processes.
    on_progress
        Told how many slices are done, and of how many.
    """
    cached = open_cache(cache)
    if not list_store(cached, patients):
        raise TrainingError(
            f"{cache} has no series without bleeding to simulate it in"
            f"{'' if patients is None else ' among the patients that are asked for'}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION_FILE).unlink(missing_ok=True)
    pixels, cells = (slices, cached.size, cached.size), (slices, len(SUBTYPES), SIDE, SIDE)
    np.lib.format.open_memmap(folder / PIXEL_FILE, "w+", np.int16, pixels)
    np.lib.format.open_memmap(folder / CELL_FILE, "w+", np.uint8, cells)
    spans = [range(first, min(first + _CHUNK, slices)) for first in range(0, slices, _CHUNK)]
    tables = []
    fill = partial(_fill, cache, folder, seed=seed, bleeding=bleeding, patients=patients)
    # `spawn`: a process that has started threads (torch's) must not be forked.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for table in pool.map(fill, spans):
            tables.append(table)
            on_progress(sum(map(len, tables)), slices)
    write_atomically(folder / TABLE_FILE, pd.concat(tables).to_parquet(index=False))
    description = {"version": VERSION, "slices": slices, "size": cached.size, "seed": seed}
    write_json(folder / DESCRIPTION_FILE, {**description, "bleeding": bleeding})


def _fill(
    cache: Path,
    folder: Path,
    span: range,
    *,
    seed: int,
    bleeding: float,
    patients: Container[str] | None,
) -> pd.DataFrame:
    """Make the slices of a span, and describe them."""
    cached = open_cache(cache)
    store = list(list_store(cached, patients))
    patient_of = {series.name: series.patient for series in store}
    hu = np.lib.format.open_memmap(folder / PIXEL_FILE, "r+")
    cells = np.lib.format.open_memmap(folder / CELL_FILE, "r+")
    lines = []
    for number in span:
        rng = np.random.default_rng([seed, number])
        plan = Plan(bleeding=float(rng.random() < bleeding))
        made = draw_training_slice(cached.hu, store, rng, plan)
        hu[number] = made.hu[0]
        cells[number] = cells_of_masks(made.masks)
        line = {"patient": patient_of[made.series], "series": made.series, "host_row": made.row}
        targets = dict(zip(LABELS, map(int, made.targets), strict=True))
        lines.append({**line, **targets, "drawn": "; ".join(made.description)})
    hu.flush()
    cells.flush()
    return pd.DataFrame(lines)


def open_bank(folder: Path, cached: CachedSet, patients: Container[str]) -> Bank:
    """Open the slices that were made from these patients'.

    Parameters
    ----------
    folder
        Of the bank.
    cached
        The cache that lent the slices.
    patients
        As they are named in its frame.

    Raises
    ------
    TrainingError
        It is damaged, was made from another cache, or holds nothing of these patients.
    """
    description, table = read_bank_description(folder), read_bank_table(folder)
    try:
        hu = np.load(folder / PIXEL_FILE, mmap_mode="r")
        cells = np.load(folder / CELL_FILE, mmap_mode="r")
    except (OSError, ValueError) as problem:
        raise TrainingError(f"{folder} is damaged ({problem}): make the bank anew.") from problem
    if description["size"] != cached.size:
        raise TrainingError(
            f"{folder} holds slices of {description['size']} pixels, {cached.folder} of "
            f"{cached.size}: make the bank anew."
        )
    of_row = pd.Series(range(len(cached.frame)), cached.frame["row"])
    hosts = of_row.reindex(table["host_row"])
    foreign = hosts.isna().to_numpy() | ~table["series"].isin(cached.frame["series"]).to_numpy()
    if foreign.any():
        raise TrainingError(f"{folder} was not made from {cached.folder}: make it anew.")
    rows = np.flatnonzero([patient in patients for patient in table["patient"]])
    if not len(rows):
        raise TrainingError(f"{folder} holds no slice of the patients that are asked for.")
    placement = field_placement(cached.frame)[hosts.to_numpy(np.int64)[rows]]
    targets = table[list(LABELS)].to_numpy(np.int8)[rows]
    return Bank(folder, hu, rows, placement[:, None], targets, cells)


def read_bank_table(folder: Path) -> pd.DataFrame:
    """Read of each slice whose it was (`patient`, `series`, `host_row`) and what was put into it.

    Raises
    ------
    TrainingError
        It is missing or damaged.
    """
    try:
        return pd.read_parquet(folder / TABLE_FILE)
    except (OSError, ValueError) as problem:
        raise TrainingError(f"{folder} is damaged ({problem}): make the bank anew.") from problem


def read_bank_description(folder: Path) -> dict[str, Any]:
    """Read what a finished bank says of itself: version, slices, size, seed, bleeding.

    Raises
    ------
    TrainingError
        There is none, it is not finished or of another version.
    """
    try:
        content: dict[str, Any] = json.loads((folder / DESCRIPTION_FILE).read_text())
        if content["version"] == VERSION:
            return content
        problem = f"its version is {content['version']}, {VERSION} is read"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{error!r}"
    raise TrainingError(
        f"{folder} holds no finished bank ({problem}): make it with `python -m model.simulate "
        f"--cache CACHE --bank {folder}`."
    )
