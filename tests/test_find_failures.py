"""What weights judge wrongly among synthetic heads is found, kept beside them, and shown."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from PIL import Image

from app.factory import create_app
from blood_map_factory import write_mapping_artefact
from clinic import log_in
from model import find_failures
from model.artifact import load_card
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import SyntheticSeries
from model.errors import TrainingError
from model.failure import FAILURES_NAME, FALSE_ALARM, MISS, read_failures
from model.find_failures import Head, outline, tallies, worst_false_alarms, worst_misses

SCAN = Scan(n_slices=4, pixels=64)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny artefact and what it fails at among two heads."""
    folder = write_mapping_artefact(tmp_path_factory.mktemp("weights"))
    find_failures.main([f"--model={folder}", "--heads=2"])
    return folder


def head(seed: int, blood_mm2: list[float], any_of: list[float]) -> Head:
    """Four slices with so much blood, and what was said of them."""
    masks = np.zeros((4, 5, 64, 64), bool)
    for mask, area in zip(masks[:, 4], blood_mm2, strict=True):
        mask.reshape(-1)[: round(area / SCAN.pixel_mm**2)] = True
    targets = np.zeros((4, 6), np.int8)
    targets[:, [0, 5]] = np.array(blood_mm2)[:, None] > 0
    hu = np.zeros((4, 64, 64), np.int16)
    series = SyntheticSeries(seed, SCAN, None, hu, targets, masks, ())
    return Head(series, np.repeat(np.array(any_of, np.float32)[:, None], 6, axis=1))


@pytest.fixture
def heads() -> list[Head]:
    """Two with blood (screen threshold 0.2, alert 0.6), and two without."""
    return [
        head(1, [0, 100, 300, 30], [0.1, 0.05, 0.15, 0.01]),
        head(2, [0, 400, 80, 0], [0.1, 0.9, 0.3, 0.9]),
        head(3, [0, 0, 0, 0], [0.1, 0.7, 0.8, 0.1]),
        head(4, [0, 0, 0, 0], [0.1, 0.3, 0.1, 0.1]),
    ]


@pytest.fixture
def card_of(tmp_path: Path) -> Path:
    """A card with round thresholds."""
    folder = write_mapping_artefact(tmp_path / "weights")
    content = json.loads((folder / "falx.json").read_text())
    for point, value in (("screen", 0.2), ("alert", 0.6)):
        content["thresholds"]["any"][point]["threshold"] = value
    (folder / "falx.json").write_text(json.dumps(content))
    return folder / "falx.json"


def test_the_largest_bleeding_that_was_cleared_comes_first_then_what_came_nearest(
    heads: list[Head], card_of: Path
) -> None:
    found = worst_misses(heads, load_card(card_of))

    assert [(place.head.series.seed, place.index) for place in found] == [(1, 2), (2, 2)]


def test_false_alarms_are_of_heads_without_blood_one_a_head(heads: list[Head]) -> None:
    found = worst_false_alarms(heads)

    assert [(place.head.series.seed, place.index) for place in found] == [(3, 2), (4, 1)]


def test_slices_and_heads_are_counted(heads: list[Head], card_of: Path) -> None:
    assert tallies(heads, load_card(card_of)) == {
        "missed_slices": {"wrong": 2, "of": 4},
        "missed_heads": {"wrong": 1, "of": 2},
        "flagged_slices": {"wrong": 2, "of": 8},
        "flagged_heads": {"wrong": 1, "of": 2},
    }


def test_an_outline_runs_along_the_borders_of_the_pixels() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True

    assert outline(mask) == "M2 1H4M2 3H4M2 1V3M4 1V3"
    assert outline(np.zeros((4, 5), bool)) == ""


def test_what_was_found_lies_beside_the_artefact_with_its_pictures(weights: Path) -> None:
    sha256 = load_card(weights / "falx.json").sha256

    found = read_failures(weights, sha256)

    assert found is not None
    assert found.heads == 2
    assert [one.kind for one in found.examples] == [MISS, FALSE_ALARM]
    bleeding, quiet = found.examples
    assert bleeding.blood_mm2 >= found.least_mm2
    assert bleeding.subtypes
    assert bleeding.outline
    assert (quiet.blood_mm2, quiet.subtypes, quiet.outline) == (0, (), "")
    for number, one in enumerate(found.examples, start=1):
        with Image.open(weights / f"falx.failure-{number}.png") as picture:
            assert picture.size == (one.columns, one.rows)


def test_those_of_other_weights_or_damaged_ones_are_not_read(weights: Path, tmp_path: Path) -> None:
    assert read_failures(weights, "f" * 64) is None
    assert read_failures(tmp_path, "f" * 64) is None
    (tmp_path / FAILURES_NAME).write_text('{"sha256": "f", "examples": [{}]}')
    assert read_failures(tmp_path, "f") is None


def test_the_page_shows_them_only_beside_the_weights_that_they_are_of(
    app: Flask, weights: Path
) -> None:
    settings = app.extensions["falx"].settings
    same = {"data": settings.data, "database_url": settings.database_url}
    serving = create_app({**same, "model": weights})
    client = log_in(serving.test_client(), "rita")

    page = client.get("/model").get_data(as_text=True)
    picture, beyond = client.get("/model/failures/1.png"), client.get("/model/failures/3.png")
    card = serving.extensions["falx-card"]
    serving.extensions["falx-card"] = replace(card, sha256="f" * 64)
    stale = client.get("/model")

    assert "2 <strong>synthetic</strong> heads" in page
    assert ".\nPut into this head: " in page
    assert 'aria-label="The same with the blood outlined"' in page
    assert picture.data == (weights / "falx.failure-1.png").read_bytes()
    assert beyond.status_code == 404
    assert "Slices that it judges wrongly" not in stale.get_data(as_text=True)
    assert client.get("/model/failures/1.png").status_code == 404
    assert serving.test_client().get("/model/failures/1.png").status_code == 302
    serving.extensions["falx"].database.engine.dispose()


def test_a_single_head_cannot_be_of_both_kinds(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--heads must be 2 or more"):
        find_failures.main([f"--model={tmp_path}", "--heads=1"])
