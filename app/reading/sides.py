"""Which side of the patient lies at each edge of a picture."""

from collections.abc import Sequence
from typing import Final

SHOWN_SHARE: Final = 0.25
"""Of a direction, about 15 degrees, from which it gets its own letter."""

_LETTERS: Final = (("R", "L"), ("A", "P"), ("F", "H"))
"""By axis of the patient: towards lower and towards higher values (DICOM PS3.3 C.7.6.2.1.1)."""


def sides_of(orientation: Sequence[float] | None) -> dict[str, str] | None:
    """The letters (DICOM PS3.3 C.7.6.1.1.1) at the edges `left`, `right`, `top` and `bottom`.

    Parameters
    ----------
    orientation
        Direction of a row, then of a column, three cosines each (PS3.3 C.7.6.2.1.1); None where
        the file does not say, and then nobody knows the sides.
    """
    if orientation is None:
        return None
    row, column = list(orientation[:3]), list(orientation[3:])
    return {
        "left": _letters([-cosine for cosine in row]),
        "right": _letters(row),
        "top": _letters([-cosine for cosine in column]),
        "bottom": _letters(column),
    }


def _letters(direction: Sequence[float]) -> str:
    """Of all axes that have a share in a direction, the largest share first."""
    shares = sorted(
        (-abs(cosine), pair[cosine > 0])
        for cosine, pair in zip(direction, _LETTERS, strict=True)
        if abs(cosine) > SHOWN_SHARE
    )
    return "".join(letter for _, letter in shares)
