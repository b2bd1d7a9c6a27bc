"""The label CSV of RSNA 2019, six rows an image, as one row of six labels an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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
    rows = _read_rows(path)
    images, image_of_row, label_of_row = _parse_ids(path, rows["ID"])
    values = _parse_values(path, rows["Label"])
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
        *_repeated_rows(images, count),
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
    images, _, _ = _parse_ids(path, _read_rows(path)["ID"])
    return [str(image) for image in images]


def _read_rows(path: Path) -> pd.DataFrame:
    """Return the columns ID and Label as text, one row a line, so that line = index + 2."""
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except FileNotFoundError:
        raise TrainingError(f"{path} is not there.") from None
    except pd.errors.EmptyDataError:
        raise TrainingError(f"{path} is empty; it needs the header ID,Label.") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as problem:
        raise TrainingError(f"{path} is no CSV of two columns: {str(problem).strip()}.") from None
    if not set(_COLUMNS) <= set(rows.columns):
        found = ", ".join(map(str, rows.columns))
        raise TrainingError(f"{path} has the columns {found}, where ID and Label are needed.")
    rows = rows.loc[(rows["ID"] != "") | (rows["Label"] != ""), list(_COLUMNS)]
    if rows.empty:
        raise TrainingError(f"{path} has a header and no row; six rows an image are needed.")
    return rows


def _parse_ids(
    path: Path, ids: "pd.Series[str]"
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int64]]:
    """Return the images' names, sorted, and the image and the label of each row."""
    found: Any = pc.extract_regex(_strings(ids), _ROW_ID)
    wrong = np.flatnonzero(pc.is_null(found))
    if len(wrong):
        line = int(ids.index[wrong[0]]) + 2
        raise TrainingError(
            f"{path}, line {line}: the ID {ids.iloc[wrong[0]][:80]!r} is not in the form {_FORM}."
            + (f" {len(wrong):,} rows are like that." if len(wrong) > 1 else "")
        )
    images = pc.struct_field(found, "image").dictionary_encode()
    names = images.dictionary.to_numpy(zero_copy_only=False).astype(object)
    order = np.argsort(names)
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    label: Any = pc.index_in(pc.struct_field(found, "label"), pa.array(LABELS))
    return names[order], rank[images.indices.to_numpy()], label.to_numpy().astype(np.int64)


def _parse_values(path: Path, labels: "pd.Series[str]") -> NDArray[np.int64]:
    """Return the labels as 0 and 1."""
    value: Any = pc.index_in(pc.utf8_trim_whitespace(_strings(labels)), pa.array(["0", "1"]))
    wrong = np.flatnonzero(pc.is_null(value))
    if len(wrong):
        line = int(labels.index[wrong[0]]) + 2
        raise TrainingError(
            f"{path}, line {line}: the label {labels.iloc[wrong[0]][:80]!r} is neither 0 nor 1."
        )
    numbers: NDArray[np.int64] = value.to_numpy().astype(np.int64)
    return numbers


def _strings(column: "pd.Series[str]") -> Any:
    """Return a text column as one Arrow array."""
    array: Any = pa.array(column, type=pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


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
