"""Reading files in a child process, which may be starved, run away or crash without harm."""

import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from model.dicom.sandbox_child import ChildLimits
from model.dicom.sandbox_messages import (
    EXIT_OUT_OF_MEMORY,
    LENGTHS,
    pack_lengths_and_header,
    slice_from_message,
)
from model.dicom.slice_reader import CTSlice
from model.errors import InputRefusedError

_log = logging.getLogger(__name__)

_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]
_CHUNK_BYTES: Final = 2**20
_MAX_HEADER_BYTES: Final = 2**20
_SOUND_FILES: Final = "Falx reads sound CT images; the other files are not affected."


@dataclass(frozen=True)
class SandboxLimits:
    """What one file may use: an answer comes within 10 s. A slice takes 3 to 50 ms, and 60 MB."""

    child: ChildLimits = field(default_factory=ChildLimits)
    wall_seconds: float = 9.0


class _ChildFailedError(Exception):
    """The child gave no usable answer; why, as a clause."""


class SandboxedReader:
    """Reads slices in one child process after another; for one thread at a time.

    The child starts with the first file (about half a second) and serves until it dies or
    the reader is closed. Use it as a context manager.
    """

    def __init__(self, limits: SandboxLimits | None = None) -> None:
        self._limits = limits or SandboxLimits()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def child_id(self) -> int | None:
        """The process id of the child, or None before the first file."""
        return None if self._child is None else self._child.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, data: bytes, name: str) -> CTSlice:
        """Read one DICOM file as `slice_reader.read_slice` does, whatever the file does.

        Raises
        ------
        InputRefusedError
            `read_slice` refused the file, or its reading ran out of time or memory, or crashed.
        """
        try:
            header, body = self._exchange(data, name)
            if "slice" in header:
                return slice_from_message(header, body)
            if "refused" in header:
                refused = header["refused"]
                raise InputRefusedError(name, refused["problem"], refused["accepted"])
        except (_ChildFailedError, BrokenPipeError, ValueError, TypeError, KeyError) as failure:
            self.close()
            _log.warning("reader process failed: %s", failure)
            clause = str(failure) if isinstance(failure, _ChildFailedError) else "crashed"
            problem = f"could not be read: the reader {clause}"
            raise InputRefusedError(name, problem, _SOUND_FILES) from None
        _log.error("unexpected error in the reader: %s", header.get("failed"))
        raise InputRefusedError(name, "could not be read: it is damaged", _SOUND_FILES)

    def close(self) -> None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _exchange(self, data: bytes, name: str) -> tuple[dict[str, Any], bytes]:
        """Send one file, and return the answer's header and body."""
        message = pack_lengths_and_header({"name": name}, len(data)) + data
        try:
            child, conversation = self._start_conversation(message)
        except BrokenPipeError:
            # The child had died since the last file, which is not this file's fault.
            self.close()
            child, conversation = self._start_conversation(message)
        try:
            header_bytes, body_bytes = LENGTHS.unpack(conversation.receive(LENGTHS.size))
            most = 2 * self._limits.child.read.most_rows_columns**2
            if header_bytes > _MAX_HEADER_BYTES or body_bytes > most:
                raise _ChildFailedError("answered nonsense")
            header = json.loads(conversation.receive(header_bytes))
            return header, conversation.receive(body_bytes)
        except EOFError:
            raise _ChildFailedError(self._cause_of_death(child)) from None

    def _start_conversation(
        self, message: bytes
    ) -> "tuple[subprocess.Popen[bytes], _Conversation]":
        child = self._running_child()
        conversation = _Conversation(child, time.monotonic() + self._limits.wall_seconds)
        conversation.send(message)
        return child, conversation

    def _running_child(self) -> subprocess.Popen[bytes]:
        """Return the child; start one where there is none, or where it has died."""
        if self._child is not None and self._child.poll() is None:
            return self._child
        self.close()
        # One thread, no secrets from our environment, nothing but our own code on the path.
        environment = {
            "PYTHONPATH": str(_PACKAGE_PARENT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "LC_ALL": "C.UTF-8",
        }
        self._child = subprocess.Popen(
            [sys.executable, "-m", "model.dicom.sandbox_child", self._limits.child.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
        )
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                _enlarge(pipe.fileno())
        return self._child

    def _cause_of_death(self, child: subprocess.Popen[bytes]) -> str:
        """Say why the child died, as a clause."""
        try:
            status = child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        if status == EXIT_OUT_OF_MEMORY:
            return "ran out of memory"
        return "ran out of time" if status == -signal.SIGXCPU else f"crashed (status {status})"


class _Conversation:
    """One message to the child and one back, both before a deadline on the monotonic clock."""

    def __init__(self, child: subprocess.Popen[bytes], deadline: float) -> None:
        if child.stdin is None or child.stdout is None:
            raise _ChildFailedError("has no pipes")
        self._stdin = child.stdin.fileno()
        self._stdout = child.stdout.fileno()
        self._deadline = deadline

    def send(self, message: bytes) -> None:
        rest = memoryview(message)
        while rest:
            self._wait(self._stdin, selectors.EVENT_WRITE)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(self._stdin, rest[:_CHUNK_BYTES]) :]

    def receive(self, n_bytes: int) -> bytes:
        received = bytearray()
        while len(received) < n_bytes:
            self._wait(self._stdout, selectors.EVENT_READ)
            part = os.read(self._stdout, min(_CHUNK_BYTES, n_bytes - len(received)))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    def _wait(self, descriptor: int, event: int) -> None:
        left = self._deadline - time.monotonic()
        with selectors.PollSelector() as selector:
            selector.register(descriptor, event)
            if left <= 0 or not selector.select(left):
                raise _ChildFailedError("ran out of time")


def _enlarge(pipe: int) -> None:
    """Let a pipe hold a whole slice, where the system has that setting."""
    import fcntl

    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _CHUNK_BYTES)
