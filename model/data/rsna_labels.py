"""The label CSV of RSNA 2019, six rows an image, as one row of six labels an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from model.data.csv_rows import in_line, read_rows, zero_or_one
from model.data.dataset import LeftOut
from model.errors import TrainingError
from model.labels import LABELS

_COLUMNS: Final = ("ID", "Label")
_ROW_ID: Final = rf"^(?P<image>ID_[0-9A-Fa-f]{{9}})_(?P<label>{'|'.join(LABELS)})$"
_FORM: Final = f"ID_<9 hexadecimal digits>_<label>, where the label is {', '.join(LABELS)}"


@dataclass(frozen=True)
class LabelTable:
    """Images that have all six labels, in the order of their names.

    `targets` is int8[N, 6] in `LABELS` order; `left_out` says which rows and images are not used.
    """

    images: NDArray[np.object_]
    targets: NDArray[np.int8]
    left_out: list[LeftOut]


def read_label_table(path: Path) -> LabelTable:
    """Read `stage_N_train.csv`.

    Rows that repeat a label are counted; an image is left out where its rows disagree or one is
    missing. `any` follows the subtypes where it contradicts them.

    Raises
    ------
    TrainingError
        The file is missing or empty, lacks a column, or a row is not in its form (with its line).
    """
    rows = read_rows(path, _COLUMNS)
    images, image_of_row, label_of_row = _parse_ids(path, rows["ID"])
    values = zero_or_one(path, rows["Label"])
    cell = image_of_row * len(LABELS) + label_of_row
    n_cells = len(images) * len(LABELS)
    count = np.bincount(cell, minlength=n_cells).reshape(-1, len(LABELS))
    ones = np.bincount(cell, weights=values, minlength=n_cells).reshape(-1, len(LABELS))
    disagrees = ((ones > 0) & (ones < count)).any(axis=1)
    lacking = (count == 0).any(axis=1) & ~disagrees
    targets = (ones > 0).astype(np.int8)
    used = ~disagrees & ~lacking
    contradicted = used & (targets[:, 0] == 0) & targets[:, 1:].any(axis=1)
    targets[contradicted, 0] = 1
    left_out = [
        *_repeated_rows(images[~disagrees], count[~disagrees]),
        *_each(images[disagrees], "labels disagree", "Rows of the same label hold 0 and 1."),
        *_each(images[lacking], "labels incomplete", "Not all six labels have a row."),
        *_each(
            images[contradicted] + "_any",
            "any contradicted",
            "'any' is 0 where a subtype is 1: it was taken as 1.",
        ),
    ]
    return LabelTable(images[used], targets[used], left_out)


def read_image_names(path: Path) -> list[str]:
    """List the images that a CSV of this form names, in the order of their names.

    Raises
    ------
    TrainingError
        As `read_label_table`, but for the labels' values, which are not read.
    """
    images, _, _ = _parse_ids(path, read_rows(path, ("ID",))["ID"])
    return [str(image) for image in images]


def _parse_ids(
    path: Path, ids: "pd.Series[str]"
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int64]]:
    """Return the images' names, sorted, and the image and the label of each row."""
    found: Any = pc.extract_regex(pa.array(ids, type=pa.large_string()), _ROW_ID)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    wrong = np.flatnonzero(pc.is_null(found))
    if len(wrong):
        raise TrainingError(
            f"{in_line(path, ids, int(wrong[0]))} is not in the form {_FORM}."
            + (f" {len(wrong):,} rows are like that." if len(wrong) > 1 else "")
        )
    images = pc.struct_field(found, "image").dictionary_encode()
    names = images.dictionary.to_numpy(zero_copy_only=False).astype(object)
    order = np.argsort(names)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    label: Any = pc.index_in(pc.struct_field(found, "label"), pa.array(LABELS))
    return names[order], rank[images.indices.to_numpy()], label.to_numpy().astype(np.int64)


def _repeated_rows(images: NDArray[np.object_], count: NDArray[np.int64]) -> list[LeftOut]:
    """Return one item a row beyond the first of a label."""
    rows, columns = np.nonzero(count > 1)
    return [
        LeftOut(f"{images[row]}_{LABELS[column]}", "label row repeated", "It was counted once.")
        for row, column in zip(rows, columns, strict=True)
        for _ in range(count[row, column] - 1)
    ]


def _each(names: NDArray[np.object_], kind: str, detail: str) -> list[LeftOut]:
    return [LeftOut(str(name), kind, detail) for name in names]
