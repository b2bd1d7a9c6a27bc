"""A run that left nobody out is measured by the rotations of its recipe, in its own name."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from model import export, fit_familiarity, localise, robustness, sensitivity, train
from model.artifact import load_card
from model.cross_validation import __main__ as cross_validation
from model.cross_validation.judges import judges_of
from model.data.simulated_bank import write_bank
from model.errors import TrainingError
from model.evaluate import load_calibrated, read_calibration
from model.evaluation.unfamiliarity import BLEEDING, NOT_BLEEDING
from model.training.trained import load_trained

ROTATIONS = 2
LEFT_OUT = 4
"""Patients: two of ten in each rotation."""
RESULTS = ("robustness.json", "localisation.json", "sensitivity.json", "unfamiliar.json")


@pytest.fixture(scope="module")
def everybody(simulated_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on all patients, calibrated by its recipe's rotations and measured by them."""
    folder = tmp_path_factory.mktemp("runs")
    bank = folder / "bank"
    write_bank(simulated_cache, bank, slices=30, seed=7)
    names = {**{f"rotation-{number}": number for number in range(ROTATIONS)}, "everybody": "none"}
    drawn = [f"--bank={bank}", "--simulate=0.5", "--map-weight=1", "--epochs=1"]
    for name, rotation in names.items():
        where = [f"--cache={simulated_cache}", f"--folds={folder / 'folds.csv'}"]
        small = ["--architecture=test_resnet", "--size=64", "--batch-size=8", "--device=cpu"]
        command = [*where, *small, *drawn, "--slices-per-epoch=16", f"--rotation={rotation}"]
        train.main([*command, f"--run={folder / name}"])
    run = folder / "everybody"
    few = ["--draws=20", "--device=cpu"]
    cross_validation.main([f"--recipe={folder}", f"--give-to={run}", *few])
    measured = [f"--run={run}", f"--rotations={folder}"]
    robustness.main([*measured, *few])
    localise.main([*measured, f"--bank={bank}", *few])
    sensitivity.main([*measured, f"--bank={bank}", *few])
    fit_familiarity.main([*measured, "--device=cpu"])
    return run


@pytest.fixture
def run(everybody: Path, tmp_path: Path) -> Path:
    """The same in a folder of its own, to be spoilt."""
    return Path(shutil.copytree(everybody, tmp_path / "everybody"))


def result(run: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / name).read_text())
    return content


def left_out(folder: Path) -> set[str]:
    """The test patients of all rotations."""
    runs = [folder / f"rotation-{number}" / "run.json" for number in range(ROTATIONS)]
    return {patient for run in runs for patient in json.loads(run.read_text())["parts"]["test"]}


def test_every_patient_has_a_judge_that_did_not_learn_from_him(everybody: Path) -> None:
    trained, _, _ = load_calibrated(everybody)

    judges, judged_by = judges_of(everybody, trained, everybody.parent)

    assert judged_by["runs"] == len(judges) == ROTATIONS
    for number, judge in enumerate(judges):
        alone = load_trained(everybody.parent / f"rotation-{number}").network
        assert torch.equal(judge.network.head.weight, alone.head.weight)
        assert judge.network.series_head is trained.network.series_head
        assert not {*judge.content["parts"]["test"]} & {*judge.content["parts"]["train"]}


def test_results_are_of_the_run_and_say_who_judged(everybody: Path) -> None:
    calibration = read_calibration(everybody)

    for name in RESULTS:
        found = result(everybody, name)
        assert found["weights"] == calibration["weights"]
        assert (found["runs"], found["rotations"]) == (ROTATIONS, calibration["rotations"])


def test_all_left_out_patients_are_measured(everybody: Path) -> None:
    patients = left_out(everybody.parent)

    assert result(everybody, "robustness.json")["patients"] == len(patients) == LEFT_OUT
    for name in ("localisation.json", "sensitivity.json"):
        assert 1 <= result(everybody, name)["patients"] <= len(patients)
    unfamiliar = result(everybody, "unfamiliar.json")
    assert len(unfamiliar["calibration"]) == len(patients)
    heads = [one for one in unfamiliar["examples"] if one["kind"] in (BLEEDING, NOT_BLEEDING)]
    assert sum(one["series"] for one in heads) == len(patients)


def test_what_is_familiar_is_what_the_run_itself_learnt_from(everybody: Path) -> None:
    found = result(everybody, "unfamiliar.json")

    assert found["train_slices"] == 80
    assert f"{LEFT_OUT} test series, each under one of {ROTATIONS} runs" in found["chosen"]


def test_not_more_patients_are_tried_than_asked_for(run: Path, everybody: Path) -> None:
    options = [f"--rotations={everybody.parent}", "--patients=3", "--draws=2", "--device=cpu"]

    robustness.main([f"--run={run}", *options])

    assert result(run, "robustness.json")["patients"] == 3


def test_the_artefact_says_who_judged(everybody: Path, tmp_path: Path) -> None:
    export.main([f"--run={everybody}", f"--to={tmp_path}", "--version=1.0.0"])

    card = load_card(tmp_path / "falx.json")
    assert card.robustness is not None
    assert card.localisation is not None
    assert card.unfamiliar is not None
    assert card.sensitivity is not None
    assert card.robustness.runs == card.localisation.runs == card.sensitivity.runs == ROTATIONS
    assert "did not learn from the patient" in card.unfamiliar.chosen


def test_results_by_other_rotations_are_not_exported(run: Path, tmp_path: Path) -> None:
    for name in RESULTS:
        before = (run / name).read_text()
        (run / name).write_text(json.dumps(json.loads(before) | {"rotations": "others"}))

        with pytest.raises(TrainingError, match=rf"{name} is of other rotations than"):
            export.main([f"--run={run}", f"--to={tmp_path}", "--version=1.0.0"])

        (run / name).write_text(before)


@pytest.mark.parametrize("command", [robustness, localise, sensitivity, fit_familiarity])
def test_without_its_rotations_a_run_on_everybody_has_no_judge(
    everybody: Path, command: Any
) -> None:
    with pytest.raises(TrainingError, match=r"learnt from everybody .* with --rotations"):
        command.main([f"--run={everybody}", "--device=cpu"])


def test_rotations_that_did_not_calibrate_it_do_not_judge_it(run: Path, everybody: Path) -> None:
    others = json.dumps(read_calibration(run) | {"rotations": "others"})
    (run / "calibration.json").write_text(others)

    with pytest.raises(TrainingError, match=r"was not calibrated by the runs in .* --give-to"):
        robustness.main([f"--run={run}", f"--rotations={everybody.parent}", "--device=cpu"])
