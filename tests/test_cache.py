"""A cache is filled in one pass, survives any kill, and is never taken for whole before it is."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.config import PROJECT_ROOT
from cache_factory import write_cache, write_originals
from ct_factory import ct_file
from model import cache
from model.data import cache_writer
from model.data.cached import open_cache, read_left_out
from model.data.dataset import LeftOut, SliceIndex, SourceSlice
from model.data.own_folder import OwnFolderSet
from model.data.simulated import SimulatedSet
from model.errors import TrainingError
from model.windowing import HU_MIN

FILES = ["cache.json", "hu.npy", "left_out.csv", "slices.parquet"]
SIMULATED = ["simulated", "--patients=3", "--slices=4", "--pixels=64", "--size=32"]


@dataclass(frozen=True)
class DeadlySet(SimulatedSet):
    """Kills the process that reads it, as the kernel does when memory runs out."""

    def read(self, names: Sequence[str]) -> Iterator[SourceSlice | LeftOut]:
        """Never returns."""
        os.kill(os.getpid(), signal.SIGKILL)
        return super().read(names)


@dataclass(frozen=True)
class HugeSet(SimulatedSet):
    """More slices than any disk here holds."""

    def index(self) -> SliceIndex:
        """One million slices."""
        count = 10**6
        return SliceIndex(["x"] * count, np.zeros((count, 6), np.int8), [np.arange(count)], ())


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> OwnFolderSet:
    """Two chunks of slices."""
    return write_originals(tmp_path_factory.mktemp("originals"), patients=10, slices=30)


def content(folder: Path) -> tuple[bytes, bytes, pd.DataFrame]:
    pixels, left_out = (folder / "hu.npy", folder / "left_out.csv")
    return pixels.read_bytes(), left_out.read_bytes(), pd.read_parquet(folder / "slices.parquet")


def assert_same(one: Path, other: Path) -> None:
    for mine, its in zip(content(one)[:2], content(other)[:2], strict=True):
        assert mine == its
    pd.testing.assert_frame_equal(content(one)[2], content(other)[2])


def run_program(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process group of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": "tests"},
        start_new_session=True,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_command_fills_a_cache_and_says_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.main([*SIMULATED, f"--to={tmp_path}", "--workers=1", "--name=heads"])

    said = capsys.readouterr().out
    assert "12 slices of 32 pixels, 3 studies, 3 patients." in said
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert open_cache(tmp_path).frame["patient"].unique().tolist() == [
        f"heads:SIMULATED-0000{number}" for number in range(3)
    ]


def test_a_complete_cache_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SIMULATED, f"--to={tmp_path}", "--workers=1"]
    cache.main(arguments)
    written = (tmp_path / "slices.parquet").stat().st_mtime_ns

    cache.main(arguments)

    assert "complete; nothing to do" in capsys.readouterr().out
    assert (tmp_path / "slices.parquet").stat().st_mtime_ns == written


def test_the_cached_slice_is_the_head_of_the_original(tmp_path: Path) -> None:
    cached = open_cache(write_cache(tmp_path, patients=1, slices=1, size=57))
    row = cached.frame.iloc[0]
    original = next(iter(cached.data_set.read([row["name"]])))

    assert isinstance(original, SourceSlice)
    top, left, side = row[["box_top", "box_left", "box_side"]]
    assert side == 57  # so that nothing was resized
    crop = original.hu[top : top + side, left : left + side]
    assert np.array_equal(cached.hu[row["row"]], crop)
    assert (row["hu_min"], row["hu_max"]) == (original.hu.min(), original.hu.max())
    assert row["hu_mean"] == pytest.approx(original.hu.mean())
    assert row["window_width"] == 80


def test_two_processes_write_the_same_bytes_as_one(originals: OwnFolderSet, tmp_path: Path) -> None:
    for workers in (1, 2):
        cache_writer.write_cache(originals, tmp_path / str(workers), size=32, workers=workers)

    assert_same(tmp_path / "1", tmp_path / "2")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_killed_in_the_middle_goes_on_to_the_same_cache(
    originals: OwnFolderSet, tmp_path: Path, workers: int
) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from model.data.own_folder import OwnFolderSet\n"
        "from model.data.cache_writer import write_cache\n"
        "def kill(done, total):\n"
        "    if done: os.killpg(0, signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    root, folder, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])\n"
        f"    data = OwnFolderSet(root, root / 'labels.csv', {originals.title!r}, 'Falx', 'own')\n"
        "    write_cache(data, folder, size=32, workers=workers, on_progress=kill)\n"
    )
    broken = tmp_path / "broken"

    killed = run_program(program, str(originals.root), str(broken), str(workers))

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(TrainingError, match="is not complete"):
        open_cache(broken)
    begun: list[int] = []
    cache_writer.write_cache(
        originals, broken, size=32, on_progress=lambda done, _total: begun.append(done)
    )
    assert begun[0] == 256
    cache_writer.write_cache(originals, tmp_path / "unbroken", size=32)
    assert_same(broken, tmp_path / "unbroken")


def test_a_reading_process_that_is_killed_ends_the_run_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_writer, "CHUNK_SLICES", 2)
    deadly = DeadlySet(patients=2, slices=2, pixels=16)

    with pytest.raises(TrainingError, match="A reading process was killed"):
        cache_writer.write_cache(deadly, tmp_path, size=16, workers=2)

    assert not (tmp_path / "slices.parquet").exists()


def test_a_disk_without_enough_room_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"needs 2097\.2 GB in .* GB are free"):
        cache_writer.write_cache(HugeSet(), tmp_path, size=1024)

    assert not (tmp_path / "hu.npy").exists()


def test_a_file_that_cannot_grow_ends_the_run_and_leaves_nothing_half_written(
    tmp_path: Path,
) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from model.cache import main; from model.system.command import run\n"
        "run(lambda: main(sys.argv[1:]))"
    )
    arguments = [*SIMULATED, f"--to={tmp_path}", "--workers=1"]

    ended = run_program(program, *arguments)

    assert ended.returncode == 1
    assert "falx: The cache needs 0.1 GB" in ended.stderr
    assert "cannot be had: File too large" in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache.json"]
    cache.main(arguments)
    assert len(open_cache(tmp_path).frame) == 12


def test_a_folder_that_holds_another_cache_is_refused(tmp_path: Path) -> None:
    cache.main([*SIMULATED, f"--to={tmp_path}", "--workers=1"])

    with pytest.raises(TrainingError, match="holds a cache of other slices, labels, size or name"):
        cache.main([*SIMULATED, f"--to={tmp_path}", "--size=64"])
    with pytest.raises(TrainingError, match="holds a cache of other slices, labels, size or name"):
        cache.main([*SIMULATED, f"--to={tmp_path}", "--patients=4"])


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "hu.npy").write_bytes(b"mine")

    with pytest.raises(TrainingError, match=r"has a hu\.npy that is no cache's"):
        cache_writer.write_cache(SimulatedSet(1, 1), tmp_path, size=32)

    assert (tmp_path / "hu.npy").read_bytes() == b"mine"


def test_two_runs_do_not_fill_one_folder_at_a_time(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)

    with pytest.raises(TrainingError, match="Another process is filling the cache"):
        cache_writer.write_cache(SimulatedSet(1, 1), tmp_path, size=32)

    os.close(handle)


def test_what_cannot_be_read_is_left_out_by_name_and_stays_air(tmp_path: Path) -> None:
    data = write_originals(tmp_path / "data", patients=2, slices=2)
    (data.root / "p001_000.dcm").write_bytes(b"cut short")

    cache_writer.write_cache(data, tmp_path / "cache", size=32)

    cached = open_cache(tmp_path / "cache")
    assert cached.frame["name"].tolist() == ["p000_000.dcm", "p000_001.dcm", "p001_001.dcm"]
    assert read_left_out(cached.folder)["name"].tolist() == ["p001_000.dcm"]
    assert (cached.hu[2] == HU_MIN).all()
    assert "left out or corrected, unreadable file: 1" in cache.summary(cached)


def test_a_data_set_of_which_nothing_can_be_read_is_an_error_and_can_be_mended(
    tmp_path: Path,
) -> None:
    data = write_originals(tmp_path / "data", patients=1, slices=2)
    sound = {path: path.read_bytes() for path in data.root.glob("*.dcm")}
    for path in sound:
        path.write_bytes(b"damaged")

    with pytest.raises(TrainingError, match="None of the 2 slices can be read; the first: p000"):
        cache_writer.write_cache(data, tmp_path / "cache", size=32)

    for path, whole in sound.items():
        path.write_bytes(whole)
    cache_writer.write_cache(data, tmp_path / "cache", size=32)
    assert len(open_cache(tmp_path / "cache").frame) == 2


def test_a_damaged_part_file_is_named(originals: OwnFolderSet, tmp_path: Path) -> None:
    def damage(done: int, _total: int) -> None:
        if done:
            (tmp_path / "parts" / "00000.parquet").write_bytes(b"damaged")

    with pytest.raises(TrainingError, match=r"00000\.parquet cannot be read .* delete that file"):
        cache_writer.write_cache(originals, tmp_path, size=32, on_progress=damage)


def test_a_check_finds_pixels_that_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.main([*SIMULATED, f"--to={tmp_path}", "--workers=1"])
    cache.main([*SIMULATED, f"--to={tmp_path}", "--check"])
    assert "All 12 slices are as they were written." in capsys.readouterr().out

    damaged = bytearray((tmp_path / "hu.npy").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "hu.npy").write_bytes(damaged)

    with pytest.raises(TrainingError, match=r"1 of 12 slices .* \(00002_003\): delete the folder"):
        cache.main([*SIMULATED, f"--to={tmp_path}", "--check"])


@pytest.mark.parametrize("size", ["8", "2000", "big"])
def test_a_size_out_of_range_is_refused(
    size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cache.main(["simulated", f"--to={tmp_path}", f"--size={size}"])

    assert "16 to 1024 pixels are possible" in capsys.readouterr().err


def test_near_blank_slices_are_marked(tmp_path: Path) -> None:
    data = write_originals(tmp_path / "data", patients=1, slices=2)
    (data.root / "p000_000.dcm").write_bytes(ct_file(np.full((64, 64), -1000, np.int16)))

    cache_writer.write_cache(data, tmp_path / "cache", size=32)

    cached = open_cache(tmp_path / "cache")
    assert dict(zip(cached.frame["name"], cached.frame["blank"], strict=True)) == {
        "p000_000.dcm": True,
        "p000_001.dcm": False,
    }
