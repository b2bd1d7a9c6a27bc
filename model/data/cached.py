"""A finished cache: a folder with the Hounsfield units of a whole data set, mapped into memory."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.dataset import DataSet, DataSetFacts
from model.errors import TrainingError
from model.labels import LABELS
from model.windowing import HU_MIN

VERSION: Final = 1
"""Of the folder's form; another version is refused."""

DESCRIPTION_FILE: Final = "cache.json"
PIXEL_FILE: Final = "hu.npy"
SLICE_FILE: Final = "slices.parquet"
LEFT_OUT_FILE: Final = "left_out.csv"

COLUMNS: Final[dict[str, str]] = {
    "row": "int64",
    "name": "string",
    "patient": "string",
    "study": "string",
    "series": "string",
    "z_mm": "float64",
    "number": "int64",
    **dict.fromkeys(LABELS, "int8"),
    "pixel_hash": "string",
    "rows": "int32",
    "columns": "int32",
    "spacing_row_mm": "float32",
    "spacing_column_mm": "float32",
    "thickness_mm": "float32",
    "box_top": "int32",
    "box_left": "int32",
    "box_side": "int32",
    "hu_min": "int16",
    "hu_max": "int16",
    "hu_mean": "float32",
    "brain_share": "float32",
    "blank": "bool",
    "window_center": "float32",
    "window_width": "float32",
    "warnings": "string",
    "crc32": "int64",
}
"""Of `slices.parquet`, one row a slice: column to Arrow type."""

WARNING_SEPARATOR: Final = " | "

_ORDER: Final = ["patient", "study", "series", "z_mm", "number"]


@dataclass(frozen=True)
class CachedSet:
    """A data set whose slices are read from memory-mapped Hounsfield units.

    Parameters
    ----------
    folder
        The cache.
    name
        Of the data set; it stands before each patient, study and series, as `name:`.
    size
        Rows and columns of a cached slice.
    facts
        What a model card must say of the data set.
    data_set
        To read the originals again.
    frame
        The usable slices by patient, study, series, z_mm, number; the columns are `COLUMNS`.
    hu
        int16[N, size, size], HU, read-only; `frame["row"]` are its rows.
    """

    folder: Path
    name: str
    size: int
    facts: DataSetFacts
    data_set: DataSet
    frame: pd.DataFrame
    hu: NDArray[np.int16]

    @property
    def targets(self) -> NDArray[np.int8]:
        """int8[n, 6], 0 or 1, in `LABELS` order, for each row of `frame`."""
        return self.frame[list(LABELS)].to_numpy(np.int8)


def open_cache(folder: Path) -> CachedSet:
    """Open a finished cache.

    Raises
    ------
    TrainingError
        There is no cache, it is not finished, of another version, or damaged.
    """
    from model.data.registry import from_json

    description = read_description(folder)
    if not (folder / SLICE_FILE).exists():
        raise TrainingError(
            f"The cache {folder} is not complete: run the `python -m model.cache` command that "
            "began it once more, and it goes on where it stopped."
        )
    name, size = str(description["name"]), int(description["size"])
    frame = _read_slices(folder)
    hu = map_pixels(folder)
    if len(frame) and not 0 <= frame["row"].min() <= frame["row"].max() < len(hu):
        raise TrainingError(f"{folder / SLICE_FILE} names rows that {PIXEL_FILE} does not have.")
    for column in ("patient", "study", "series"):
        frame[column] = f"{name}:" + frame[column]
    frame = frame.sort_values(_ORDER, kind="stable", ignore_index=True)
    # So that parts of the frame still find their pixels (`model.exploration.gallery`).
    frame.attrs["cache"] = str(folder)
    return CachedSet(
        folder=folder,
        name=name,
        size=size,
        facts=DataSetFacts(
            **{**description["facts"], "limits": tuple(description["facts"]["limits"])}
        ),
        data_set=from_json(description["data_set"]),
        frame=frame,
        hu=hu,
    )


def read_description(folder: Path) -> dict[str, Any]:
    """Read `cache.json`.

    Raises
    ------
    TrainingError
        It is missing, damaged or of another version.
    """
    path = folder / DESCRIPTION_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        version = content["version"]
    except FileNotFoundError:
        raise TrainingError(
            f"{folder} holds no cache ({path.name} is missing): make one with "
            "`python -m model.cache`."
        ) from None
    except (ValueError, KeyError, TypeError) as problem:
        raise TrainingError(f"{path} cannot be read: {problem!r}.") from problem
    if version != VERSION:
        raise TrainingError(
            f"{path} is of version {version}, this program reads {VERSION}: make the cache anew."
        )
    return content


def _read_slices(folder: Path) -> pd.DataFrame:
    path = folder / SLICE_FILE
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as problem:
        raise TrainingError(f"{path} cannot be read: {problem}.") from problem
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise TrainingError(f"{path} lacks the columns {', '.join(missing)}: make the cache anew.")
    return frame[list(COLUMNS)]


def read_left_out(folder: Path) -> pd.DataFrame:
    """Read what a finished cache left out: name, kind and detail, all text.

    Raises
    ------
    TrainingError
        The list is missing or damaged.
    """
    path = folder / LEFT_OUT_FILE
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[["name", "kind", "detail"]]
    except (OSError, ValueError, KeyError) as problem:
        raise TrainingError(f"{path} cannot be read: {problem}.") from problem


def map_pixels(folder: Path) -> NDArray[np.int16]:
    """Map the pixels of a cache: int16[N, size, size], HU, read-only.

    Raises
    ------
    TrainingError
        They are missing, or of another type or shape than `cache.json` says.
    """
    description = read_description(folder)
    rows, size = int(description["rows"]), int(description["size"])
    path = folder / PIXEL_FILE
    try:
        hu: NDArray[np.int16] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as problem:
        raise TrainingError(f"{path} is damaged or missing: {problem}.") from problem
    if hu.dtype != np.int16 or hu.shape != (rows, size, size):
        raise TrainingError(
            f"{path} holds {hu.dtype}{list(hu.shape)}, where {DESCRIPTION_FILE} says "
            f"int16[{rows}, {size}, {size}]: make the cache anew."
        )
    return hu


def field_placement(frame: pd.DataFrame) -> NDArray[np.float32]:
    """Where the cached crops lie in their field, as scale and shift of an affine grid.

    Sampling a cached slice through theta = [[scale, 0, shift_x], [0, scale, shift_y]]
    (`affine_grid` and `grid_sample` with align_corners=False; air outside, so add 1024 to the HU
    first where the padding is zeros) gives the whole slice, padded to a square, as in service.

    Returns
    -------
    float32[n, 3]: scale (1 or more), shift_x and shift_y, in units of half a crop.
    """
    square = frame[["rows", "columns"]].to_numpy(np.float64).max(axis=1)
    top, left, side = (
        frame[column].to_numpy(np.float64) for column in ("box_top", "box_left", "box_side")
    )
    parts = [square / side, (square - 2 * left - side) / side, (square - 2 * top - side) / side]
    return np.stack(parts, axis=1).astype(np.float32)


def field_slice(
    hu: NDArray[np.int16], box_top: int, box_left: int, box_side: int, square: int
) -> NDArray[np.int16]:
    """Paste a cached crop back into air: what service would see, at the cache's resolution.

    Parameters
    ----------
    hu
        int16[size, size], one cached slice.
    box_top, box_left, box_side
        The crop in pixels of the original slice, padded to a square.
    square
        The longer side of the original slice in pixels.

    Returns
    -------
    int16[M, M], M = size * square / box_side, rounded; the crop lies at the nearest pixel.
    """
    scale = len(hu) / box_side
    size = max(round(square * scale), len(hu))
    top, left = (min(round(start * scale), size - len(hu)) for start in (box_top, box_left))
    field = np.full((size, size), HU_MIN, np.int16)
    field[top : top + len(hu), left : left + len(hu)] = hu
    return field
