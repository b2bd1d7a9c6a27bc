"""The exported file is the network, and no card is written without metrics and provenance."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from app.config import PROJECT_ROOT
from model import export
from model.artifact import load_card, load_network
from model.errors import TrainingError
from model.labels import LABELS
from model.network import HemorrhageNetwork

CARD: dict[str, Any] = json.loads((PROJECT_ROOT / "model/weights/falx.json").read_text())


@pytest.fixture(scope="module")
def network() -> HemorrhageNetwork:
    torch.manual_seed(0)
    return HemorrhageNetwork(64).eval()


@pytest.fixture
def run_folder(tmp_path: Path, network: HemorrhageNetwork) -> Path:
    """A finished run: checkpoint, log, calibration and evaluation."""
    content = {
        "average": network.state_dict(),
        "prior_shift": [0.0] * 6,
        "epoch": 3,
        "recipe": {"seed": 0},
    }
    torch.save(content, tmp_path / "last.pt")
    (tmp_path / "log.csv").write_text("epoch,seconds\n1,60\n2,45\n")
    calibration = {
        "input_size": 64,
        "temperature": dict.fromkeys(LABELS, 1.0),
        "thresholds": {label: {"screen": 0.1, "alert": 0.5} for label in LABELS},
        "epoch": 3,
    }
    (tmp_path / "calibration.json").write_text(json.dumps(calibration))
    parts = {name: dict(part) for name, part in CARD["training"]["parts"].items()}
    for part in parts.values():
        del part["used_for"]
    evaluation = {"metrics": CARD["metrics"], "thresholds": CARD["thresholds"], "parts": parts}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    return tmp_path


def slices(count: int, rows: int, columns: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows)
    return torch.randint(-1000, 1000, (count, rows, columns), generator=generator).to(torch.int16)


def test_the_script_is_the_network_for_every_number_and_shape_of_slices(
    network: HemorrhageNetwork,
) -> None:
    inputs = [slices(1, 64, 64), slices(3, 96, 96), slices(2, 80, 50)]
    with torch.inference_mode():
        expected = [network(hu, torch.zeros(len(hu))) for hu in inputs]

    buffer = io.BytesIO(export.network_bytes(export.script(copy_of(network))))
    scripted = torch.jit.load(buffer).float()  # type: ignore[no-untyped-call]

    for hu, (logits, heat) in zip(inputs, expected, strict=True):
        found_logits, found_heat = scripted(hu, torch.zeros(len(hu)))
        # Weights are rounded to half precision: 11 bits.
        assert torch.allclose(found_logits, logits, atol=0.02)
        assert torch.allclose(found_heat, heat, atol=0.05)


def copy_of(network: HemorrhageNetwork) -> HemorrhageNetwork:
    copy = HemorrhageNetwork(network.preprocess.input_size)
    copy.load_state_dict(network.state_dict())
    return copy.eval()


def test_the_same_module_gives_the_same_bytes(network: HemorrhageNetwork) -> None:
    scripted = export.script(copy_of(network))

    first, second = (export.network_bytes(scripted) for _ in range(2))

    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def test_an_export_is_an_artefact_that_loads(run_folder: Path, tmp_path: Path) -> None:
    export.main([f"--run={run_folder}", f"--to={tmp_path / 'weights'}", "--note=Resumed once."])

    card = load_card(tmp_path / "weights" / "falx.json")
    network = load_network(tmp_path / "weights" / "falx.pt", card, "cpu")
    logits, _ = network(slices(2, 64, 64), torch.zeros(2))
    assert logits.shape == (2, len(LABELS))
    assert card.input_size == 64
    assert card.training.minutes == 1.8
    assert card.training.note == "Resumed once."
    assert card.training.recipe["epochs_done"] == 3
    assert card.training.parts["train"].used_for == "fitting the weights"
    assert not list((tmp_path / "weights").glob("*.part"))


@pytest.mark.parametrize("name", ["calibration.json", "evaluation.json"])
def test_without_a_result_no_card_is_written(run_folder: Path, tmp_path: Path, name: str) -> None:
    (run_folder / name).unlink()

    with pytest.raises(TrainingError, match="a card needs metrics and provenance"):
        export.main([f"--run={run_folder}", f"--to={tmp_path / 'weights'}"])

    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize("field", ["metrics", "parts"])
def test_a_result_without_metrics_or_provenance_writes_no_card(
    run_folder: Path, tmp_path: Path, field: str
) -> None:
    evaluation = json.loads((run_folder / "evaluation.json").read_text())
    (run_folder / "evaluation.json").write_text(json.dumps(evaluation | {field: {}}))

    with pytest.raises(TrainingError, match=rf"evaluation\.json lacks {field}"):
        export.main([f"--run={run_folder}", f"--to={tmp_path / 'weights'}"])


def test_a_calibration_of_another_epoch_is_refused(run_folder: Path, tmp_path: Path) -> None:
    calibration = json.loads((run_folder / "calibration.json").read_text())
    (run_folder / "calibration.json").write_text(json.dumps(calibration | {"epoch": 2}))

    with pytest.raises(TrainingError, match="calibration is of epoch 2, the checkpoint of epoch 3"):
        export.main([f"--run={run_folder}", f"--to={tmp_path / 'weights'}"])


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"log\.csv cannot be read"):
        export.training_minutes(tmp_path / "log.csv")
