"""How fast training reads: from the cache, beside plain DICOM files, side by side in one run.

    PYTHONPATH=.:tests .venv/bin/python tests/bench_reading.py

Both sides are torch DataLoaders with two processes, over the same 512 x 512 slices in the same
random order, and both end in tensors of 256 pixels. Plain DICOM is what a simple script does:
pydicom, rescale, three windows, resize. The cache is read by the training's own reader; its
windows are the device's work and not part of either figure.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from app.config import PROJECT_ROOT
from model.data.batches import read_batches
from model.data.cache_writer import write_cache
from model.data.cached import open_cache
from model.data.mixture import Pool, make_pool
from model.data.own_folder import OwnFolderSet
from model.labels import SUBTYPES
from model.windowing import MODEL_WINDOWS, apply_window

SERIES: Final = PROJECT_ROOT.parent / "shared" / "data" / "ge-head"
COPIES: Final = 12
SIZE: Final = 256
BATCH: Final = 32
WORKERS: Final = 2
PASSES: Final = 20
"""Of the cache, for one of the DICOM files: so that both sides take seconds."""
ROUNDS: Final = 3
AIM: Final = 15


def main() -> None:
    """Measure and print the table."""
    if not any(SERIES.glob("*.dcm")):
        sys.exit("falx bench: the real head CT (shared/data/ge-head) is not beside the project")
    for name, value, aim in reading_lines():
        print(f"{name:<52}{value:>14}   {aim}")


def reading_lines() -> list[tuple[str, str, str]]:
    """Slices a second of both ways to read, and their ratio: name, value and aim of each."""
    with tempfile.TemporaryDirectory() as folder:
        data = copy_series(Path(folder))
        files = sorted(data.root.glob("*.dcm"))
        write_cache(data, Path(folder) / "cache", size=SIZE, workers=WORKERS)
        cached = open_cache(Path(folder) / "cache")
        pool = make_pool([cached], [np.ones(len(cached.frame), bool)])
        plain, mapped = [], []
        # The two take turns, so that a busy machine slows both.
        for seed in range(ROUNDS):
            order = np.random.default_rng(seed).permutation(len(files))
            plain.append(slices_per_second(partial(read_plain, files, order), len(files)))
            many = np.tile(order, PASSES)
            mapped.append(slices_per_second(partial(read_mapped, pool, many), len(many)))
    ratio = max(mapped) / max(plain)
    return [
        ("training reads plain DICOM, two processes", f"{max(plain):,.0f} slices/s", ""),
        ("training reads the cache, two processes", f"{max(mapped):,.0f} slices/s", ""),
        ("cache / plain DICOM", f"{ratio:.1f}", f"aim: {AIM} or more"),
    ]


def copy_series(folder: Path) -> OwnFolderSet:
    """Copy the real series often enough, as a data set of one's own."""
    files = folder / "files"
    files.mkdir()
    rows = [",".join(("file", "patient", *SUBTYPES))]
    for copy in range(COPIES):
        for path in sorted(SERIES.glob("*.dcm")):
            name = f"{copy:03d}_{path.name}"
            (files / name).write_bytes(path.read_bytes())
            rows.append(f"{name},{copy}" + ",0" * len(SUBTYPES))
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return OwnFolderSet(files, folder / "labels.csv", "A real head, copied", "", "BSD-2")


class PlainFiles(Dataset[Tensor]):
    """What a simple training script reads: one file, windowed and resized, float32[3, N, N]."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> Tensor:
        file = pydicom.dcmread(self.files[number])
        hu = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
        windowed = np.stack([apply_window(hu, window) for window in MODEL_WINDOWS])
        batch = torch.from_numpy(windowed.astype(np.float32))[None]
        return functional.interpolate(batch, [SIZE, SIZE], mode="bilinear", antialias=True)[0]


def read_plain(files: list[Path], order: "np.typing.NDArray[np.int64]") -> None:
    """Read every file once."""
    loader = DataLoader(PlainFiles(files), BATCH, sampler=order.tolist(), num_workers=WORKERS)
    for batch in loader:
        _use(batch)


def read_mapped(pool: Pool, order: "np.typing.NDArray[np.int64]") -> None:
    """Read the cached slices of `order` as training does."""
    batches = np.array_split(order, math.ceil(len(order) / BATCH))
    for batch in read_batches(pool, batches, torch.device("cpu"), WORKERS):
        _use(batch[0])


def _use(batch: Tensor) -> None:
    if batch.shape[-1] != SIZE:
        sys.exit(f"falx bench: a batch has the shape {tuple(batch.shape)}")


def slices_per_second(read: Callable[[], None], slices: int) -> float:
    """How fast `read` gets through so many slices, its processes' start included."""
    started = time.perf_counter()
    read()
    return slices / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
