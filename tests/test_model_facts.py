"""The page on the model says what its card says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from playwright.sync_api import Page

from app.config import PROJECT_ROOT
from clinic import log_in
from familiar_factory import write_artefact
from model.artifact import WeightsFacts, load_card
from model.labels import LABELS
from model.measured import (
    FIGURE_NAMES,
    Disturbed,
    Estimate,
    ReliabilityBin,
    Robustness,
    SlicesAlone,
    parse_localisation,
)

CARD = json.loads((PROJECT_ROOT / "model" / "weights" / "falx.json").read_text())


def test_the_page_names_every_data_set_with_its_licence(reader: FlaskClient) -> None:
    page = reader.get("/model").get_data(as_text=True)

    for data_set in CARD["training"]["data_sets"]:
        assert data_set["title"] in page
        assert data_set["licence"] in page
        assert f"https://doi.org/{data_set['doi']}" in page


def test_the_page_says_what_the_network_sees_and_whether_it_has_a_series_head(
    reader: FlaskClient,
) -> None:
    page = reader.get("/model").get_data(as_text=True)

    assert "pooled by the mean" in page
    assert f"{CARD['input_size']} × {CARD['input_size']} pixels; one slice" in page
    assert CARD["series_head"] in page


def test_every_limit_of_the_card_is_on_the_page(reader: FlaskClient) -> None:
    page = reader.get("/model").get_data(as_text=True)

    assert CARD["limits"]
    assert all(str(escape(limit)) in page for limit in CARD["limits"])


def test_the_page_names_other_weights_with_their_licence(app: Flask) -> None:
    card = app.extensions["falx-card"]
    began = WeightsFacts("the encoder began from them", "package:weights", "ImageNet", "Apache-2.0")
    training = replace(card.training, other_weights=(began,))
    app.extensions["falx-card"] = replace(card, training=training)

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    assert "<strong>package:weights</strong>" in page
    assert "trained on: ImageNet. Licence: Apache-2.0." in page


def test_the_page_says_what_looks_unfamiliar_and_what_that_does(app: Flask, tmp_path: Path) -> None:
    app.extensions["falx-card"] = load_card(write_artefact(tmp_path, 1.75, 3.5) / "falx.json")

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    assert "gets a warning from 1.75 on, and no probabilities from\n3.50 on" in page
    assert '<th scope="row">noise</th><td>3</td><td>1.00</td><td>to be familiar</td>' in page
    assert "<td>25 %</td><td>0 %</td><td>0 %</td>" in page
    assert '<th scope="row">blank</th><td>2</td><td>9.00</td><td>0.987</td>' in page
    assert "<td>100 %</td><td>50 %</td><td>100 %</td>" in page


def test_the_page_says_of_weights_that_cannot_tell_what_is_unfamiliar_that_they_cannot(
    app: Flask,
) -> None:
    app.extensions["falx-card"] = replace(app.extensions["falx-card"], unfamiliar=None)

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    assert "It cannot tell" in page


def test_the_page_says_how_steady_the_probabilities_are(app: Flask) -> None:
    card = app.extensions["falx-card"]
    change = Estimate(-0.02, (-0.05, 0.01), None)
    steady = Robustness(16, 540, {"5 HU lower": Disturbed(540, 0.0121, 0.31, change, 0.034)})
    app.extensions["falx-card"] = replace(card, robustness=steady)

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    assert "of 540 slices of 16 test patients" in page
    row = '<th scope="row">5 HU lower</th><td>0.012</td><td>0.310</td>'
    assert f"{row}<td>-0.020 (-0.050 to +0.010)</td><td>3.4 %</td>" in page


def test_the_page_says_where_other_runs_judged_in_place_of_the_weights(app: Flask) -> None:
    card = app.extensions["falx-card"]
    app.extensions["falx-card"] = replace(card, robustness=Robustness(75, 2501, {}, runs=5))

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    assert "of 75 test patients, each judged by one of 5 runs of this recipe that did not" in page


def test_of_weights_whose_steadiness_was_not_measured_it_says_so(app: Flask) -> None:
    app.extensions["falx-card"] = replace(app.extensions["falx-card"], robustness=None)

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    assert "It was not measured of these weights." in page


def test_studies_stand_beside_their_slices_alone_and_reliability_is_drawn(app: Flask) -> None:
    card = app.extensions["falx-card"]
    figures = {
        label: {name: Estimate(0.81, (0.7, 0.9), None) for name in FIGURE_NAMES} for label in LABELS
    }
    changes = {
        label: {name: Estimate(0.012, (-0.01, 0.03), None) for name in FIGURE_NAMES}
        for label in LABELS
    }
    metrics = replace(
        card.metrics,
        per_study=figures,
        reliability={"any": (ReliabilityBin(0.25, 0.5, 40), ReliabilityBin(0.9, 1.0, 8))},
        studies_by_slices_alone=SlicesAlone(figures, changes),
    )
    app.extensions["falx-card"] = replace(card, metrics=metrics)

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    figure = "<td>0.81 (0.70 to 0.90)</td>"
    assert f"{figure}{figure}<td>+0.012 (-0.010 to +0.030)</td>" in page
    assert "specificity at 90 % sensitivity" in page
    assert 'aria-label="any: 40 slices with 25 %, 50 % positive; 8 slices with 90 %, ' in page
    assert 'cx="25.0" cy="50.0"' in page


def measured(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "interval": [low, high], "reason": None}


def test_the_page_says_where_maps_see_blood_only_where_that_was_measured(app: Flask) -> None:
    client, card = log_in(app.test_client(), "rita"), app.extensions["falx-card"]
    app.extensions["falx-card"] = replace(card, localisation=None)
    before = client.get("/model").get_data(as_text=True)
    of_label = {
        "slices": 77,
        "class_activation_map": measured(0.41, 0.3, 0.52),
        "blood_map": measured(0.83, 0.75, 0.9),
        "gain": measured(0.42, 0.3, 0.5),
        "dice": measured(0.37, 0.31, 0.44),
        "slices_with_dice": 70,
    }
    volume = {
        "above_ml": 3.0,
        "to_ml": None,
        "slices": 12,
        "true_ml": 5.25,
        "absolute_error_ml": measured(1.5, 1.1, 1.9),
        "bias_ml": measured(-0.5, -0.9, -0.1),
    }
    content = {"patients": 9, "slices": 200, "labels": {"any": of_label}, "volumes": [volume]}
    app.extensions["falx-card"] = replace(
        card, localisation=parse_localisation(content), heat="blood map"
    )

    page = client.get("/model").get_data(as_text=True)

    assert "Where it sees bleeding" not in before
    assert "The reader is shown the blood map." in page
    assert "<td>77</td><td>0.41 (0.30 to 0.52)</td><td>0.83 (0.75 to 0.90)</td>" in page
    assert "<td>+0.420 (+0.300 to +0.500)</td><td>0.37 (0.31 to 0.44)</td>" in page
    assert '<th scope="row">more than 3 ml</th><td>12</td><td>5.25</td>' in page
    assert "<td>-0.500 (-0.900 to -0.100)</td>" in page


def test_what_a_reader_must_know_fits_on_one_screen(page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("link", name="Model facts").click()
    glance = page.get_by_role("region", name="At a glance")

    told = glance.inner_text()
    box = glance.bounding_box()

    assert box
    assert box["y"] + box["height"] <= 900
    assert all(word in told for word in (CARD["intended_use"], "When not to use it", *LABELS))
    assert CARD["sha256"] in told.replace("\n", "")
    assert all(limit in told for limit in CARD["limits"])
    assert CARD["training"]["data_sets"][0]["title"] in told
