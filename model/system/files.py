"""Writing a file so that a reader, a kill or a full disk never leaves half of it."""

import json
import os
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one.

    Raises
    ------
    OSError
        The disk is full or not writable; the old file stays, no partial one does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; a number that is not finite is an error, not `NaN`."""
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
