"""Files on disk: each is there whole and durable before anything refers to it, or not at all."""

import io
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ORIGINAL: Final = "original"
"""The bytes as they were received."""
HU: Final = "hu"
"""The decoded slice, int16 [rows, columns], in NumPy's format."""
HEAT: Final = "heat"
"""The heat maps of an analysis, float16 [slices, labels, h, w], in NumPy's format."""

_SUFFIXES: Final = {ORIGINAL: ".dcm", HU: ".npy", HEAT: ".npy"}


class StorageError(Exception):
    """A stored file is missing or damaged."""


class StorageFullError(Exception):
    """The disk has no room; nothing was kept of what was being written."""


class Storage:
    """Files under one folder, named by random ids alone: no received text becomes a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    @property
    def incoming(self) -> Path:
        """Folder for files that are not yet kept; emptied by `sweep`."""
        return self._incoming

    def write(self, kind: str, file_id: str, data: bytes) -> None:
        """Keep `data`: written, fsynced, renamed, folder fsynced, in this order.

        Raises
        ------
        StorageFullError
            There is no room.
        """
        target = self._path(kind, file_id)
        temporary = self._incoming / f"{kind}-{file_id}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(target)
            _fsync_folder(target.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageFullError(f"could not be kept: {error.strerror}") from error

    def write_array(self, kind: str, file_id: str, array: NDArray[np.generic]) -> None:
        """Keep an array in NumPy's format."""
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        self.write(kind, file_id, buffer.getbuffer().tobytes())

    def read(self, kind: str, file_id: str) -> bytes:
        """The whole file.

        Raises
        ------
        StorageError
            The file is missing.
        """
        try:
            return self._path(kind, file_id).read_bytes()
        except OSError as error:
            raise StorageError(f"{kind} {file_id} cannot be read: {error.strerror}") from error

    def read_array(self, kind: str, file_id: str) -> NDArray[Any]:
        """The array, memory-mapped: pages that nobody looks at are not read.

        Raises
        ------
        StorageError
            The file is missing or damaged.
        """
        try:
            array: NDArray[Any] = np.load(
                self._path(kind, file_id), mmap_mode="r", allow_pickle=False
            )
        except (OSError, ValueError) as error:
            raise StorageError(f"{kind} {file_id} cannot be read: {error}") from error
        return array

    def remove(self, kind: str, file_id: str) -> None:
        """Remove the file if it is there."""
        self._path(kind, file_id).unlink(missing_ok=True)

    def remove_for_good(self, files: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Remove files (kind, id) so that a power cut does not bring them back.

        Returns
        -------
        The files that are still there, each with the reason; all others are gone.
        """
        left: dict[tuple[str, str], str] = {}
        folders: dict[Path, list[tuple[str, str]]] = defaultdict(list)
        for one in files:
            path = self._path(*one)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                left[one] = _reason(error)
            else:
                folders[path.parent].append(one)
        for folder, gone in folders.items():
            try:
                if folder.is_dir():
                    _fsync_folder(folder)
            except OSError as error:
                left |= dict.fromkeys(gone, _reason(error))
        return left

    def sweep(self) -> None:
        """Remove what an interrupted process left in `incoming`. Call where nothing writes yet."""
        for leftover in self._incoming.iterdir():
            leftover.unlink(missing_ok=True)

    def _path(self, kind: str, file_id: str) -> Path:
        # Two levels keep folders small on sites with millions of slices.
        return self._folder / kind / file_id[:2] / f"{file_id}{_SUFFIXES[kind]}"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
