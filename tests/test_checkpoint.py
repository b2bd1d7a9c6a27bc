"""A checkpoint is whole or not there, and a run never goes on from another one's."""

from pathlib import Path

import pytest
import torch

from model.errors import TrainingError
from model.training.checkpoint import load_checkpoint, require_same, save_checkpoint


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    content = {"weights": torch.arange(5.0), "epoch": 3, "parts": {"train": ["a:1"]}}

    save_checkpoint(tmp_path / "last.pt", content)

    loaded = load_checkpoint(tmp_path / "last.pt")
    assert torch.equal(loaded.pop("weights"), torch.arange(5.0))
    assert loaded == {"epoch": 3, "parts": {"train": ["a:1"]}}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_on_a_full_disk_the_old_checkpoint_stays(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})
    # Every write to this device fails as on a full disk.
    (tmp_path / "last.pt.part").symlink_to("/dev/full")

    with pytest.raises(TrainingError, match=r"last\.pt cannot be written: .*No space left.* kept"):
        save_checkpoint(path, {"epoch": 2, "weights": torch.zeros(1_000_000)})

    assert load_checkpoint(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no checkpoint .*best\.pt"):
        load_checkpoint(tmp_path / "best.pt")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"weights": torch.zeros(1000)})
    content = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(content[: len(content) // 2])

    with pytest.raises(TrainingError, match=r"The checkpoint .*last\.pt cannot be read"):
        load_checkpoint(tmp_path / "last.pt")


def test_what_differs_from_the_run_before_is_named() -> None:
    before = {"recipe": {"size": 64, "seed": 1}, "rotation": 0, "network": {}}
    now = {"recipe": {"size": 32, "seed": 1}, "rotation": 1}

    with pytest.raises(
        TrainingError,
        match=r"last\.pt belongs to another run \(recipe\.size is 64 there, 32 here; rotation is 0",
    ):
        require_same(now, before, Path("last.pt"))


def test_other_patients_are_told_without_a_list_of_them() -> None:
    before = {"parts": {"train": [f"a:{number}" for number in range(1000)]}}

    with pytest.raises(TrainingError, match=r"another run \(parts\.train differs\)"):
        require_same({"parts": {"train": ["a:0"]}}, before, Path("last.pt"))
