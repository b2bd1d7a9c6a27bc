"""The page on the model says what its card says."""

import json
from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient

from app.config import PROJECT_ROOT
from clinic import log_in
from model.artifact import WeightsFacts

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
    assert "144 × 144 pixels; one slice" in page
    assert CARD["series_head"] in page


def test_every_limit_of_the_card_is_on_the_page(reader: FlaskClient) -> None:
    page = reader.get("/model").get_data(as_text=True)

    assert all(limit in page for limit in CARD["limits"])


def test_the_page_names_other_weights_with_their_licence(app: Flask) -> None:
    card = app.extensions["falx-card"]
    began = WeightsFacts("the encoder began from them", "package:weights", "ImageNet", "Apache-2.0")
    training = replace(card.training, other_weights=(began,))
    app.extensions["falx-card"] = replace(card, training=training)

    page = log_in(app.test_client(), "rita").get("/model").get_data(as_text=True)

    assert "<strong>package:weights</strong>" in page
    assert "trained on: ImageNet. Licence: Apache-2.0." in page
