"""Maps are held against simulated blood: where their highest place lies, overlap, millilitres."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model import localise, train
from model.artifact import BLOOD_MAP, CLASS_ACTIVATION_MAP
from model.data.cached import open_cache
from model.data.simulate.insert import Plan
from model.data.simulate.store import list_store
from model.data.simulate.training import draw_training_slice
from model.data.simulated_bank import open_bank, write_bank
from model.errors import TrainingError
from model.evaluation.localisation import (
    Found,
    cell_dice,
    locate,
    measure_localisation,
    pointing_hits,
)
from model.measured import parse_localisation
from model.network import NetworkSpec, build_network
from model.results import LOCALISATION, read_result

NAN = float("nan")


@pytest.fixture(scope="module")
def bank(simulated_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    write_bank(simulated_cache, folder, slices=40, seed=7)
    return folder


@pytest.fixture(scope="module")
def run(simulated_cache: Path, bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learnt a map; its test part is half of the patients, so that some lend slices."""
    folder = tmp_path_factory.mktemp("run")
    small = ["--architecture=test_resnet", "--size=64", "--batch-size=8", "--device=cpu"]
    drawn = ["--simulate=0.5", "--epochs=1", "--slices-per-epoch=16", "--map-weight=1"]
    folds = folder / "folds.csv"
    patients = sorted(set(open_cache(simulated_cache).frame["patient"]))
    lines = [f"{patient},{number}" for number, patient in enumerate(patients)]
    folds.write_text("\n".join(["patient,fold", *lines]) + "\n")
    command = [f"--cache={simulated_cache}", f"--folds={folds}", f"--bank={bank}", *small, *drawn]
    train.main([*command, f"--run={folder / 'run'}"])
    return folder / "run"


def test_the_highest_place_must_lie_in_blood_or_right_beside_it() -> None:
    blood = torch.zeros(1, 6, 8, 8)
    blood[0, :, 2, 2] = 0.5
    heat = torch.zeros(1, 6, 8, 8)
    for label, (row, column) in enumerate([(2, 2), (3, 3), (4, 2), (2, 0), (1, 3), (7, 7)]):
        heat[0, label, row, column] = 1

    assert pointing_hits(heat, blood).tolist() == [[True, True, False, False, True, False]]


def test_a_coarse_map_points_to_the_middle_of_its_place() -> None:
    blood = torch.zeros(1, 6, 8, 8)
    blood[0, :, 5, 1] = 1
    heat = torch.zeros(1, 6, 2, 2)
    heat[0, 0, 1, 0] = 1
    heat[0, 1, 0, 0] = 1

    assert pointing_hits(heat, blood)[0, :2].tolist() == [True, False]


def test_overlap_is_of_cells_that_are_at_least_half_blood() -> None:
    blood = torch.zeros(1, 6, 4, 4)
    blood[0, 0, 0] = 0.6
    blood[0, 1, 0] = 0.4
    said = torch.zeros(1, 6, 4, 4)
    said[0, 0, 0, :2] = 0.9

    dice = cell_dice(said, blood)

    assert dice[0, 0].item() == pytest.approx(2 * 2 / (2 + 4))
    assert dice[0, 1:].isnan().all()
    assert cell_dice(torch.full_like(said, NAN), blood).isnan().all()


def some_found(mapped: bool) -> Found:
    """Ten patients of two slices; the second bleeds, and only the blood map knows where."""
    owners = np.repeat(np.arange(10), 2)
    present = np.zeros((20, 6), bool)
    present[1::2, [0, 5]] = True
    true_ml = np.where(present[:, 0], 2.0, 0.0)
    beside = present.copy()
    beside[3::4] = False
    hits = {CLASS_ACTIVATION_MAP: beside} | ({BLOOD_MAP: present} if mapped else {})
    dice = np.where(present, np.float32(0.25 if mapped else NAN), np.float32(NAN))
    said = true_ml + np.where(np.arange(20) % 4 < 2, 0.5, -0.25) if mapped else true_ml * NAN
    return Found(owners, present, hits, dice, true_ml, said)


def test_figures_are_of_the_slices_that_show_a_label() -> None:
    result = measure_localisation(some_found(mapped=True), draws=200)

    assert (result["patients"], result["slices"]) == (10, 20)
    found = result["labels"]["subdural"]
    assert (found["slices"], found["slices_with_dice"]) == (10, 10)
    assert found["class_activation_map"]["value"] == 0.5
    low, high = found["class_activation_map"]["interval"]
    assert 0 < low < 0.5 < high < 1
    assert found["blood_map"]["value"] == 1
    assert found["gain"]["value"] == 0.5
    assert found["dice"]["value"] == 0.25
    assert result["labels"]["epidural"]["class_activation_map"]["value"] is None
    none, some, bleeding = result["volumes"]
    assert (none["above_ml"], none["to_ml"], none["slices"]) == (0, 0, 10)
    assert (some["above_ml"], some["to_ml"], some["true_ml"]) == (1, 3, 2)
    assert some["absolute_error_ml"]["value"] == 0.375
    assert some["bias_ml"]["value"] == 0.125
    assert (bleeding["above_ml"], bleeding["to_ml"], bleeding["slices"]) == (0, None, 10)
    assert none["limits_ml"] is some["limits_ml"] is None


def test_of_enough_slices_the_limits_hold_all_but_the_outermost_errors() -> None:
    found = some_found(mapped=True)
    many = replace(
        found,
        owners=np.repeat(np.arange(10), 20),
        present=np.ones((200, 6), bool),
        hits={kind: np.ones((200, 6), bool) for kind in found.hits},
        dice=np.full((200, 6), np.float32(NAN)),
        true_ml=np.full(200, 2.0),
        said_ml=2.0 + np.linspace(-1, 3, 200),
    )

    parsed = parse_localisation(measure_localisation(many, draws=20))

    assert parsed is not None
    assert parsed.volumes[0].limits_ml == pytest.approx((-0.9, 2.9), abs=0.01)


def test_without_a_blood_map_only_the_activation_is_measured() -> None:
    result = measure_localisation(some_found(mapped=False), draws=20)

    found = result["labels"]["any"]
    assert found["class_activation_map"]["value"] == 0.5
    assert found["blood_map"] is found["gain"] is found["dice"] is None
    assert result["volumes"] == []


def test_the_true_amount_is_that_of_the_simulators_masks(simulated_cache: Path, bank: Path) -> None:
    cached = open_cache(simulated_cache)
    store = list(list_store(cached))
    network = build_network(NetworkSpec("test_resnet", 64)).eval()

    found = locate(network, open_bank(bank, cached, set(cached.frame["patient"])), cached)

    for number in range(8):
        rng = np.random.default_rng([7, number])
        plan = Plan(bleeding=float(rng.random() < 0.7))
        made = draw_training_slice(cached.hu, store, rng, plan)
        (series,) = (one for one in store if one.name == made.series)
        grid = series.anatomy.grids[int(np.flatnonzero(series.rows == made.row)[0])]
        ml = made.masks.sum() * grid.pixel_mm**2 * series.thickness_mm / 1000
        assert found.true_ml[number] == pytest.approx(ml, rel=0.02, abs=1e-6)
    assert found.true_ml.max() > 0.5
    assert np.isnan(found.said_ml).all()


def test_a_run_is_measured_on_its_test_patients(run: Path, bank: Path) -> None:
    localise.main([f"--run={run}", f"--bank={bank}", "--draws=20", "--device=cpu"])

    content = json.loads((run / "localisation.json").read_text())
    calibration = content | {"thresholds": {"any": {}}}
    parts = json.loads((run / "run.json").read_text())["parts"]
    assert 1 <= content["patients"] <= len(parts["test"])
    assert content["volumes"]
    card = parse_localisation(read_result(run, LOCALISATION, calibration))
    assert card is not None
    found = card.labels["any"]
    assert found.slices > 0
    assert found.blood_map is not None
    assert found.blood_map.value is not None
    for changed, other in (({"weights": "other"}, "weights"), ({"input_size": 96}, "input size")):
        with pytest.raises(TrainingError, match=rf"of other {other} than were calibrated: run mod"):
            read_result(run, LOCALISATION, calibration | changed)


def test_without_a_bank_one_is_made_of_the_test_patients(run: Path, tmp_path: Path) -> None:
    lent = tmp_path / "run"
    lent.mkdir()
    (lent / "last.pt").symlink_to(run / "last.pt")

    localise.main([f"--run={lent}", "--slices=12", "--draws=20", "--device=cpu"])

    assert json.loads((lent / "localisation.json").read_text())["slices"] == 12


def test_a_run_that_was_not_measured_says_nothing(tmp_path: Path) -> None:
    assert read_result(tmp_path, LOCALISATION, {}) is None
