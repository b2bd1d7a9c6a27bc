"""From a run to its calibration and its evaluation, by the commands alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from model import calibrate, evaluate
from model.data.cached import open_cache
from model.errors import TrainingError
from model.evaluate import count_parts
from model.labels import LABELS
from run_factory import write_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two calibrated runs on one split; the first is evaluated against the second, twice."""
    both = write_runs(tmp_path_factory.mktemp("runs"), "x", "y", patients=50)
    for run in both:
        calibrate.main(["--run", str(run), "--device", "cpu"])
    for _ in range(2):
        evaluate.main(
            ["--run", str(both[0]), "--compare", str(both[1]), "--draws", "50", "--device", "cpu"]
        )
    return both


@pytest.fixture
def copied(runs: list[Path], tmp_path: Path) -> Path:
    """The first run, to be changed."""
    return Path(shutil.copytree(runs[0], tmp_path / "x"))


def content_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_a_calibration_names_the_weights_that_it_is_of(runs: list[Path]) -> None:
    content = content_of(runs[0] / "calibration.json")

    assert content["input_size"] == 32
    checkpoint = torch.load(runs[0] / "last.pt", weights_only=True)
    assert content["checkpoint"] == "last"
    assert (content["epoch"], content["step"]) == (checkpoint["epoch"], checkpoint["step"])
    assert set(content["temperature"]) == set(content["thresholds"]) == set(LABELS)
    assert content["weights"] != content_of(runs[1] / "calibration.json")["weights"]
    assert content["counts"]["patients"] == 5


def test_an_evaluation_has_what_a_card_needs_and_counts_its_uses(runs: list[Path]) -> None:
    content = content_of(runs[0] / "evaluation.json")

    assert set(content["metrics"]["per_slice"]) == set(content["thresholds"]) == set(LABELS)
    assert set(content["parts"]) == {"train", "tune", "calibrate", "test"}
    assert content["parts"]["test"]["patients"] == 10
    assert content["weights"] == content_of(runs[0] / "calibration.json")["weights"]
    assert [one["weights"] for one in content["evaluations"]] == [content["weights"]] * 2
    assert content["compared"][0]["run"] == "y"
    assert not list(runs[0].glob("*.part"))


def test_the_report_stands_beside_the_figures(runs: list[Path]) -> None:
    html = (runs[0] / "evaluation.html").read_text()

    assert "Evaluation of x" in html
    assert "y less x" in html
    assert "have been used 2 times" in html


def test_without_a_calibration_there_is_nothing_to_evaluate(copied: Path) -> None:
    (copied / "calibration.json").unlink()

    with pytest.raises(TrainingError, match=r"run `python -m model\.calibrate"):
        evaluate.main(["--run", str(copied)])


def test_a_calibration_that_lacks_a_field_is_refused(copied: Path) -> None:
    content = content_of(copied / "calibration.json")
    del content["thresholds"]
    (copied / "calibration.json").write_text(json.dumps(content))

    with pytest.raises(TrainingError, match=r"calibration\.json lacks thresholds: calibrate again"):
        evaluate.main(["--run", str(copied)])


def test_a_calibration_of_other_weights_is_refused(copied: Path) -> None:
    content = torch.load(copied / "last.pt", weights_only=True)
    content["average"]["head.bias"] += 1
    torch.save(content, copied / "last.pt")

    with pytest.raises(TrainingError, match=r"the weights .* have changed since"):
        evaluate.main(["--run", str(copied)])


def test_parts_are_counted_by_patients_and_slices(runs: list[Path]) -> None:
    cached = open_cache(runs[0].parent / "cache")

    counts = count_parts([cached], {"test": ["simulated:p000", "simulated:p001"]})["test"]

    assert (counts["patients"], counts["slices"]) == (2, 8)
    assert counts["patients_with"] == dict.fromkeys(LABELS, 0) | {"any": 1, "epidural": 1}
    assert counts["slices_with"] == dict.fromkeys(LABELS, 0) | {"any": 2, "epidural": 2}


def test_one_resample_is_no_bootstrap() -> None:
    with pytest.raises(TrainingError, match="--draws must be 2 or more"):
        evaluate.main(["--run", "runs/x", "--draws", "1"])
