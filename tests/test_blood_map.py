"""A network may tell where blood lies: learnt, kept in checkpoints, taken along, and exported."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from blood_map_factory import mapping_network, write_mapping_artefact
from model import train
from model.architecture.blood_map import BloodMap
from model.artifact import BLOOD_MAP
from model.errors import TrainingError
from model.exporting.torchscript import network_bytes, script
from model.network import HemorrhageNetwork, NetworkSpec, build_network
from model.predictor import load_predictor
from model.training import data as training_data
from model.training.checkpoint import load_checkpoint
from model.training.recipe import recipe_of
from model.training.trained import averaged_network

SMALL = ["--architecture=test_resnet", "--size=64", "--batch-size=4", "--device=cpu"]
STILL = ["--learning-rate=1e-12", "--epochs=1", "--slices-per-epoch=4"]
"""So slow that one step leaves the weights where they were."""


def some_slices(count: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(size)
    return torch.randint(-200, 300, (count, size, size), generator=generator).to(torch.int16)


@pytest.fixture(scope="module")
def folder(simulated_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that learnt a map, one at once and one in parts, and one that learnt none."""
    folder = tmp_path_factory.mktemp("runs")
    command = [f"--cache={simulated_cache}", *SMALL, "--epochs=1", "--slices-per-epoch=16"]
    simulated = ["--simulate=0.5", "--map-weight=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_data, "_ESTIMATE_DRAWS", 20)
        train.main([*command, *simulated, f"--run={folder / 'whole'}"])
        train.main([*command, *simulated, f"--run={folder / 'parts'}", "--minutes=0"])
        train.main([*command, *simulated, f"--run={folder / 'parts'}"])
        train.main([*command, f"--run={folder / 'none'}"])
    return folder


@pytest.mark.parametrize(("size", "side"), [(64, 8), (100, 13)])
def test_the_map_is_an_eighth_of_the_input_and_changes_nothing_else(size: int, side: int) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSpec("tf_efficientnet_lite0", size, blood_map=True)).eval()
    plain = build_network(NetworkSpec("tf_efficientnet_lite0", size)).eval()
    plain.load_state_dict(network.state_dict(), strict=False)

    with torch.inference_mode():
        logits, heat = network(some_slices(2, size), torch.zeros(2))
        same, activation = plain(some_slices(2, size), torch.zeros(2))

    assert heat.shape == (2, 6, side, side)
    assert activation.shape == (2, 6, -(-size // 32), -(-size // 32))
    torch.testing.assert_close(logits, same)


def test_a_network_without_maps_of_these_sizes_is_refused() -> None:
    with pytest.raises(TrainingError, match="leave out --map-weight"):
        build_network(NetworkSpec("test_vit", 64, blood_map=True))


@pytest.mark.parametrize("architecture", ["test_resnet", "tf_efficientnet_lite0", "vgg11"])
def test_the_exported_file_gives_the_map_for_any_number_of_slices(architecture: str) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSpec(architecture, 64, blood_map=True)).eval()
    inputs = [some_slices(count, 70) for count in (1, 3)]
    with torch.inference_mode():
        expected = [network(hu, torch.zeros(len(hu))) for hu in inputs]

    content = io.BytesIO(network_bytes(script(network, half=False)))
    artefact = torch.jit.load(content)  # type: ignore[no-untyped-call]

    for hu, (logits, heat) in zip(inputs, expected, strict=True):
        found, found_heat = artefact(hu, torch.zeros(len(hu)))
        torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found_heat, heat, rtol=1e-4, atol=1e-4)


def test_the_predictor_gives_the_map_as_a_probability(tmp_path: Path) -> None:
    slices, network = some_slices(2, 80), mapping_network()
    with torch.inference_mode():
        _, logits = network(slices, torch.zeros(2))

    predictor = load_predictor(write_mapping_artefact(tmp_path), "cpu")
    found = predictor.predict([*slices.numpy()], np.zeros(2, np.float32), lambda _: None)

    assert predictor.card.heat == BLOOD_MAP
    np.testing.assert_allclose(found.heat, logits.sigmoid().numpy(), atol=1e-3)


def test_a_run_that_learns_the_map_can_be_stopped(folder: Path) -> None:
    whole, parts = (load_checkpoint(folder / name / "last.pt") for name in ("whole", "parts"))

    for weights in ("network", "average"):
        learnt = [name for name in whole[weights] if name.startswith("blood_map.")]
        assert learnt
        for name in learnt:
            assert torch.equal(whole[weights][name], parts[weights][name]), name
    assert whole["average"]["blood_map.judge.bias"].std() > 0


def test_a_checkpoint_gives_the_map_back(folder: Path) -> None:
    path = folder / "whole" / "last.pt"

    network = averaged_network(load_checkpoint(path), path)

    assert isinstance(network.blood_map, BloodMap)


@pytest.mark.parametrize(
    ("first", "second"), [("whole", "map"), ("whole", "none"), ("none", "map")]
)
def test_another_run_begins_from_the_map_where_both_have_one(
    folder: Path, simulated_cache: Path, tmp_path: Path, first: str, second: str
) -> None:
    begin = [f"--begin-from={folder / first / 'last.pt'}", f"--run={tmp_path / 'run'}", *STILL]
    learning = ["--map-weight=1"] if second == "map" else []

    train.main([f"--cache={simulated_cache}", *SMALL, *begin, *learning])

    given = load_checkpoint(folder / first / "last.pt")["average"]
    taken = load_checkpoint(tmp_path / "run" / "last.pt")["network"]
    common = [name for name in given.keys() & taken.keys() if name.endswith("weight")]
    assert any(name.startswith("blood_map.") for name in common) == (first != "none" != second)
    assert any(name.startswith("blood_map.") for name in taken) == (second == "map")
    for name in common:
        torch.testing.assert_close(taken[name], given[name], rtol=0, atol=1e-6)


def test_runs_of_a_time_without_maps_are_still_read() -> None:
    recipe = recipe_of({"architecture": "resnet50", "augmentation": {}, "cell_weight": 2.0})

    assert (recipe.architecture, recipe.map_weight) == ("resnet50", 0)
    assert HemorrhageNetwork(NetworkSpec("test_resnet", 32)).blood_map is None
