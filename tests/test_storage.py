"""Files are kept whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from app.storage import HU, ORIGINAL, Storage, StorageError, StorageFullError


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    storage = Storage(tmp_path)

    storage.write(ORIGINAL, "abc", b"bytes")

    assert storage.read(ORIGINAL, "abc") == b"bytes"


def test_an_array_keeps_its_values_and_type(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    hu = np.array([[-1024, 35], [70, 3071]], dtype=np.int16)

    storage.write_array(HU, "abc", hu)

    read = storage.read_array(HU, "abc")
    assert read.dtype == np.int16
    np.testing.assert_array_equal(read, hu)


def test_a_missing_file_is_told_by_its_kind_and_id(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="original abc cannot be read"):
        Storage(tmp_path).read(ORIGINAL, "abc")


def test_a_damaged_array_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write(HU, "abc", b"\x93NUMPY" + b"nonsense" * 10)

    with pytest.raises(StorageError, match="hu abc cannot be read"):
        storage.read_array(HU, "abc")


def test_the_file_is_durable_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(tmp_path)
    order: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        order.append("fsync")
        real_fsync(descriptor)

    def rename(path: Path, target: Path) -> Path:
        order.append("rename")
        return real_rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)

    storage.write(ORIGINAL, "abc", b"bytes")

    assert order == ["fsync", "rename", "fsync"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (tmp_path / ORIGINAL).write_text("a file where a folder should be")

    with pytest.raises(StorageFullError, match="could not be kept"):
        storage.write(ORIGINAL, "abc", b"bytes")

    assert list(storage.incoming.iterdir()) == []


def test_the_sweep_removes_what_an_interrupted_process_left(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (storage.incoming / "half-written").write_bytes(b"half")

    storage.sweep()

    assert list(storage.incoming.iterdir()) == []
