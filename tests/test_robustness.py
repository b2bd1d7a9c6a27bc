"""How steady a run's probabilities are is measured from the originals, and told of its weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from model import calibrate, robustness
from model.architecture.series_head import SERIES_HEAD_FILE, FittedHead, SeriesHead
from model.data.cached import CachedSet
from model.errors import TrainingError
from model.evaluation.disturbances import DISTURBANCES
from model.evaluation.prediction_store import weights_digest
from model.evaluation.robustness import Trial, disturb_patients, measure_robustness
from model.network import HemorrhageNetwork
from model.training.trained import Trained, load_trained
from run_factory import write_runs

STEADY = ("slices in reverse order", "the middle slice missing", "each slice alone")
"""What changes nothing where each slice is judged alone."""
TEMPERATURE = dict.fromkeys(
    ("any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural"), 1.0
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated run without a series head, tried on two patients."""
    (run,) = write_runs(tmp_path_factory.mktemp("runs"), "run", patients=20)
    calibrate.main([f"--run={run}", "--device=cpu"])
    robustness.main([f"--run={run}", "--patients=2", "--draws=20", "--device=cpu"])
    return run


@pytest.fixture
def trained(run: Path) -> Trained:
    return load_trained(run)


def tried(network: HemorrhageNetwork, sets: list[CachedSet], patient: str) -> Trial:
    return disturb_patients(network, sets, [patient], TEMPERATURE)


def test_the_result_tells_of_every_disturbance_and_of_which_weights(run: Path) -> None:
    result = json.loads((run / "robustness.json").read_text())

    assert tuple(result["disturbances"]) == tuple(DISTURBANCES)
    assert (result["patients"], result["slices"]) == (2, 8)
    assert result["disturbances"]["the middle slice missing"]["slices"] == 6
    assert result["weights"] == json.loads((run / "calibration.json").read_text())["weights"]
    for found in result["disturbances"].values():
        assert 0 <= found["mean_change"] <= found["worst_change"] <= 1


def test_where_slices_are_judged_alone_only_what_is_seen_matters(trained: Trained) -> None:
    trial = tried(trained.network, trained.sets, trained.content["parts"]["test"][0])

    for name, disturbed in trial.disturbed.items():
        left = ~np.isnan(disturbed)
        same = np.allclose(disturbed[left], trial.usual[left], rtol=0, atol=1e-7)
        assert same == (name in STEADY), name


def test_with_a_series_head_order_and_neighbours_matter(trained: Trained) -> None:
    torch.manual_seed(0)
    head = SeriesHead(trained.network.embedding_size, hidden=8)
    torch.nn.init.normal_(head.correction.weight)
    trained.network.series_head = head.eval()

    trial = tried(trained.network, trained.sets, trained.content["parts"]["test"][0])

    for name in STEADY:
        assert np.nanmax(np.abs(trial.disturbed[name] - trial.usual)) > 1e-4, name
    assert np.isnan(trial.disturbed["the middle slice missing"]).tolist() == [False] * 2 + [
        True,
        False,
    ]


def some_trial(disturbed: list[float]) -> dict[str, Any]:
    usual = np.tile(np.array([0.1, 0.6, 0.3, 0.9], np.float32), 6)
    frame = pd.DataFrame({"patient": np.repeat(np.arange(6), 4), "any": [0, 0, 1, 1] * 6})
    trial = Trial(
        frame,
        usual,
        {
            "some": np.tile(np.array(disturbed, np.float32), 6),
            "none left": np.full(24, np.nan, np.float32),
        },
    )
    return measure_robustness(trial, {"screen": 0.2, "alert": 0.8}, draws=20)


def test_changes_are_those_of_the_slices_that_are_left() -> None:
    result = some_trial([0.3, 0.5, np.nan, 0.9])

    (found,) = result["disturbances"].values()
    assert found["slices"] == 18
    assert found["mean_change"] == pytest.approx(0.1)
    assert found["worst_change"] == pytest.approx(0.2)
    assert found["state_changed"] == pytest.approx(1 / 3, abs=1e-4)


def test_the_change_in_auc_is_the_disturbed_one_less_the_usual_one() -> None:
    result = some_trial([0.1, 0.2, 0.3, 0.9])

    (found,) = result["disturbances"].values()
    assert found["auc_change"]["value"] == pytest.approx(0.25)


def test_a_run_whose_weights_have_changed_is_not_tried(
    run: Path, trained: Trained, tmp_path: Path
) -> None:
    head = SeriesHead(trained.network.embedding_size, hidden=8)
    fitted = FittedHead(
        head.state_dict(), trained.network.embedding_size, 8, weights_digest(trained.network), {}
    )
    torch.save(vars(fitted), run / SERIES_HEAD_FILE)

    try:
        with pytest.raises(TrainingError, match=r"the weights .* have changed since"):
            robustness.main([f"--run={run}", "--device=cpu"])
    finally:
        (run / SERIES_HEAD_FILE).unlink()


def test_no_patient_is_no_trial() -> None:
    with pytest.raises(TrainingError, match="--patients must be 1 or more"):
        robustness.main(["--run=runs/x", "--patients=0"])
