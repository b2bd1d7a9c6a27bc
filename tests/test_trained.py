"""A run's network is loaded averaged, at the true prevalence, with its series head."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from cache_factory import write_cache
from model import train
from model.architecture.series_head import SERIES_HEAD_FILE, SeriesHead
from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.trained import load_trained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that drew hemorrhage more often than it occurs."""
    root = tmp_path_factory.mktemp("trained")
    cache = write_cache(root / "cache", patients=20, slices=4)
    options = ["--architecture=test_resnet", "--size=32", "--batch-size=4", "--device=cpu"]
    options += ["--epochs=1", "--slices-per-epoch=8", "--sampling=over", "--positive-share=0.7"]
    train.main([f"--cache={cache}", f"--run={root / 'run'}", *options])
    return root / "run"


def test_the_averaged_weights_are_corrected_to_the_true_prevalence(run: Path) -> None:
    content = load_checkpoint(run / "last.pt")

    network = load_trained(run).network

    shift = torch.tensor(content["prior_shift"])
    assert shift[0] < -1
    assert torch.allclose(network.head.bias, content["average"]["head.bias"] + shift)
    assert torch.equal(network.head.weight, content["average"]["head.weight"])
    assert not network.training


def test_the_caches_come_with_it(run: Path) -> None:
    (cached,) = load_trained(run, "best").sets

    assert cached.name == "simulated"
    assert len(cached.frame) == 80


def test_another_input_size_may_be_chosen(run: Path) -> None:
    network = load_trained(run, input_size=48).network

    assert network.preprocess.input_size == 48
    assert network(torch.zeros(2, 64, 64, dtype=torch.int16), torch.arange(2.0))[0].shape == (2, 6)


@pytest.mark.parametrize("architecture", ["test_vit", "swin_tiny_patch4_window7_224"])
def test_a_network_of_one_size_alone_says_so(architecture: str, tmp_path: Path) -> None:
    network = HemorrhageNetwork(NetworkSpec(architecture, 160))
    content = {"spec": asdict(network.spec), "average": network.state_dict()}
    save_checkpoint(tmp_path / "last.pt", content)

    with pytest.raises(TrainingError) as refused:
        load_trained(tmp_path, input_size=96)

    assert str(refused.value) == (
        f"{architecture} was trained with inputs of 160 pixels and cannot take 96: some of its "
        "weights go with that size alone. Leave out --sizes, or train another network."
    )


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no checkpoint .*last\.pt"):
        load_trained(tmp_path)


def test_another_programs_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"model": {}})

    with pytest.raises(TrainingError, match=r"last\.pt is no checkpoint of this program: 'spec'"):
        load_trained(tmp_path)


def test_a_damaged_series_head_is_named(run: Path) -> None:
    (run / SERIES_HEAD_FILE).write_bytes(b"damaged")

    with pytest.raises(TrainingError, match=r"series_head\.pt is no series head"):
        load_trained(run)

    assert not isinstance(load_trained(run, series_head=False).network.series_head, SeriesHead)
    (run / SERIES_HEAD_FILE).unlink()
