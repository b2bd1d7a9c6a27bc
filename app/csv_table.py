"""Tables as CSV that a spreadsheet opens without running what is in them."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With these a spreadsheet takes a text for a formula (OWASP, CSV Injection)."""


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The table line by line (RFC 4180); a text that would be a formula gets an apostrophe.

    Numbers stay as they are, None is an empty cell.
    """
    line = io.StringIO()
    writer = csv.writer(line)
    for row in itertools.chain([header], rows):
        writer.writerow([_safe(cell) for cell in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _safe(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA):
        return f"'{cell}"
    return cell
