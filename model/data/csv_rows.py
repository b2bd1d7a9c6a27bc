"""Label CSVs as text columns, with errors that name the line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.errors import TrainingError

_SHOWN_CHARACTERS = 80


def read_rows(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Read a CSV with a header, all as text without outer spaces; blank lines are left out.

    Parameters
    ----------
    path
        The file.
    needed
        Columns that it must have.

    Returns
    -------
    At least one row, with all columns; `index + 2` is the row's line, where no value holds a line
    break.

    Raises
    ------
    TrainingError
        The file is missing, empty, no CSV, lacks a needed column, or has no row.
    """
    wanted = ", ".join(needed)
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except FileNotFoundError:
        raise TrainingError(f"{path} is not there.") from None
    except pd.errors.EmptyDataError:
        raise TrainingError(f"{path} is empty; it needs a header with {wanted}.") from None
    except ValueError as problem:  # also: bytes that are no text, rows of too many values
        raise TrainingError(f"{path} cannot be read as CSV: {str(problem).strip()}.") from problem
    if isinstance(rows.index, pd.MultiIndex) or rows.index.dtype != np.int64:
        raise TrainingError(f"{path} has rows with more values than its header has columns.")
    rows.columns = rows.columns.str.strip()
    missing = [column for column in needed if column not in rows.columns]
    if missing:
        raise TrainingError(
            f"{path} has no column {', '.join(missing)}: it has {', '.join(rows.columns)}, "
            f"where {wanted} are needed."
        )
    # A row with fewer values than the header has missing ones at its end, even so.
    rows = rows.fillna("")
    rows = pd.DataFrame({column: rows[column].str.strip() for column in rows.columns})
    rows = rows[(rows != "").any(axis=1)]
    if rows.empty:
        raise TrainingError(f"{path} has a header and no row.")
    return rows


def zero_or_one(path: Path, column: "pd.Series[str]") -> NDArray[np.int8]:
    """Return a column of `read_rows` as numbers.

    Raises
    ------
    TrainingError
        A value is neither 0 nor 1; the first one's line is named.
    """
    ones = (column == "1").to_numpy(bool)
    wrong = np.flatnonzero(~ones & (column != "0").to_numpy(bool))
    if len(wrong):
        raise TrainingError(
            f"{in_line(path, column, int(wrong[0]))} is neither 0 nor 1"
            + (f", as in {len(wrong) - 1:,} more rows." if len(wrong) > 1 else ".")
        )
    return ones.astype(np.int8)


def in_line(path: Path, column: "pd.Series[str]", row: int) -> str:
    """Begin a sentence about a value of `read_rows`: file, line, column and value."""
    value = column.iloc[row][:_SHOWN_CHARACTERS]
    return f"{path}, line {column.index[row] + 2}: the {column.name} {value!r}"
