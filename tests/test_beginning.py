"""A run begins with the weights of another one, at another size or with other data."""

from pathlib import Path

import pytest
import torch

from model import train
from model.errors import TrainingError
from model.training.checkpoint import load_checkpoint
from run_factory import write_runs

# So slow that one step leaves the weights where they were.
STILL = ("--learning-rate=1e-12", "--epochs=1", "--slices-per-epoch=8", "--batch-size=8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache and a run to begin from."""
    folder = tmp_path_factory.mktemp("beginning")
    write_runs(folder, "first", patients=10)
    return folder


def command(folder: Path, run: Path, *options: str) -> list[str]:
    begin = f"--begin-from={folder / 'first' / 'last.pt'}"
    usual = ["--architecture=test_resnet", "--size=64", "--device=cpu"]
    return [f"--cache={folder / 'cache'}", f"--run={run}", *usual, begin, *STILL, *options]


def test_head_and_encoder_go_on_at_another_size(folder: Path, tmp_path: Path) -> None:
    train.main(command(folder, tmp_path / "second"))

    first = load_checkpoint(folder / "first" / "last.pt")["average"]
    second = load_checkpoint(tmp_path / "second" / "last.pt")["network"]
    learnt = [name for name in first if "running" not in name and "num_batches" not in name]
    assert {"head.weight", "head.bias"} < set(learnt)
    for name in learnt:
        torch.testing.assert_close(second[name], first[name], rtol=0, atol=1e-6)


def test_the_bias_takes_on_the_prevalence_of_the_new_draws(folder: Path, tmp_path: Path) -> None:
    more = ("--sampling=over", "--positive-share=0.9")
    train.main(command(folder, tmp_path / "second", *more))

    first = load_checkpoint(folder / "first" / "last.pt")
    second = load_checkpoint(tmp_path / "second" / "last.pt")
    true_odds = [
        content[weights]["head.bias"] + torch.tensor(content["prior_shift"])
        for content, weights in ((first, "average"), (second, "network"))
    ]
    assert first["prior_shift"] != second["prior_shift"]
    torch.testing.assert_close(*true_odds, rtol=0, atol=1e-5)


def test_a_run_that_goes_on_needs_the_first_no_longer(folder: Path, tmp_path: Path) -> None:
    lent = tmp_path / "lent.pt"
    lent.write_bytes((folder / "first" / "last.pt").read_bytes())
    again = command(folder, tmp_path / "second", f"--begin-from={lent}")
    train.main(again)
    lent.unlink()

    train.main(again)

    assert load_checkpoint(tmp_path / "second" / "last.pt")["epoch"] == 1


def test_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="which does not fit test_vit at 64:"):
        train.main(command(folder, tmp_path / "second", "--architecture=test_vit"))


def test_two_beginnings_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not both"):
        train.main(command(folder, tmp_path / "second", "--pretrained=hub"))
