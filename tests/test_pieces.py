"""Files travel in pieces; of a checkpoint, what exporting needs is an eighth."""

import shutil
from pathlib import Path

import pytest
import torch

from model import pieces, train
from model.errors import TrainingError
from model.exporting.torchscript import script
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.compact import compact
from model.training.trained import load_trained
from run_factory import write_runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_runs(tmp_path_factory.mktemp("runs"), "run")[0]


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A folder with a file of 25 bytes in three pieces."""
    (tmp_path / "file.bin").write_bytes(bytes(range(25)))
    assert pieces.split(tmp_path / "file.bin", tmp_path / "cut", piece_bytes=10) == 3
    return tmp_path / "cut"


# ---------------------------------------------------------------------------------------- pieces


def test_pieces_make_the_file_again(cut: Path, tmp_path: Path) -> None:
    pieces.join(cut, tmp_path / "back" / "file.bin")

    assert (tmp_path / "back" / "file.bin").read_bytes() == bytes(range(25))
    assert sorted(path.name for path in cut.iterdir()) == [
        "file.bin.000", "file.bin.001", "file.bin.002", "pieces.json"
    ]  # fmt: skip
    assert [(cut / f"file.bin.{n:03d}").stat().st_size for n in range(3)] == [10, 10, 5]


def test_missing_and_damaged_pieces_are_named_and_nothing_is_written(
    cut: Path, tmp_path: Path
) -> None:
    (cut / "file.bin.000").unlink()
    (cut / "file.bin.002").write_bytes(b"short")

    with pytest.raises(
        TrainingError,
        match=r"not hold all of file\.bin: missing file\.bin\.000; damaged file\.bin\.002; copy",
    ):
        pieces.join(cut, tmp_path / "back.bin")

    assert not list(tmp_path.glob("back.bin*"))


def test_pieces_of_a_longer_file_do_not_stay(cut: Path, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(bytes(12))

    pieces.split(tmp_path / "file.bin", cut, piece_bytes=10)

    assert not (cut / "file.bin.002").exists()
    pieces.join(cut, tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == bytes(12)


@pytest.mark.parametrize("content", ["{", "[]", '{"pieces": [{"name": "x"}]}'])
def test_a_manifest_that_says_nothing_is_told(cut: Path, tmp_path: Path, content: str) -> None:
    (cut / "pieces.json").write_text(content)

    with pytest.raises(TrainingError, match=r"cut/pieces\.json cannot be read \("):
        pieces.join(cut, tmp_path / "back.bin")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no file .*/none\.pt to cut"):
        pieces.split(tmp_path / "none.pt", tmp_path)


# --------------------------------------------------------------------------------------- compact


def test_a_compact_checkpoint_is_exported_to_the_same_network(run: Path, tmp_path: Path) -> None:
    carried = tmp_path / "carried"
    pieces.main([f"--split={run / 'last.pt'}", f"--to={tmp_path / 'cut'}", "--compact"])
    pieces.main([f"--join={tmp_path / 'cut'}", f"--to={carried / 'last.pt'}"])

    whole, part = (
        script(load_trained(folder).network, half=True).state_dict() for folder in (run, carried)
    )
    assert whole.keys() == part.keys()
    for name, value in whole.items():
        assert torch.equal(value, part[name]), name
    assert (carried / "last.pt").stat().st_size < (run / "last.pt").stat().st_size / 6
    assert not (tmp_path / "cut" / "last.pt").exists()


def test_a_run_goes_on_from_a_compact_checkpoint(run: Path, tmp_path: Path) -> None:
    stopped = tmp_path / "run"
    options = [f"--cache={run.parent / 'cache'}", f"--run={stopped}", "--architecture=test_resnet"]
    options += ["--size=32", "--epochs=1", "--slices-per-epoch=16", "--batch-size=8"]
    train.main([*options, "--device=cpu", "--minutes=0"])
    before = load_checkpoint(stopped / "last.pt")
    save_checkpoint(stopped / "last.pt", compact(before))

    train.main([*options, "--device=cpu"])

    after = load_checkpoint(stopped / "last.pt")
    assert (before["epoch"], before["step"]) == (0, 1)
    assert (after["epoch"], after["step"]) == (1, 0)
    assert all(value.dtype != torch.float16 for value in after["network"].values())


def test_weights_too_large_for_half_precision_are_named(run: Path, tmp_path: Path) -> None:
    content = load_checkpoint(run / "last.pt")
    content["average"]["head.weight"] *= 1e9

    with pytest.raises(TrainingError, match=r"head\.weight holds weights up to .*more than half"):
        compact(content)


def test_what_is_no_checkpoint_is_not_compacted(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "last.pt", tmp_path / "other.pt")
    save_checkpoint(tmp_path / "other.pt", {"weights": torch.zeros(2)})

    with pytest.raises(TrainingError, match="no checkpoint of a run: KeyError"):
        pieces.main([f"--split={tmp_path / 'other.pt'}", f"--to={tmp_path / 'cut'}", "--compact"])
