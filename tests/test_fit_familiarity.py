"""A calibrated run learns what is familiar to it, and its artefact and pages tell of it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from familiar_factory import noise
from model import calibrate, evaluate, export, fit_familiarity
from model.architecture.familiarity import FAMILIARITY_FILE
from model.data.cached import open_cache
from model.errors import TrainingError
from model.evaluation.predictions import read_patients
from model.evaluation.unfamiliarity import BLEEDING, ELSEWHERE, NOT_BLEEDING
from model.predictor import load_predictor
from model.results import UNFAMILIAR
from run_factory import write_runs


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is trained, calibrated, measured, and knows what is familiar."""
    (run,) = write_runs(tmp_path_factory.mktemp("runs"), "run", patients=40)
    calibrate.main([f"--run={run}", "--device=cpu"])
    evaluate.main([f"--run={run}", "--draws=20", "--device=cpu"])
    others = Path(str(pydicom.data.get_testdata_file("MR_small.dcm", read=False))).parent
    fit_familiarity.main(
        [f"--run={run}", f"--heads={run.parent / 'cache'}", f"--others={others}", "--device=cpu"]
    )
    return run


@pytest.fixture
def run(fitted: Path, tmp_path: Path) -> Path:
    """The same in a folder of its own, to be spoilt."""
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def export_to(folder: Path, run: Path) -> Path:
    export.main([f"--run={run}", f"--to={folder}", "--version=1.2.3"])
    return folder


def test_every_kind_of_example_is_measured(fitted: Path) -> None:
    found = json.loads((fitted / UNFAMILIAR.file).read_text())

    examples = {one["kind"]: one for one in found["examples"]}
    assert {kind for kind, one in examples.items() if one["familiar"]} == {
        BLEEDING,
        NOT_BLEEDING,
        ELSEWHERE,
    }
    assert len(examples) == 14
    assert examples["blank"]["auc"] > 0.9
    assert examples[ELSEWHERE]["series"] == 40
    spoilt = "head, black and white exchanged"
    own = examples[BLEEDING]["series"] + examples[NOT_BLEEDING]["series"]
    assert examples[spoilt]["series"] == own
    assert max(found["calibration"]) < found["warn_from"] < found["refuse_from"]


def test_the_artefact_gives_the_score_that_was_measured(fitted: Path, tmp_path: Path) -> None:
    patients = json.loads((fitted / "run.json").read_text())["parts"]["calibrate"]
    cached = open_cache(fitted.parent / "cache")
    measured = json.loads((fitted / UNFAMILIAR.file).read_text())

    predictor = load_predictor(export_to(tmp_path, fitted), "cpu")

    served = [
        predictor.predict(hu, z_mm, lambda _done: None).unfamiliarity
        for _, hu, z_mm in read_patients([cached], patients)
    ]
    assert sorted(score or 0 for score in served) == pytest.approx(
        measured["calibration"], rel=0.05
    )
    facts = predictor.card.unfamiliar
    assert facts is not None
    assert facts.warn_from == measured["warn_from"]
    assert len(facts.examples) == 14
    far = predictor.predict(noise(1), np.zeros(1, np.float32), lambda _done: None)
    assert (far.unfamiliarity or 0) > facts.warn_from


def test_without_it_an_artefact_is_written_that_knows_no_distance(
    run: Path, tmp_path: Path
) -> None:
    (run / UNFAMILIAR.file).unlink()

    assert load_predictor(export_to(tmp_path, run), "cpu").card.unfamiliar is None


@pytest.mark.parametrize("change", [{"weights": "another"}, {"input_size": 48}])
def test_what_was_fitted_to_another_network_is_not_exported(
    run: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    content = json.loads((run / UNFAMILIAR.file).read_text())
    (run / UNFAMILIAR.file).write_text(json.dumps(content | change))

    with pytest.raises(TrainingError, match=r"run model\.fit_familiarity again"):
        export_to(tmp_path / "weights", run)


def test_a_damaged_file_is_named(run: Path, tmp_path: Path) -> None:
    (run / FAMILIARITY_FILE).write_bytes(b"damaged")

    with pytest.raises(TrainingError, match=r"familiarity\.pt is no familiarity"):
        export_to(tmp_path / "weights", run)


def test_one_patient_is_too_few() -> None:
    with pytest.raises(TrainingError, match="--patients must be 2 or more"):
        fit_familiarity.parse_arguments(["--run=run", "--patients=1"])
