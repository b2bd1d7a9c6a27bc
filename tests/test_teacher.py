"""A network learns what another one judges, too; which networks can teach it."""

from pathlib import Path

import pytest
import torch

from model import train
from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec
from model.training.checkpoint import load_checkpoint
from model.training.teacher import load_teacher, softened
from run_factory import write_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache and a run that can teach."""
    folder = tmp_path_factory.mktemp("teacher")
    write_runs(folder, "teacher", patients=10)
    return folder


def command(folder: Path, run: Path, *options: str) -> list[str]:
    small = ["--architecture=test_resnet", "--size=32", "--epochs=1", "--slices-per-epoch=16"]
    return [f"--cache={folder / 'cache'}", f"--run={run}", *small, "--device=cpu", *options]


def test_targets_are_mixed_with_the_teachers_probabilities() -> None:
    torch.manual_seed(0)
    teacher = HemorrhageNetwork(NetworkSpec("test_resnet", 32)).eval()
    inputs, targets = torch.randn(3, 3, 32, 32), torch.tensor([[1.0, 0, 0, 1, 0, 0]]).repeat(3, 1)
    probabilities = teacher.classify(inputs).sigmoid()

    mixed = softened(targets, inputs, teacher, 0.25)

    torch.testing.assert_close(mixed, 0.75 * targets + 0.25 * probabilities)
    assert softened(targets, inputs, None, 0.25) is targets


def test_training_listens_to_the_teacher(folder: Path, tmp_path: Path) -> None:
    teacher = f"--teacher={folder / 'teacher' / 'last.pt'}"

    train.main(command(folder, tmp_path / "alone"))
    train.main(command(folder, tmp_path / "deaf", teacher, "--teacher-share=0"))
    train.main(command(folder, tmp_path / "taught", teacher))

    alone, deaf, taught = (
        load_checkpoint(tmp_path / name / "last.pt")["network"]["head.weight"]
        for name in ("alone", "deaf", "taught")
    )
    assert torch.equal(alone, deaf)
    assert not torch.equal(alone, taught)


def test_a_teacher_of_other_inputs_is_refused(folder: Path) -> None:
    with pytest.raises(TrainingError, match="takes 1 slices an input, the network that is to"):
        load_teacher(folder / "teacher" / "last.pt", slices_per_input=3)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"average": {}}, tmp_path / "last.pt")

    with pytest.raises(TrainingError, match="is no checkpoint of this program"):
        load_teacher(tmp_path / "last.pt", 1)
