"""The README's commands alone lead from a raw download to weights in service."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.config import PROJECT_ROOT
from model.artifact import load_card
from model.labels import LABELS
from model.predictor import load_predictor
from rsna_factory import RsnaTree, write_rsna_tree

SMALL = {"SIZE": "32", "NETWORK": "resnet10t", "EPOCHS": "3", "BATCH": "8", "WORKERS": "2"}


def readme_commands() -> str:
    """The shell block that model/README.md marks as the whole way."""
    text = (PROJECT_ROOT / "model" / "README.md").read_text()
    block = re.search(r"```sh commands\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return block[1]


def shell(script: str, **places: Path) -> subprocess.CompletedProcess[str]:
    """Run a script as a user would, with the project's Python first on the path."""
    environment = {
        **os.environ,
        **SMALL,
        **{name.upper(): str(path) for name, path in places.items()},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> RsnaTree:
    return write_rsna_tree(tmp_path_factory.mktemp("download"), patients=30, slices=6)


@pytest.fixture(scope="module")
def work(tree: RsnaTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's commands leave behind."""
    folder = tmp_path_factory.mktemp("work")
    finished = shell(readme_commands(), data=tree.root, work=folder)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]
    return folder


def test_the_weights_are_served_with_a_card_that_names_the_set(work: Path) -> None:
    card = load_card(work / "weights" / "falx.json")
    predictor = load_predictor(work / "weights", "cpu")

    air = [np.full((64, 64), -1024, np.int16)] * 3
    prediction = predictor.predict(air, np.arange(3, dtype=np.float32), lambda _: None)

    assert "RSNA" in card.training.data_sets[0].title
    assert card.architecture.startswith("resnet10t")
    assert np.isfinite(prediction.probabilities).all()


def test_the_files_left_out_are_named(work: Path) -> None:
    with (work / "cache" / "left_out.csv").open() as file:
        left_out = {row["name"]: row["detail"] for row in csv.DictReader(file)}

    assert "ID_6431af929" in left_out


def test_the_reports_stand_alone(work: Path) -> None:
    for report in (work / "explore" / "report.html", work / "run" / "evaluation.html"):
        page = report.read_text()
        assert "Research use only, not for clinical use" in page
        assert not re.search(r"""(src|href)=["']https?:""", page)


def test_the_submission_has_six_probabilities_for_every_test_image(
    tree: RsnaTree, work: Path
) -> None:
    with (work / "submission.csv").open() as file:
        rows = {row["ID"]: float(row["Label"]) for row in csv.DictReader(file)}

    assert set(rows) == {f"{name}_{label}" for name in tree.test_images for label in LABELS}
    assert all(0 <= value <= 1 for value in rows.values())


def test_no_patient_stands_on_two_sides(work: Path) -> None:
    parts = json.loads((work / "run" / "run.json").read_text())["parts"]

    patients = [patient for part in parts.values() for patient in part]

    assert len(patients) == len(set(patients))


@pytest.mark.long
def test_every_command_can_be_given_again(tree: RsnaTree, work: Path) -> None:
    before = (work / "run" / "last.pt").read_bytes()

    finished = shell(readme_commands(), data=tree.root, work=work)

    assert finished.returncode == 0, finished.stderr[-4000:]
    assert (work / "run" / "last.pt").read_bytes() == before
