"""Several processes do together what one does alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cache_factory import write_cache
from model import train
from model.errors import DeviceError
from model.training.checkpoint import load_checkpoint
from model.training.distributed import Processes, joined_processes
from model.training.log import read_log
from run_factory import run_two


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("cache"), patients=20, slices=4)


def command(cache: Path, run: Path, *options: str) -> list[str]:
    small = ["--architecture=test_resnet", "--size=32", "--batch-size=4", "--epochs=2"]
    return [f"--cache={cache}", f"--run={run}", *small, "--device=cpu", *options]


def checkpoint(run: Path) -> dict[str, Any]:
    return load_checkpoint(run / "last.pt")


@pytest.fixture(scope="module")
def two(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run by two processes."""
    run = tmp_path_factory.mktemp("two")
    finished = run_two(command(cache, run))
    assert finished.returncode == 0, finished.stderr
    return run


def test_two_processes_learn_what_one_learns_in_two_batches_a_step(
    cache: Path, two: Path, tmp_path: Path
) -> None:
    train.main(command(cache, tmp_path, "--accumulate=2"))

    alone, together = read_log(tmp_path), read_log(two)
    assert [row["train_loss"] for row in together] == pytest.approx(
        [row["train_loss"] for row in alone], rel=1e-4
    )
    weights, others = checkpoint(tmp_path)["network"], checkpoint(two)["network"]
    for name, value in weights.items():
        # Adam makes much of a small gradient's last bit; statistics are of half the slices.
        if "running" not in name and "num_batches" not in name:
            assert (value - others[name]).abs().mean() < 1e-4, name
    assert checkpoint(two)["processes"] == 2


def test_two_processes_go_on_where_they_stopped(cache: Path, two: Path, tmp_path: Path) -> None:
    for options in (["--minutes=0"], []):
        finished = run_two(command(cache, tmp_path, *options))
        assert finished.returncode == 0, finished.stderr

    for name, value in checkpoint(tmp_path)["average"].items():
        assert torch.equal(value, checkpoint(two)["average"][name]), name


def test_alone_a_process_is_all_there_is() -> None:
    with joined_processes("cpu") as processes:
        assert processes == Processes(torch.device("cpu"), rank=0, world=1)
        assert processes.writes
        assert processes.mean(torch.tensor(3.0)) == 3
        assert processes.gather("a") == ["a"]
        assert processes.agreed(answer=True)


def test_a_device_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(DeviceError, match="The device tpu is not there"),
        joined_processes("tpu"),
    ):
        pass
