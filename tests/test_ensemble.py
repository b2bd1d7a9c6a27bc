"""Runs put together as one: it says the mean of what they say, and is a run as any other."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model import calibrate, ensemble, evaluate, export
from model.artifact import load_card
from model.ensemble import beside, ensemble_of, parts_together, put_together
from model.errors import TrainingError
from model.exporting.torchscript import network_bytes, script
from model.network import HemorrhageNetwork, NetworkSpec, build_network
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.trained import load_trained
from run_factory import write_runs

SPEC = NetworkSpec("test_resnet", 64)


def random_networks(spec: NetworkSpec) -> list[HemorrhageNetwork]:
    networks = []
    for seed in range(3):
        torch.manual_seed(seed)
        networks.append(HemorrhageNetwork(spec).eval())
    return networks


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, blood_map=True, slices_per_input=3)])
def test_an_ensemble_says_the_mean_of_its_members(spec: NetworkSpec) -> None:
    networks = random_networks(spec)
    generator = torch.Generator().manual_seed(1)
    hu = torch.randint(-100, 100, (4, 70, 60), generator=generator).to(torch.int16)
    z_mm = torch.arange(4) * 5.0
    whole = ensemble_of(networks)

    with torch.inference_mode():
        of_members = [network(hu, z_mm) for network in networks]
        logits, heat = whole(hu, z_mm)
        artefact = torch.jit.load(  # type: ignore[no-untyped-call]
            io.BytesIO(network_bytes(script(whole, half=False)))
        )
        scripted, _ = artefact(hu, z_mm)

    for found, parts in zip((logits, heat), zip(*of_members, strict=True), strict=True):
        assert torch.allclose(found, torch.stack(parts).mean(dim=0), atol=1e-5)
    assert torch.allclose(scripted, logits, atol=1e-4)
    assert not torch.allclose(logits, of_members[0][0], atol=1e-2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_runs(tmp_path_factory.mktemp("runs"), "first", "second")


def test_what_is_put_together_is_measured_and_exported_as_any_run(
    runs: list[Path], tmp_path: Path
) -> None:
    run, weights = tmp_path / "both", tmp_path / "weights"

    ensemble.main(["--runs", *map(str, runs), f"--to={run}"])
    calibrate.main([f"--run={run}", "--device=cpu"])
    evaluate.main([f"--run={run}", "--draws=10", "--device=cpu"])
    export.main([f"--run={run}", f"--to={weights}", "--version=1.0.0"])

    heads = [load_trained(one).network.head for one in runs]
    whole = load_trained(run)
    assert torch.allclose(whole.network.head.bias, (heads[0].bias + heads[1].bias) / 2, atol=1e-6)
    assert whole.content["seconds"] > load_trained(runs[0]).content["seconds"]
    card = load_card(weights / "falx.json")
    assert card.members == 2
    recipe = card.training.recipe
    assert (recipe["members"], recipe["seed"]) == (2, "0 and 1")


def test_who_taught_a_member_is_not_tested() -> None:
    first = {"parts": {"train": ["a", "b"], "calibrate": ["c"], "test": ["d", "e"]}}
    second = {"parts": {"train": ["c", "e"], "calibrate": ["d"], "test": ["a"]}}

    assert parts_together([first, second]) == {
        "train": ["a", "b", "c", "e"],
        "calibrate": [],
        "test": ["d"],
    }


def test_a_rotation_stands_beside_those_that_left_its_test_patients_out() -> None:
    def content(train: str, test: str) -> dict[str, Any]:
        return {"parts": {"train": [*train], "test": [*test]}}

    contents = {
        Path("0"): content("cd", "a"),
        Path("1"): content("ad", "b"),
        Path("2"): content("db", "c"),
    }

    assert beside(Path("0"), contents) == [Path("0"), Path("2")]
    assert beside(Path("1"), contents) == [Path("1"), Path("0")]
    with pytest.raises(TrainingError, match="Every other run learnt from test patients of 1"):
        beside(Path("1"), {Path("1"): contents[Path("1")], Path("2"): contents[Path("2")]})


def changed(run: Path, to: Path, name: str, part: str, value: Any) -> Path:
    content = load_checkpoint(run / "last.pt")
    content[name] = {**content[name], part: value}
    to.mkdir()
    save_checkpoint(to / "last.pt", content)
    return to


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("recipe", "learning_rate", 0.5), "learning_rate"),
        (("spec", "pooling", "gem"), "spec"),
        (("parts", "test", ["set:other"]), "data"),
    ],
)
def test_runs_that_differ_are_not_put_together(
    runs: list[Path], tmp_path: Path, change: tuple[str, str, Any], named: str
) -> None:
    other = changed(runs[1], tmp_path / "other", *change)

    with pytest.raises(TrainingError, match=rf"more than patients and seed \({named}\)"):
        put_together([runs[0], other], tmp_path / "both")

    assert not (tmp_path / "both").exists()


def test_one_run_or_an_ensemble_is_no_member(runs: list[Path], tmp_path: Path) -> None:
    put_together(runs, tmp_path / "both")

    with pytest.raises(TrainingError, match="1 run is nothing to put together"):
        put_together(runs[:1], tmp_path / "one")
    with pytest.raises(TrainingError, match="is several networks already"):
        put_together([tmp_path / "both"] * 2, tmp_path / "four")


def test_what_its_members_have_become_is_known(runs: list[Path], tmp_path: Path) -> None:
    other = changed(runs[1], tmp_path / "other", "recipe", "seed", 7)
    both = tmp_path / "both"
    put_together([runs[0], other], both)

    assert ensemble.is_of_its_members(both)
    save_checkpoint(other / "last.pt", load_checkpoint(runs[1] / "last.pt"))
    assert not ensemble.is_of_its_members(both)
    (other / "last.pt").unlink()
    assert not ensemble.is_of_its_members(both)
    assert not ensemble.is_of_its_members(runs[0])
    assert not ensemble.is_of_its_members(tmp_path / "none")


def test_an_ensemble_is_not_trained() -> None:
    with pytest.raises(TrainingError, match="train each, then put them together"):
        build_network(replace(SPEC, members=2))
