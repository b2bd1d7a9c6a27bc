"""The part files of a cache that is being filled, and how they become its table."""

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.data.cached import COLUMNS, LEFT_OUT_FILE, SLICE_FILE
from model.data.dataset import LeftOut, SliceIndex
from model.data.slice_row import Row
from model.errors import TrainingError
from model.labels import LABELS
from model.system.files import write_atomically

_LEFT_OUT_COLUMNS: Final = ["name", "left_out_kind", "left_out_detail"]
_SCHEMA: Final = pa.schema(
    [
        *((name, kind) for name, kind in COLUMNS.items() if name not in LABELS),
        ("left_out_kind", "string"),
        ("left_out_detail", "string"),
    ]
)


def part_path(folder: Path, number: int) -> Path:
    """Where a chunk's part file is once its pixels are on the disk."""
    return folder / "parts" / f"{number:05d}.parquet"


def write_part(folder: Path, number: int, rows: list[Row]) -> None:
    """Write a chunk's part file: one row a slice, readable or not."""
    write_parquet(part_path(folder, number), pa.Table.from_pylist(rows, _SCHEMA))


def left_out_row(left_out: LeftOut) -> Row:
    """Describe a slice that cannot be read, without its row number."""
    return {
        "name": left_out.name,
        "left_out_kind": left_out.kind,
        "left_out_detail": left_out.detail,
    }


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, atomically."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def join_parts(folder: Path, count: int, index: SliceIndex) -> None:
    """Join all part files into `left_out.csv` and, last, `slices.parquet`.

    Raises
    ------
    TrainingError
        A part file is damaged, or no slice could be read.
    """
    parts = [_read_part(part_path(folder, number)) for number in range(count)]
    table = pa.concat_tables(parts).sort_by("row")
    if not np.array_equal(table["row"].to_numpy(), np.arange(len(index.names))):
        raise TrainingError(f"The parts in {folder} do not fit: delete the folder and rerun.")
    usable = pc.is_null(table["left_out_kind"])
    left_out = table.filter(pc.invert(usable)).select(_LEFT_OUT_COLUMNS).to_pylist()
    slices = table.filter(usable)
    if not len(slices):
        shutil.rmtree(folder / "parts")  # so that a rerun reads again
        raise TrainingError(
            f"None of the {len(index.names)} slices can be read; the first: "
            f"{left_out[0]['left_out_detail']}"
        )
    targets = np.asarray(index.targets, np.int8)[slices["row"].to_numpy()]
    for column, label in enumerate(LABELS):
        slices = slices.append_column(label, pa.array(targets[:, column]))
    unreadable = [LeftOut(*row.values()) for row in left_out]
    _write_left_out(folder, [*index.left_out, *unreadable])
    write_parquet(folder / SLICE_FILE, slices.select(list(COLUMNS)))


def _read_part(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, schema=_SCHEMA)
    except (OSError, ValueError) as problem:
        raise TrainingError(
            f"{path} cannot be read ({problem}): delete that file and rerun."
        ) from problem


def _write_left_out(folder: Path, left_out: Sequence[LeftOut]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("name", "kind", "detail"))
    writer.writerows(astuple(item) for item in left_out)
    write_atomically(folder / LEFT_OUT_FILE, text.getvalue().encode())
