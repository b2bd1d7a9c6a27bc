"""From an uploaded head to a probability, a verdict, and the study found again."""

import io
import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select

from app.db.models import Analysis, Instance, Review
from app.services import Services
from clinic import analyse_all, csrf_token, log_in, only_study, upload_folder
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import bleeding_of, make_series
from model.labels import LABELS
from model.predictor import Predictor


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated head CT with a bleed, nine slices."""
    folder = tmp_path_factory.mktemp("head")
    scan = Scan(n_slices=9, spacing_mm=12, pixels=256)
    write_series(folder, make_series(0, scan, bleeding_of("intraparenchymal")))
    return folder


@pytest.fixture
def study_id(reader: FlaskClient, services: Services, predictor: Predictor, head: Path) -> str:
    """The head, uploaded and analysed."""
    upload_folder(reader, head)
    analyse_all(services, predictor)
    return only_study(services).id


def analysis_of(services: Services) -> Analysis:
    with services.database.read() as session:
        return session.scalars(select(Analysis)).one()


def save_verdict(client: FlaskClient, study_id: str, **fields: str) -> str:
    data = {"csrf_token": csrf_token(client, f"/studies/{study_id}"), **fields}
    return client.post(f"/studies/{study_id}/reviews", data=data, follow_redirects=True).text


def test_every_label_has_a_probability_and_a_state(
    reader: FlaskClient, services: Services, study_id: str
) -> None:
    analysis = analysis_of(services)

    assert analysis.probabilities is not None
    assert analysis.states is not None
    assert tuple(analysis.probabilities) == LABELS
    assert all(0 <= p <= 1 for p in analysis.probabilities.values())
    assert analysis.probabilities["any"] == max(analysis.probabilities.values())
    assert set(analysis.states.values()) <= {"flagged", "indeterminate", "not flagged"}


def test_the_result_says_which_model_at_which_thresholds(
    services: Services, predictor: Predictor, reader: FlaskClient, study_id: str
) -> None:
    analysis = analysis_of(services)

    assert analysis.model_sha256 == predictor.card.sha256
    assert analysis.model_version == predictor.card.version
    assert set(analysis.thresholds) == set(LABELS)


def test_the_page_shows_what_was_measured(
    reader: FlaskClient, services: Services, study_id: str
) -> None:
    page = reader.get(f"/studies/{study_id}").text

    for label in LABELS:
        assert f">{label}</a>" in page
    assert "SIMULATED" in page
    assert analysis_of(services).model_sha256[:12] in page


def test_a_slice_beyond_the_last_shows_the_last(reader: FlaskClient, study_id: str) -> None:
    page = reader.get(f"/studies/{study_id}?slice={'9' * 30}").text

    assert "Slice 9 of 9, brain window" in page


@pytest.mark.parametrize("number", [1, 5, 9])
def test_any_slice_is_there_without_javascript(
    reader: FlaskClient, study_id: str, number: int
) -> None:
    page = reader.get(f"/studies/{study_id}?slice={number}").text

    assert f"Slice {number} of 9, brain window" in page


def test_slices_are_in_anatomical_order(reader: FlaskClient, study_id: str) -> None:
    page = reader.get(f"/studies/{study_id}").text

    data = json.loads(page.split('id="slices">')[1].split("</script>")[0])
    assert len(data["slices"]) == 9
    assert [entry["heat_position"] for entry in data["slices"]] == list(range(9))


def test_a_window_is_a_picture_that_the_browser_asks_for_again(
    reader: FlaskClient, services: Services, study_id: str
) -> None:
    with services.database.read() as session:
        instance = session.scalars(select(Instance)).first()
    assert instance is not None
    address = f"/instances/{instance.id}/brain.png"

    answer = reader.get(address)
    again = reader.get(address, headers={"If-None-Match": answer.headers["ETag"]})

    with Image.open(io.BytesIO(answer.data)) as picture:
        assert (picture.mode, picture.size) == ("L", (256, 256))
    assert "no-cache" in answer.headers["Cache-Control"]
    assert (again.status_code, again.data) == (304, b"")


def test_the_attention_map_covers_the_slice(
    reader: FlaskClient, services: Services, study_id: str
) -> None:
    answer = reader.get(f"/analyses/{analysis_of(services).id}/heat/4/any.png")

    with Image.open(io.BytesIO(answer.data)) as overlay:
        assert (overlay.mode, overlay.size) == ("RGBA", (256, 256))


@pytest.mark.parametrize(
    "address",
    [
        "/instances/{i}/purple.png",
        "/analyses/{a}/heat/99/any.png",
        "/analyses/{a}/heat/99999999999999999999/any.png",
        "/analyses/{a}/heat/0/purple.png",
        "/studies/nobody",
    ],
)
def test_what_does_not_exist_is_not_found(
    reader: FlaskClient, services: Services, study_id: str, address: str
) -> None:
    with services.database.read() as session:
        instance = session.scalars(select(Instance.id)).first()
    filled = address.format(i=instance, a=analysis_of(services).id)

    assert reader.get(filled).status_code == 404


def test_a_verdict_is_saved_with_who_and_when(
    reader: FlaskClient, services: Services, study_id: str
) -> None:
    page = save_verdict(
        reader,
        study_id,
        **{
            "any-verdict": "agree",
            "subdural-verdict": "absent",
            "subdural-reason": "artefact",
            "comment": "Seen at 10:00.",
            "analysis": analysis_of(services).id,
        },
    )

    assert "The verdict is saved." in page
    assert "rita" in page
    with services.database.read() as session:
        review = session.scalars(select(Review)).one()
    assert review.verdicts == {"any": "agree", "subdural": "absent"}
    assert review.reasons == {"subdural": "artefact"}
    assert review.analysis_id == analysis_of(services).id


def test_a_correction_keeps_the_history(app: Flask, reader: FlaskClient, study_id: str) -> None:
    save_verdict(reader, study_id, **{"any-verdict": "agree"})
    other = log_in(app.test_client(), "ada")

    page = save_verdict(other, study_id, **{"any-verdict": "disagree"})

    history = page.split("<h3>History</h3>")[1]
    assert history.index("ada") < history.index("rita")
    assert "<em>agree</em>" in history
    assert "<em>disagree</em>" in history


def test_an_empty_verdict_is_refused(reader: FlaskClient, study_id: str) -> None:
    assert "Nothing was said" in save_verdict(reader, study_id)


def test_a_verdict_that_does_not_exist_is_refused(
    reader: FlaskClient, services: Services, study_id: str
) -> None:
    save_verdict(reader, study_id, **{"any-verdict": "perhaps"})

    with services.database.read() as session:
        assert session.scalars(select(Review)).all() == []


def test_markup_in_a_comment_stays_text(reader: FlaskClient, study_id: str) -> None:
    page = save_verdict(reader, study_id, comment="<img src=x onerror=alert(1)>")

    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_study_is_found_again_and_shows_as_reviewed(reader: FlaskClient, study_id: str) -> None:
    save_verdict(reader, study_id, **{"any-verdict": "agree"})

    found = reader.get("/?q=simulated+head&state=reviewed").text
    missed = reader.get("/?q=nobody").text

    assert f"/studies/{study_id}" in found
    assert "No study matches all of this." in missed


def test_the_interface_gives_the_same_result(
    reader: FlaskClient, services: Services, study_id: str
) -> None:
    answer = reader.get(f"/api/studies/{study_id}").get_json()

    analysis = answer["series"][0]["analysis"]
    assert answer["notice"] == "Research use only, not for clinical use."
    assert answer["simulated"] is True
    assert analysis["probabilities"] == pytest.approx(analysis_of(services).probabilities)
    assert len(analysis["slices"]) == 9


def test_the_interface_refuses_visitors(client: FlaskClient) -> None:
    answer = client.get("/api/studies/x")

    assert answer.status_code == 401
    assert answer.content_type == "application/json"


def test_the_interface_describes_itself(client: FlaskClient) -> None:
    described = client.get("/api/openapi.json").get_json()

    assert {"/healthz", "/api/studies/{study_id}"} <= set(described["paths"])
    assert "Analysis" in described["components"]["schemas"]
