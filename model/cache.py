"""Fill a cache: `python -m model.cache KIND --root R --to C --size 256` reads a data set once."""

import argparse
import os
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from model.data.cache_writer import write_cache
from model.data.cached import SLICE_FILE, CachedSet, open_cache, read_left_out
from model.errors import TrainingError
from model.exploration.tables import warning_counts
from model.system.command import run
from model.system.progress import counting, progress_bar

SIZES: Final = (16, 1024)


def main(arguments: list[str] | None = None) -> None:
    """Fill, finish or check a cache, and say what is in it."""
    options = _parser().parse_args(arguments)
    folder: Path = options.to
    if options.check:
        print(check(open_cache(folder)))
        return
    was_complete = (folder / SLICE_FILE).exists()
    _fill(options)
    if was_complete:
        print(f"The cache {folder} is complete; nothing to do.")
    print(summary(open_cache(folder)))


def _parser() -> argparse.ArgumentParser:
    from model.data.registry import add_data_set_arguments

    parser = argparse.ArgumentParser(prog="python -m model.cache", description=__doc__)
    add_data_set_arguments(parser)
    parser.add_argument("--to", type=Path, required=True, help="the cache's folder")
    parser.add_argument("--size", type=_size, default=256, help="rows and columns (256)")
    parser.add_argument("--name", default="", help="of the data set in this cache (its kind)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="reading processes (all cores)"
    )
    parser.add_argument(
        "--check", action="store_true", help="read a finished cache against its checksums"
    )
    return parser


def _size(text: str) -> int:
    if not text.isdigit() or not SIZES[0] <= int(text) <= SIZES[1]:
        raise argparse.ArgumentTypeError(f"{SIZES[0]} to {SIZES[1]} pixels are possible")
    return int(text)


def _fill(options: argparse.Namespace) -> None:
    from model.data.registry import data_set_from

    with progress_bar() as bar:
        write_cache(
            data_set_from(options),
            options.to,
            size=options.size,
            name=options.name,
            workers=options.workers,
            on_progress=counting(bar, "reading"),
        )


def check(cached: CachedSet) -> str:
    """Hold every cached slice against its checksum.

    Raises
    ------
    TrainingError
        Slices differ from what was written.
    """
    frame = cached.frame
    expected = frame["crc32"].to_numpy()
    order = np.argsort(frame["row"].to_numpy())  # as they lie on the disk
    rows = frame["row"].to_numpy()
    damaged = [at for at in order if zlib.crc32(cached.hu[rows[at]]) != expected[at]]
    if damaged:
        first = ", ".join(frame["name"].iloc[damaged[:5]])
        raise TrainingError(
            f"{len(damaged)} of {len(frame)} slices in {cached.folder} are not what was written "
            f"({first}): delete the folder and make the cache anew."
        )
    return f"All {len(frame):,} slices are as they were written."


def summary(cached: CachedSet) -> str:
    """What the cache holds, what was left out, and what was repaired, as lines."""
    frame = cached.frame
    counted = f"{frame['study'].nunique():,} studies, {frame['patient'].nunique():,} patients"
    lines = [
        f"{cached.folder}: {len(frame):,} slices of {cached.size} pixels, {counted}.",
        f"{int(frame['blank'].sum()):,} slices are blank (they carry no signal).",
    ]
    kinds = read_left_out(cached.folder)["kind"].value_counts()
    lines += [f"left out or corrected, {kind}: {n:,}" for kind, n in kinds.items()]
    lines += [f"noted, {n:,} slices: {kind}" for kind, n in warning_counts(frame).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
