"""How often simulated bleeding is found, by its size, each slice judged alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flask import Flask

from clinic import log_in
from model.data.cached import open_cache
from model.data.simulate.store import list_store
from model.data.simulated_bank import open_bank, read_bank_table, write_bank
from model.detected import parse_sensitivity, size_of_bleeding
from model.errors import TrainingError
from model.evaluation.sensitivity import Judged, judge_alone, measure_sensitivity
from model.labels import LABELS
from model.network import NetworkSpec, build_network
from model.results import SENSITIVITY, read_result

THRESHOLDS = {"screen": 0.2, "alert": 0.6}
KINDS = ("", "", "nothing put in", "look-alikes put in")


def some_judged(first: int, patients: int) -> Judged:
    """Of each patient a small and a large bleed, an untouched slice and one with look-alikes."""
    areas = np.zeros((4 * patients, 5))
    areas[0::4, 4] = 20
    areas[1::4, [0, 4]] = 400
    return Judged(
        np.repeat([f"p{first + number:02d}" for number in range(patients)], 4),
        areas,
        np.array(KINDS * patients),
        np.array([0.1, 0.7, 0.0, 0.3] * patients),
    )


def test_figures_are_of_classes_of_size_and_of_what_was_put_in() -> None:
    result = measure_sensitivity([some_judged(0, 6), some_judged(6, 4)], THRESHOLDS, draws=50)

    assert (result["patients"], result["slices"]) == (10, 40)
    small, large = result["by_size"]["any"]
    assert (small["above_mm2"], small["to_mm2"], small["slices"], small["patients"]) == (
        0,
        50,
        10,
        10,
    )
    assert (large["above_mm2"], large["to_mm2"]) == (500, None)
    assert [small[point]["value"] for point in THRESHOLDS] == [0, 0]
    assert [large[point]["value"] for point in THRESHOLDS] == [1, 1]
    assert [len(classes) for classes in result["by_size"].values()] == [2, 1]
    assert result["by_size"]["subdural"][0]["slices"] == 10
    shares = {one["kind"]: one["screen"]["value"] for one in result["without_blood"]}
    assert shares == {"all": 0.5, "nothing put in": 0, "look-alikes put in": 1}
    low, high = result["without_blood"][0]["screen"]["interval"] or (0.5, 0.5)
    assert low <= 0.5 <= high


def test_intervals_are_over_patients() -> None:
    judged = some_judged(0, 10)
    half = np.where(np.arange(40) < 20, 0.9, judged.probabilities)

    result = measure_sensitivity([replace(judged, probabilities=half)], THRESHOLDS, draws=200)

    found = result["by_size"]["any"][0]["alert"]
    assert found["value"] == 0.5
    assert 0 < found["interval"][0] < 0.5 < found["interval"][1] < 1


def test_areas_are_those_of_the_masks_and_each_slice_is_judged_alone(
    simulated_cache: Path, tmp_path: Path
) -> None:
    write_bank(simulated_cache, tmp_path, slices=12, seed=3)
    cached = open_cache(simulated_cache)
    bank = open_bank(tmp_path, cached, set(cached.frame["patient"]))
    torch.manual_seed(0)
    network = build_network(NetworkSpec("test_resnet", 64)).eval()

    judged = judge_alone(network, dict.fromkeys(LABELS, 1.0), bank, cached)

    grids = {
        int(row): grid.pixel_mm
        for series in list_store(cached)
        for row, grid in zip(series.rows, series.anatomy.grids, strict=True)
    }
    hosts = read_bank_table(tmp_path)
    crop_mm2 = [(cached.size * grids[row]) ** 2 for row in hosts["host_row"]]
    shares = bank.cells.mean(axis=(2, 3)) / 254
    np.testing.assert_allclose(judged.areas_mm2, shares * np.array(crop_mm2)[:, None])
    assert ((judged.kinds == "") == bank.targets[:, 0].astype(bool)).all()
    assert ((judged.kinds == "nothing put in") == (hosts["drawn"] == "")).all()
    chosen = replace(
        bank, rows=bank.rows[4:5], placement=bank.placement[4:5], targets=bank.targets[4:5]
    )
    alone = judge_alone(network, dict.fromkeys(LABELS, 1.0), chosen, cached)
    assert alone.probabilities[0] == pytest.approx(judged.probabilities[4], abs=1e-6)


def test_the_card_takes_only_what_was_measured_of_these_weights(tmp_path: Path) -> None:
    calibration = {"weights": "a", "thresholds": {"any": THRESHOLDS}}
    assert read_result(tmp_path, SENSITIVITY, calibration) is None
    result = measure_sensitivity([some_judged(0, 10)], THRESHOLDS, draws=50)
    content = result | {"weights": "a", "thresholds": THRESHOLDS}
    (tmp_path / SENSITIVITY.file).write_text(json.dumps(content))

    card = parse_sensitivity(read_result(tmp_path, SENSITIVITY, calibration))

    assert card is not None
    assert card.by_size["any"][1].reached.alert.value == 1
    assert card.runs == 1
    changes: list[dict[str, Any]] = [
        {"weights": "b"},
        {"thresholds": {"any": {}}},
        {"rotations": "c"},
    ]
    for changed in changes:
        with pytest.raises(TrainingError, match=r"calibrated: run model\.sensitivity again"):
            read_result(tmp_path, SENSITIVITY, calibration | changed)
    (tmp_path / SENSITIVITY.file).write_text("{}")
    with pytest.raises(
        TrainingError, match=r"sensitivity\.json lacks patients, .*: run model\.sensitivity again"
    ):
        read_result(tmp_path, SENSITIVITY, calibration)


def test_the_page_lists_and_draws_them_where_they_were_measured(app: Flask) -> None:
    client, card = log_in(app.test_client(), "rita"), app.extensions["falx-card"]
    app.extensions["falx-card"] = replace(card, sensitivity=None)
    before = client.get("/model").get_data(as_text=True)
    judged = some_judged(0, 10)
    half = np.where(np.arange(40) < 20, 0.9, judged.probabilities)
    measured = measure_sensitivity([replace(judged, probabilities=half)], THRESHOLDS, draws=200)
    of_card = parse_sensitivity(measured | {"runs": 5})
    app.extensions["falx-card"] = replace(card, sensitivity=of_card)

    page = client.get("/model").get_data(as_text=True)

    assert "How large bleeding must be" not in before
    assert "each judged by one of 5 runs of this recipe" in page
    assert '<th scope="row">up to 50 mm²</th><td>10</td><td>10</td><td>0.50 (' in page
    assert '<th scope="row">look-alikes put in</th><td>10</td><td>10</td><td>0.50 (' in page
    assert 'aria-label="any, share flagged: up to 50 mm² 0.50 (' in page


def test_a_class_of_size_in_words() -> None:
    words = [size_of_bleeding(*limits) for limits in ((0, 50), (50, 150), (500, None))]

    assert words == ["up to 50 mm²", "50 to 150 mm²", "more than 500 mm²"]
