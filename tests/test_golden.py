"""The weights in service answer as their golden file says, and whoever has them can see that."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from app.config import PROJECT_ROOT
from model import golden
from model.errors import ArtifactError
from model.golden import (
    CPU_TOLERANCE,
    GOLDEN_NAME,
    GPU_TOLERANCE,
    compare_with_golden,
    golden_inputs,
    read_golden,
)
from model.predictor import Predictor, load_predictor

WEIGHTS = PROJECT_ROOT / "model" / "weights"


def edited_golden(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """A folder with the golden answers in service, changed."""
    content = json.loads((WEIGHTS / GOLDEN_NAME).read_text())
    edit(content)
    (folder / GOLDEN_NAME).write_text(json.dumps(content))
    return folder


def test_the_weights_in_service_answer_as_they_did_when_they_were_made(
    predictor: Predictor,
) -> None:
    assert compare_with_golden(predictor, WEIGHTS).value <= CPU_TOLERANCE


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU for torch")
def test_on_a_gpu_they_answer_nearly_so() -> None:
    on_gpu = load_predictor(WEIGHTS, "cuda")

    assert compare_with_golden(on_gpu, WEIGHTS).value <= GPU_TOLERANCE


def test_no_two_inputs_are_alike() -> None:
    inputs = golden_inputs()

    assert [len(hu) for hu in inputs.values()] == [5, 5, 5, 1, 1, 1]
    assert len({one.tobytes() for slices in inputs.values() for one in slices}) == 18


def test_an_installation_that_answers_otherwise_is_told_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder, ignore=shutil.ignore_patterns(GOLDEN_NAME))
    golden.main([f"--model={folder}", "--write"])
    assert f"written: {folder / GOLDEN_NAME}" in capsys.readouterr().out
    content = json.loads((folder / GOLDEN_NAME).read_text())
    content["probabilities"]["head without bleeding"][2][5] += 0.002
    (folder / GOLDEN_NAME).write_text(json.dumps(content))

    told = r"off by 2\.0e-03 in probability \(head without bleeding, slice 3, subdural\) on cpu"
    with pytest.raises(ArtifactError, match=told):
        golden.main([f"--model={folder}"])


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda content: content.pop("probabilities"), "cannot be read"),
        (lambda content: content["probabilities"].update(constant=[[0.5]]), "cannot be read"),
        (
            lambda content: content.update(sha256="f" * 64),
            "is of weights with SHA-256 ffffffffffff",
        ),
    ],
)
def test_golden_answers_that_cannot_be_used_are_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], problem: str
) -> None:
    sha256 = json.loads((WEIGHTS / GOLDEN_NAME).read_text())["sha256"]

    with pytest.raises(ArtifactError, match=f"{problem}.*write it with"):
        read_golden(edited_golden(tmp_path, edit), sha256)


def test_answers_to_other_inputs_are_refused(predictor: Predictor, tmp_path: Path) -> None:
    folder = edited_golden(tmp_path, lambda content: content["probabilities"].pop("constant"))

    with pytest.raises(ArtifactError, match="answers other inputs than this version"):
        compare_with_golden(predictor, folder)
