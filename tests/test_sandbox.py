"""Reading in a child process: the same slices, and no file harms the parent or the next file."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import fields

import numpy as np
import pytest

from ct_factory import JPEG_2000_LOSSLESS, ct_file
from hostile_factory import BOMBS, deflate_bomb, many_items
from model.dicom.element_walk import ScanLimits
from model.dicom.sandbox import SandboxedReader, SandboxLimits
from model.dicom.sandbox_child import ChildLimits
from model.dicom.slice_reader import CTSlice, ReadLimits, read_slice
from model.errors import InputRefusedError


@pytest.fixture(scope="module")
def reader() -> Iterator[SandboxedReader]:
    with SandboxedReader() as opened:
        yield opened


def assert_same(first: CTSlice, second: CTSlice) -> None:
    np.testing.assert_array_equal(first.hu, second.hu)
    for field in fields(CTSlice):
        if field.name != "hu":
            assert getattr(first, field.name) == getattr(second, field.name)


@pytest.mark.parametrize(
    "data",
    [
        ct_file(),
        ct_file(syntax=JPEG_2000_LOSSLESS),
        ct_file(PixelSpacing=None, ImagePositionPatient=None, ContrastBolusAgent="YES"),
        ct_file(PatientName="Yamada^Tarou=山田^太郎"),
    ],
    ids=["plain", "compressed", "warnings", "names"],
)
def test_a_slice_comes_back_as_it_was_read(reader: SandboxedReader, data: bytes) -> None:
    assert_same(reader.read(data, "a.dcm"), read_slice(data, "a.dcm", ReadLimits()))


def test_a_refusal_comes_back_with_its_reason(reader: SandboxedReader) -> None:
    with pytest.raises(InputRefusedError, match=r"^b.dcm has the modality 'MR'. Falx reads CT"):
        reader.read(ct_file(Modality="MR"), "b.dcm")


def test_one_child_serves_many_files(reader: SandboxedReader) -> None:
    first = reader.child_id

    for _ in range(20):
        reader.read(ct_file(), "a.dcm")

    assert first is not None
    assert reader.child_id == first


@pytest.mark.parametrize("build", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_fast_and_in_little_memory(
    reader: SandboxedReader, build: Callable[[], bytes]
) -> None:
    reader.read(ct_file(), "a.dcm")
    data = build()
    started = time.perf_counter()

    with pytest.raises(InputRefusedError, match=r"^bomb.dcm "):
        reader.read(data, "bomb.dcm")

    assert time.perf_counter() - started < 3
    assert reader.read(ct_file(), "a.dcm").hu.shape == (64, 80)
    assert peak_memory_bytes(reader) < 300e6


def peak_memory_bytes(reader: SandboxedReader) -> int:
    """Read the child's largest resident size from the kernel."""
    with open(f"/proc/{reader.child_id}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


CARELESS = ReadLimits(ScanLimits(inflated_bytes=4 * 10**9, items=10**9))
"""Limits under which bombs go off, so that only the sandbox stands between."""


def test_a_file_that_takes_all_memory_is_refused_and_the_next_one_is_read() -> None:
    limits = SandboxLimits(ChildLimits(CARELESS, address_space_bytes=300 * 2**20))

    with SandboxedReader(limits) as reader:
        with pytest.raises(InputRefusedError, match=r"bomb.dcm .* the reader ran out of memory"):
            reader.read(deflate_bomb(400), "bomb.dcm")

        assert reader.read(ct_file(), "a.dcm").hu.shape == (64, 80)


def test_a_file_that_takes_all_cpu_is_refused_and_the_next_one_is_read() -> None:
    limits = SandboxLimits(ChildLimits(CARELESS, cpu_seconds=1), wall_seconds=60)

    with SandboxedReader(limits) as reader:
        with pytest.raises(InputRefusedError, match=r"bomb.dcm .* the reader ran out of time"):
            reader.read(many_items(6_000_000), "bomb.dcm")

        assert reader.read(ct_file(), "a.dcm").hu.shape == (64, 80)


def test_a_file_that_takes_all_time_is_refused_and_the_next_one_is_read() -> None:
    with SandboxedReader(SandboxLimits(wall_seconds=2)) as reader:
        reader.read(ct_file(), "a.dcm")
        assert reader.child_id is not None
        os.kill(reader.child_id, signal.SIGSTOP)

        with pytest.raises(InputRefusedError, match=r"a.dcm could not be read: .* out of time"):
            reader.read(ct_file(), "a.dcm")

        assert reader.read(ct_file(), "a.dcm").hu.shape == (64, 80)


def test_a_child_that_dies_between_files_is_replaced() -> None:
    with SandboxedReader() as reader:
        reader.read(ct_file(), "a.dcm")
        assert reader.child_id is not None
        os.kill(reader.child_id, signal.SIGKILL)
        os.waitid(os.P_PID, reader.child_id, os.WEXITED | os.WNOWAIT)

        assert reader.read(ct_file(), "a.dcm").hu.shape == (64, 80)


def test_closing_ends_the_child_and_reading_starts_another() -> None:
    reader = SandboxedReader()
    reader.read(ct_file(), "a.dcm")
    child = reader.child_id
    assert child is not None

    reader.close()

    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(child, 0)
    reader.read(ct_file(), "a.dcm")
    reader.close()


def test_the_child_knows_none_of_the_parent_s_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALX_SECRET_KEY", "secret")

    with SandboxedReader() as reader:
        reader.read(ct_file(), "a.dcm")
        with open(f"/proc/{reader.child_id}/environ", "rb") as environment:
            assert b"secret" not in environment.read()


def test_the_child_can_write_no_file_and_is_bounded() -> None:
    with SandboxedReader() as reader:
        reader.read(ct_file(), "a.dcm")
        assert reader.child_id is not None

        assert resource.prlimit(reader.child_id, resource.RLIMIT_FSIZE) == (0, 0)
        assert resource.prlimit(reader.child_id, resource.RLIMIT_AS) == (2**30, 2**30)
        assert resource.prlimit(reader.child_id, resource.RLIMIT_CPU)[0] < 60
