"""Tables as CSV that a spreadsheet opens without running what is in them.

The notice stands on every line: lines are copied out of their table.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from model.notice import NOTICE

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With these a spreadsheet takes a text for a formula (OWASP, CSV Injection)."""


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The table line by line (RFC 4180), the notice in the first column of each.

    A text that would be a formula gets an apostrophe; numbers stay as they are, None is an empty
    cell.
    """
    # The mark by which spreadsheets know UTF-8, without which they garble names.
    yield "\ufeff"
    line = io.StringIO()
    writer = csv.writer(line)
    marked = ((NOTICE, *row) for row in rows)
    for row in itertools.chain([("notice", *header)], marked):
        writer.writerow([_safe(cell) for cell in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _safe(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA):
        return f"'{cell}"
    return cell
