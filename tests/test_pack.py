"""A cache carried in one file is an ordinary cache again, fine where blood and brain differ."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cache_factory import write_cache
from model import cache as cache_command
from model import pack
from model.data.cached import CachedSet, open_cache, read_left_out
from model.data.companding import LEVELS, SPANS, compand
from model.data.folds import read_or_make_folds
from model.data.packed import unpack, write_pack
from model.errors import TrainingError

EVERY_HU = np.arange(-(2**15), 2**15).astype(np.int16)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    folder = write_cache(tmp_path_factory.mktemp("original"))
    cached = open_cache(folder)
    read_or_make_folds(folder / "folds.csv", [cached.frame], None)
    return cached


@pytest.fixture(scope="module")
def packed(original: CachedSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("packed") / "cache.pack"
    write_pack(original.folder, file)
    return file


def spoil(packed: Path, folder: Path, at: int) -> Path:
    """A copy of which one byte, counted from the end where negative, is another."""
    content = bytearray(packed.read_bytes())
    content[at] ^= 0xFF
    (folder / "spoilt.pack").write_bytes(content)
    return folder / "spoilt.pack"


# -------------------------------------------------------------------------------------- rounding


def test_every_value_between_the_ends_is_kept_within_half_a_step() -> None:
    error = np.abs(EVERY_HU.astype(int) - LEVELS[compand(EVERY_HU)])

    for low, high, step in SPANS:
        assert error[(low <= EVERY_HU) & (high >= EVERY_HU)].max() <= step // 2


def test_brain_and_blood_are_kept_exactly() -> None:
    brain = np.arange(-20, 101, dtype=np.int16)

    assert np.array_equal(LEVELS[compand(brain)], brain)


def test_what_lies_beyond_the_levels_is_their_end() -> None:
    assert LEVELS[compand(np.array([-2000, -1025, 3073, 30000], np.int16))].tolist() == [
        -1024, -1024, 3072, 3072
    ]  # fmt: skip


def test_rounding_twice_is_rounding_once() -> None:
    assert np.array_equal(compand(LEVELS[compand(EVERY_HU)]), compand(EVERY_HU))


# -------------------------------------------------------------------------------- there and back


def test_an_unpacked_cache_holds_the_same_slices_rounded(
    original: CachedSet, packed: Path, tmp_path: Path
) -> None:
    unpack(packed, tmp_path / "cache")

    back = open_cache(tmp_path / "cache")
    assert np.array_equal(back.hu, LEVELS[compand(original.hu)])
    same = [column for column in original.frame if column != "crc32"]
    assert back.frame[same].equals(original.frame[same])
    assert back.data_set == original.data_set
    assert read_left_out(back.folder).equals(read_left_out(original.folder))
    folds = "folds.csv"
    assert (back.folder / folds).read_bytes() == (original.folder / folds).read_bytes()


def test_its_checksums_are_of_what_it_holds(packed: Path, tmp_path: Path) -> None:
    unpack(packed, tmp_path / "cache")

    assert "All 40 slices" in cache_command.check(open_cache(tmp_path / "cache"))


def test_its_facts_say_what_was_rounded(packed: Path, tmp_path: Path) -> None:
    unpack(packed, tmp_path / "cache")
    write_pack(tmp_path / "cache", tmp_path / "again.pack")
    unpack(tmp_path / "again.pack", tmp_path / "again")

    for name in ("cache", "again"):
        said = open_cache(tmp_path / name).facts.hounsfield_units
        assert said.count("-20 to 100 HU exactly") == 1


def test_the_same_cache_makes_the_same_file(
    original: CachedSet, packed: Path, tmp_path: Path
) -> None:
    worst = write_pack(original.folder, tmp_path / "again.pack")

    assert (tmp_path / "again.pack").read_bytes() == packed.read_bytes()
    assert worst == np.abs(original.hu.astype(int) - LEVELS[compand(original.hu)]).max()


def test_the_command_packs_unpacks_and_leaves_alone_what_is_there(
    original: CachedSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "cache.pack", tmp_path / "cache"
    pack.main([f"--cache={original.folder}", f"--to={file}"])
    pack.main([f"--unpack={file}", f"--to={folder}"])
    before = (folder / "hu.npy").stat().st_mtime_ns
    pack.main([f"--unpack={file}", f"--to={folder}"])

    assert (folder / "hu.npy").stat().st_mtime_ns == before
    shown = capsys.readouterr().out
    assert "-20 to 100 HU exactly" in shown
    assert "40 slices of 32 pixels" in shown


def test_what_was_interrupted_is_unpacked_anew(packed: Path, tmp_path: Path) -> None:
    unpack(packed, tmp_path / "cache")
    (tmp_path / "cache" / "slices.parquet").unlink()
    (tmp_path / "cache" / "hu.npy").write_bytes(b"half")

    unpack(packed, tmp_path / "cache")

    assert len(open_cache(tmp_path / "cache").frame) == 40


# --------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("at", [200, -30, -6], ids=["a picture", "a name", "the directory"])
def test_a_damaged_file_makes_no_cache(packed: Path, tmp_path: Path, at: int) -> None:
    spoilt = spoil(packed, tmp_path, at)

    with pytest.raises(TrainingError, match=r"spoilt\.pack is no pack, or damaged"):
        unpack(spoilt, tmp_path / "cache")

    assert not (tmp_path / "cache" / "slices.parquet").exists()


def test_a_slice_that_was_swapped_is_noticed(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as there, zipfile.ZipFile(tmp_path / "x.pack", "w") as swapped:
        for name in there.namelist():
            other = "pixels/000001.j2k" if name == "pixels/000000.j2k" else name
            swapped.writestr(name, there.read(other))

    with pytest.raises(TrainingError, match=r"x\.pack .*slice 0 is not what was packed"):
        unpack(tmp_path / "x.pack", tmp_path / "cache")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no file .*/none\.pack"):
        unpack(tmp_path / "none.pack", tmp_path / "cache")


def test_a_folder_with_another_cache_is_left_alone(
    original: CachedSet, packed: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(original.folder, tmp_path / "other"))

    with pytest.raises(TrainingError, match=r"/other holds another cache than the packed one"):
        unpack(packed, other)


def test_an_unfinished_cache_is_not_packed(original: CachedSet, tmp_path: Path) -> None:
    half = Path(shutil.copytree(original.folder, tmp_path / "half"))
    (half / "slices.parquet").unlink()

    with pytest.raises(TrainingError, match=r"/half is not complete"):
        write_pack(half, tmp_path / "half.pack")

    assert not list(tmp_path.glob("half.pack*"))
