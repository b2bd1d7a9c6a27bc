"""A model travels with its card, and nothing else than what the card describes is loaded."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import PROJECT_ROOT
from model.artifact import (
    load_card,
    load_network,
)
from model.errors import ArtifactError
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED, calibrated, finding_state
from model.labels import LABELS

WEIGHTS = PROJECT_ROOT / "model" / "weights"
CARD = WEIGHTS / "falx.json"


def edited_card(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """The card in service with one change."""
    content = json.loads(CARD.read_text())
    edit(content)
    path = folder / "falx.json"
    path.write_text(json.dumps(content))
    return path


def test_the_card_in_service_is_complete() -> None:
    card = load_card(CARD)

    assert card.labels == LABELS
    assert card.disclaimer == "Research use only, not for clinical use."
    (data_set,) = card.training.data_sets
    assert data_set.doi == "10.13026/w8q8-ky94"
    assert "Hssayeni" in data_set.authors
    assert "Attribution 4.0" in data_set.licence
    patients = {name: part.patients for name, part in card.training.parts.items()}
    assert patients == {"train": 82, "test": 82}, "each was tested by a run that left him out"
    assert card.limits


def test_every_figure_has_an_interval_or_says_why_not() -> None:
    metrics = load_card(CARD).metrics
    of_labels = (*metrics.per_slice.values(), *metrics.per_study.values())
    figures = [figure for label in of_labels for figure in label.values()]
    figures.append(metrics.weighted_log_loss)

    assert all((figure.interval is None) == bool(figure.reason) for figure in figures)


def test_the_card_is_read_without_torch() -> None:
    code = (
        f"import sys; from model.artifact import load_card; from pathlib import Path; "
        f"load_card(Path({str(CARD)!r})); sys.exit('torch' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=False)

    assert done.returncode == 0


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"falx\.json cannot be read"):
        load_card(tmp_path / "falx.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"labels": 3}', "null"])
def test_a_damaged_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "falx.json"
    path.write_text(text)

    with pytest.raises(ArtifactError, match="is not a Falx card"):
        load_card(path)


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda c: c["labels"].reverse(), "its labels are subdural"),
        (lambda c: c["windows"].pop(), "its windows"),
        (lambda c: c["calibration"].pop("any"), "its calibration does not cover"),
        (lambda c: c["thresholds"].pop("subdural"), "its thresholds do not cover"),
        (lambda c: c["calibration"].update(any=0), "not a positive number"),
        (lambda c: c["thresholds"]["any"]["alert"].update(threshold=1.5), "outside 0 to 1"),
        (lambda c: c.update(sha256=""), "no SHA-256"),
        (lambda c: c.update(input_size=3), "its input size is 3"),
        (lambda c: c.update(slices_per_input=2), "its network sees 2 slices"),
        (lambda c: c.update(heat="guess"), "its heat maps are a guess"),
        (lambda c: c["training"].update(data_sets=[]), "names no data set"),
    ],
)
def test_a_card_that_would_be_misused_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], problem: str
) -> None:
    with pytest.raises(ArtifactError, match=problem):
        load_card(edited_card(tmp_path, edit))


@pytest.mark.parametrize("field", ["metrics", "training", "limits", "thresholds"])
def test_a_card_without_metrics_or_provenance_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(ArtifactError, match="is not a Falx card"):
        load_card(edited_card(tmp_path, lambda content: content.pop(field)))


def test_one_flipped_byte_stops_the_start(tmp_path: Path) -> None:
    content = bytearray((WEIGHTS / "falx.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "falx.pt").write_bytes(content)

    with pytest.raises(ArtifactError, match="it was changed or belongs to another card"):
        load_network(tmp_path / "falx.pt", load_card(CARD), "cpu")


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"falx\.pt cannot be read"):
        load_network(tmp_path / "falx.pt", load_card(CARD), "cpu")


def test_what_is_no_torchscript_is_refused_even_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "falx.pt").write_bytes(b"no network")
    digest = hashlib.sha256(b"no network").hexdigest()
    card = load_card(edited_card(tmp_path, lambda content: content.update(sha256=digest)))

    with pytest.raises(ArtifactError, match="is not a TorchScript file"):
        load_network(tmp_path / "falx.pt", card, "cpu")


def test_temperature_divides_the_logit() -> None:
    logits = np.array([[2.0, 1.0, 0, 0, 0, 0]], np.float32)
    temperature = dict.fromkeys(LABELS, 1.0) | {"any": 0.5, "epidural": 2.0}

    probabilities = calibrated(logits, temperature)

    assert probabilities[0, :3] == pytest.approx(1 / (1 + np.exp([-4, -0.5, 0])))


def test_any_is_never_below_a_subtype() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (100, 6)).astype(np.float32)

    probabilities = calibrated(logits, dict.fromkeys(LABELS, 1.3))

    assert (probabilities[:, :1] >= probabilities).all()


def test_extreme_logits_stay_finite() -> None:
    logits = np.array([[1e30, -1e30, 0, 0, 0, 0]], np.float32)

    probabilities = calibrated(logits, dict.fromkeys(LABELS, 1.0))

    assert probabilities[0, :2] == pytest.approx([1, 0])


@pytest.mark.parametrize(
    ("probability", "state"),
    [
        (0.0, NOT_FLAGGED),
        (0.2999, NOT_FLAGGED),
        (0.3, INDETERMINATE),
        (0.5999, INDETERMINATE),
        (0.6, FLAGGED),
        (1.0, FLAGGED),
    ],
)
def test_between_the_thresholds_nothing_is_claimed(
    tmp_path: Path, probability: float, state: str
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["thresholds"]["subdural"]["screen"]["threshold"] = 0.3
        content["thresholds"]["subdural"]["alert"]["threshold"] = 0.6

    card = load_card(edited_card(tmp_path, edit))

    assert finding_state("subdural", probability, card) == state


def test_what_reaches_the_alert_threshold_is_flagged_even_below_the_screen_threshold(
    tmp_path: Path,
) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["thresholds"]["any"]["screen"]["threshold"] = 0.7
        content["thresholds"]["any"]["alert"]["threshold"] = 0.6

    card = load_card(edited_card(tmp_path, edit))

    assert finding_state("any", 0.65, card) == FLAGGED
    assert finding_state("any", 0.55, card) == NOT_FLAGGED
