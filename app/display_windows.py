"""The display windows that a site may choose; the network's own windows are never among them."""

import re
from collections.abc import Sequence
from typing import Any, Final

from model.windowing import DISPLAY_PRESETS, Window

SIDE_BY_SIDE: Final = ("brain", "subdural", "bone")
"""Names of the first three: pages and reports show them beside each other."""

MOST: Final = 8
"""The keys 1 to 9 choose among them and the file's own window."""

LEAST_CENTER, MOST_CENTER = -1024, 4095
MOST_WIDTH: Final = 8192

_RESERVED: Final = ("file", "own", "three")
"""What the viewer calls other windows than these."""


class WindowsError(Exception):
    """Windows cannot be used as typed; the message says which, and what would be right."""


def windows_from(rows: Sequence[tuple[str, str, str]]) -> tuple[Window, ...]:
    """The windows as typed: name, center and width of each; rows with none of them are passed over.

    Raises
    ------
    WindowsError
        A name or number is missing, out of range or taken.
    """
    windows: list[Window] = []
    for number, row in enumerate(rows, start=1):
        typed = tuple(text.strip() for text in row)
        if any(typed):
            windows.append(_window(number, *typed))
    names = [window.name for window in windows]
    for name in names:
        if names.count(name) > 1:
            raise WindowsError(f"Two windows are called {name}: each needs a name of its own.")
    if tuple(names[:3]) != SIDE_BY_SIDE or len(windows) > MOST:
        raise WindowsError(
            f"The first three windows are {', '.join(SIDE_BY_SIDE)}, and {MOST} is the most."
        )
    return tuple(windows)


def _window(number: int, name: str, center: str, width: str) -> Window:
    written = re.sub(r"[\s-]+", "-", name.lower())
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,23}", written) or written in _RESERVED:
        raise WindowsError(
            f"Window {number}: its name takes 1 to 24 letters, digits, blanks or hyphens, and is "
            f"none of {', '.join(_RESERVED)}."
        )
    return Window(
        written,
        _whole(written, "center", center, LEAST_CENTER, MOST_CENTER),
        _whole(written, "width", width, 1, MOST_WIDTH),
    )


def _whole(name: str, what: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch("-?[0-9]{1,5}", text) or not least <= int(text) <= most:
        raise WindowsError(
            f"Window {name}: its {what} takes a whole number of HU from {least} to {most}."
        )
    return int(text)


def to_json(windows: Sequence[Window]) -> list[dict[str, Any]]:
    """The windows as a setting is stored."""
    return [{"name": w.name, "center": w.center, "width": w.width} for w in windows]


def from_json(stored: Sequence[dict[str, Any]]) -> tuple[Window, ...]:
    """The windows of a stored setting."""
    return tuple(Window(**one) for one in stored)


DEFAULTS: Final = DISPLAY_PRESETS
