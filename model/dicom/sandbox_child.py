"""The child of `model.dicom.sandbox`: reads one file after the other under its limits.

Run as ``python -m model.dicom.sandbox_child LIMITS`` with the limits as JSON.
"""

import json
import math
import resource
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from model.dicom.element_walk import ScanLimits
from model.dicom.sandbox_messages import (
    EXIT_OUT_OF_MEMORY,
    LENGTHS,
    pack_lengths_and_header,
    slice_to_header,
)
from model.dicom.slice_reader import ReadLimits, read_slice
from model.errors import InputRefusedError


@dataclass(frozen=True)
class ChildLimits:
    """What the child may use: address space over its life, CPU time for each file."""

    read: ReadLimits = field(default_factory=ReadLimits)
    address_space_bytes: int = 2**30
    cpu_seconds: float = 6.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ChildLimits":
        fields = json.loads(text)
        read = fields.pop("read")
        scan = ScanLimits(**read.pop("scan"))
        return cls(read=ReadLimits(scan=scan, **read), **fields)


def main() -> None:
    """Serve requests from standard input until it closes."""
    limits = ChildLimits.from_json(sys.argv[1])
    space = limits.address_space_bytes
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        while lengths := requests.read(LENGTHS.size):
            header_bytes, body_bytes = LENGTHS.unpack(lengths)
            name = json.loads(requests.read(header_bytes))["name"]
            _allow_cpu(limits.cpu_seconds)
            _answer(requests.read(body_bytes), name, limits.read, answers)
    except MemoryError:
        # What else failed for want of memory is unknown: the next file gets a fresh child.
        sys.exit(EXIT_OUT_OF_MEMORY)


def _allow_cpu(seconds: float) -> None:
    """Let the process use so much more CPU time before the kernel ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _answer(data: bytes, name: str, limits: ReadLimits, answers: BinaryIO) -> None:
    header: dict[str, Any]
    body = b""
    try:
        ct_slice = read_slice(data, name, limits)
    except InputRefusedError as refusal:
        header = {"refused": {"problem": refusal.problem, "accepted": refusal.accepted}}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - no file may end the service; the parent logs it
        header = {"failed": _where(error)}
    else:
        header, body = slice_to_header(ct_slice), ct_slice.hu.tobytes()
    answers.write(pack_lengths_and_header(header, len(body)))
    answers.write(body)
    answers.flush()


def _where(error: Exception) -> str:
    """Name the error and its line, without its text: that may quote the patient's data."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}" if frame else "?"
    return f"{type(error).__name__} at {place}"


if __name__ == "__main__":
    main()
