"""The messages between `model.dicom.sandbox` and its child: lengths, a JSON header, raw bytes.

Neither side unpickles anything, so that a child taken over by a hostile file can send no code.
"""

import json
import struct
from typing import Any, Final

import numpy as np

from model.dicom.slice_reader import CTSlice

LENGTHS: Final = struct.Struct("<IQ")
"""Bytes of the JSON header, and of the body that follows it."""

EXIT_OUT_OF_MEMORY: Final = 71
"""The child's exit status when memory ran out."""

_TUPLES: Final = ("position_mm", "orientation", "pixel_spacing_mm", "warnings")


def pack_lengths_and_header(header: dict[str, Any], body_bytes: int) -> bytes:
    """Return the start of a message, which its body follows."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), body_bytes) + text


def slice_to_header(ct_slice: CTSlice) -> dict[str, Any]:
    """Return all of a slice but its pixels, which travel as the body."""
    fields = {key: value for key, value in vars(ct_slice).items() if key != "hu"}
    return {"slice": fields, "shape": ct_slice.hu.shape}


def slice_from_message(header: dict[str, Any], body: bytes) -> CTSlice:
    """Rebuild a slice; raise ValueError, TypeError or KeyError if the message is not one."""
    rows, columns = header["shape"]
    hu = np.frombuffer(body, np.int16).reshape(int(rows), int(columns))
    fields = dict(header["slice"])
    for key in _TUPLES:
        if fields[key] is not None:
            fields[key] = tuple(fields[key])
    return CTSlice(hu=hu, **fields)
