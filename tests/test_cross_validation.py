"""A recipe's rotations as one: every patient is judged by what never saw him."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cache_factory import write_cache
from model import export, train
from model.artifact import load_card
from model.calibrate import Wishes
from model.cross_validation.__main__ import main
from model.cross_validation.pooling import averaged, pool
from model.cross_validation.scaling import fit_scaling
from model.errors import TrainingError
from model.evaluate import load_calibrated
from model.labels import LABELS
from prediction_factory import some_predictions


def train_rotation(folder: Path, rotation: int | None, *options: str) -> None:
    train.main(
        [
            f"--cache={folder.parent / 'cache'}",
            f"--run={folder / f'rotation-{rotation}'}",
            f"--rotation={'none' if rotation is None else rotation}",
            "--architecture=test_resnet",
            "--size=32",
            "--epochs=1",
            "--slices-per-epoch=16",
            "--batch-size=8",
            "--device=cpu",
            *options,
        ]
    )


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_cache(folder / "cache", patients=40)
    for rotation in range(3):
        train_rotation(folder / "recipe", rotation)
    return folder / "recipe"


def test_each_test_patient_is_measured_once(recipe: Path) -> None:
    main([f"--recipe={recipe}", "--draws=20", "--device=cpu"])

    evaluation = json.loads((recipe / "evaluation.json").read_text())
    parts = [
        json.loads((recipe / f"rotation-{rotation}" / "run.json").read_text())["parts"]["test"]
        for rotation in range(3)
    ]
    assert evaluation["parts"]["test"]["patients"] == sum(map(len, parts))
    assert evaluation["runs"] == 3
    assert (recipe / "evaluation.html").exists()
    calibration = json.loads((recipe / "calibration.json").read_text())
    assert calibration["counts"]["patients"] == sum(map(len, parts))
    for label in LABELS:
        served = calibration["thresholds"][label]["alert"]
        assert evaluation["thresholds"][label]["alert"]["threshold"] == served


def test_other_recipes_are_compared_and_earlier_looks_are_counted(
    recipe: Path, tmp_path: Path
) -> None:
    for run in recipe.glob("rotation-*"):
        (tmp_path / run.name).symlink_to(run)

    before = json.dumps({"evaluations": [{"at": "2026-01-01T00:00:00", "weights": "of before"}]})
    (recipe / "evaluation.json").write_text(before)

    main([f"--recipe={recipe}", f"--compare={tmp_path}", "--draws=20", "--device=cpu"])

    evaluation = json.loads((recipe / "evaluation.json").read_text())
    (compared,) = evaluation["compared"]
    assert evaluation["evaluations"][0]["weights"] == "of before"
    assert compared["difference"]["weighted_log_loss"]["value"] == 0


def test_the_figures_are_given_to_the_run_that_learnt_from_everybody(
    recipe: Path, tmp_path: Path
) -> None:
    everybody = recipe.parent / "everybody"
    train_rotation(recipe, None, f"--run={everybody}")

    main([f"--recipe={recipe}", f"--give-to={everybody}", "--draws=20", "--device=cpu"])
    export.main([f"--run={everybody}", f"--to={tmp_path}", "--version=1.0.0"])

    given = json.loads((recipe / "calibration.json").read_text())
    card = load_card(tmp_path / "falx.json")
    assert card.calibration == given["temperature"]
    assert card.training.parts["train"].patients == 40
    assert "one of 3 runs of this recipe" in card.training.parts["test"].used_for
    assert "by cross-validation" in card.thresholds_measured_on
    trained, _, _ = load_calibrated(everybody)
    logits = torch.zeros(1, len(LABELS))
    moved = trained.network.series_head(
        torch.zeros(1, trained.network.embedding_size), logits, torch.zeros(1)
    )
    assert moved[0].tolist() == pytest.approx([given["offset"][label] for label in LABELS])


def test_figures_are_of_no_run_that_left_somebody_out(recipe: Path) -> None:
    with pytest.raises(TrainingError, match=r"did not learn .* with `--rotation none`"):
        main([f"--recipe={recipe}", f"--give-to={recipe / 'rotation-0'}", "--draws=2"])


def test_one_run_is_no_cross_validation(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "rotation-0").symlink_to(recipe / "rotation-0")

    with pytest.raises(TrainingError, match="holds 1 runs named rotation-0"):
        main([f"--recipe={tmp_path}"])


def test_a_patient_who_is_tested_twice_is_refused(recipe: Path, tmp_path: Path) -> None:
    for name in ("rotation-0", "rotation-1"):
        (tmp_path / name).symlink_to(recipe / "rotation-0")

    with pytest.raises(TrainingError, match="is a test patient of"):
        main([f"--recipe={tmp_path}"])


def test_runs_of_different_recipes_are_refused(recipe: Path) -> None:
    other = recipe.parent / "other"
    train_rotation(other, 0)
    train_rotation(other, 1, "--learning-rate=1e-5")

    with pytest.raises(TrainingError, match=r"not of one recipe \(learning_rate\)"):
        main([f"--recipe={other}"])


# ------------------------------------------------------------------------------------- calibration


def test_scaling_finds_what_was_done_to_logits() -> None:
    predictions = some_predictions(400)
    before = fit_scaling(predictions.logits, predictions)

    after = fit_scaling(3 * predictions.logits - 2, predictions)

    for label in LABELS:
        assert after.temperature[label] == pytest.approx(3 * before.temperature[label], rel=0.1)
    expected = before.apply(predictions.logits)
    assert np.abs(after.apply(3 * predictions.logits - 2) - expected).mean() < 0.2


def test_few_patients_change_logits_little() -> None:
    few, many = (some_predictions(patients) for patients in (6, 400))

    def moved(number: int) -> float:
        predictions = (few, many)[number]
        return abs(fit_scaling(predictions.logits + 2, predictions).offset["any"])

    assert moved(0) < 0.8 * moved(1)


def test_a_label_that_nobody_has_keeps_its_logits() -> None:
    predictions = some_predictions()
    frame = predictions.frame.assign(subdural=0)

    scaling = fit_scaling(predictions.logits, replace(predictions, frame=frame))

    assert (scaling.offset["subdural"], scaling.temperature["subdural"]) == (0, 1)


def test_no_patient_has_part_in_what_he_is_judged_by() -> None:
    runs = [some_predictions(seed=seed) for seed in range(3)]
    turned = runs[0].frame.assign(**{label: 1 - runs[0].frame[label] for label in LABELS})
    others_truth = [replace(runs[0], frame=turned), *runs[1:]]

    first, second = (pool(these, Wishes()) for these in (runs, others_truth))

    own = slice(0, len(runs[0].frame))
    rest = slice(len(runs[0].frame), None)
    assert np.array_equal(first.predictions.logits[own], second.predictions.logits[own])
    assert np.array_equal(first.thresholds["alert"][own], second.thresholds["alert"][own])
    assert not np.array_equal(first.predictions.logits[rest], second.predictions.logits[rest])


def test_neighbours_are_of_the_same_series() -> None:
    predictions = some_predictions(4, slices=3)
    level = np.repeat(np.arange(len(predictions.frame) // 3), 3)[:, None].astype(np.float32)
    flat = replace(predictions, slice_logits=np.repeat(level, len(LABELS), axis=1))

    assert np.allclose(averaged(flat, [6.0] * len(LABELS)), flat.slice_logits)
