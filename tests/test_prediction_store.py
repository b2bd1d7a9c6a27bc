"""A part's predictions are made once for one set of weights, and never taken for another's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.architecture.series_head import SeriesHead
from model.errors import TrainingError
from model.evaluation.prediction_store import (
    identity_of,
    predict_part,
    read_predictions,
    weights_digest,
)
from model.evaluation.predictions import (
    SeriesJob,
    predict_patients,
    predict_series,
    read_series,
    series_of,
)
from model.labels import LABELS
from model.training.trained import Trained, load_trained
from run_factory import write_runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_runs(tmp_path_factory.mktemp("runs"), "x")[0]


@pytest.fixture
def trained(run: Path) -> Trained:
    return load_trained(run)


def test_every_slice_of_the_part_is_predicted_from_its_original(trained: Trained) -> None:
    patients = trained.content["parts"]["test"]

    predictions = predict_patients(trained.network, trained.sets, patients, embeddings=True)

    frame = trained.sets[0].frame
    expected = frame[frame["patient"].isin(patients)]
    assert set(predictions.frame["name"]) == set(expected["name"])
    labels = expected.set_index("name")[list(LABELS)].loc[predictions.frame["name"]]
    assert np.array_equal(predictions.targets, labels.to_numpy())
    assert predictions.frame.groupby("series", sort=False)["z_mm"].is_monotonic_increasing.all()
    assert predictions.embeddings is not None
    assert predictions.embeddings.dtype == np.float16
    assert predictions.embeddings.shape == (len(expected), trained.network.embedding_size)


def test_a_series_is_predicted_as_the_exported_network_does_it(trained: Trained) -> None:
    head = SeriesHead(trained.network.embedding_size)
    torch.nn.init.normal_(head.correction.weight)
    trained.network.series_head = head.eval()
    rows = series_of(trained.sets[0], trained.content["parts"]["test"][:1])[0]
    hu = read_series(SeriesJob(trained.sets[0].data_set, rows["name"].tolist()))

    slice_logits, logits, _ = predict_series(
        trained.network, hu, np.array([0, 5, 10, 15], np.float32)
    )

    with torch.inference_mode():
        z_mm = torch.tensor([0.0, 5, 10, 15])
        served, _ = trained.network(torch.from_numpy(np.stack(hu)), z_mm)
    assert logits == pytest.approx(served.numpy(), abs=1e-4)
    assert np.abs(logits - slice_logits).max() > 0.01


def test_slices_of_differing_shape_are_predicted_in_their_order(trained: Trained) -> None:
    generator = np.random.default_rng(0)
    shapes = [(64, 64), (64, 48), (48, 48), (64, 64)]
    hu = [generator.integers(-100, 100, shape).astype(np.int16) for shape in shapes]

    together = predict_series(trained.network, hu, np.arange(4, dtype=np.float32))[0]

    alone = [predict_series(trained.network, [one], np.zeros(1, np.float32))[0][0] for one in hu]
    assert together == pytest.approx(np.stack(alone), abs=1e-4)


def test_reading_processes_change_nothing(trained: Trained) -> None:
    patients = trained.content["parts"]["test"]

    here = predict_patients(trained.network, trained.sets, patients, workers=1)
    there = predict_patients(trained.network, trained.sets, patients, workers=2)

    assert here.frame.equals(there.frame)
    assert np.array_equal(here.logits, there.logits)


def test_patients_that_no_cache_has_are_an_error(trained: Trained) -> None:
    with pytest.raises(TrainingError, match="None of the 1 patients to predict is in the caches"):
        predict_patients(trained.network, trained.sets, ["simulated:nobody"])


def test_predictions_are_made_once(run: Path, trained: Trained) -> None:
    made = predict_part(run, {32: trained}, "test")[32]
    path = run / "predictions-test-32.parquet"
    written = path.stat().st_mtime_ns

    found = predict_part(run, {32: trained}, "test")[32]

    assert path.stat().st_mtime_ns == written
    assert found.frame.equals(made.frame)
    assert np.array_equal(found.logits, made.logits)
    assert np.array_equal(found.slice_logits, made.slice_logits)


def test_other_weights_predict_anew(run: Path, trained: Trained) -> None:
    before = predict_part(run, {32: trained}, "test")[32]
    with torch.no_grad():
        trained.network.head.bias.add_(1)

    after = predict_part(run, {32: trained}, "test")[32]

    assert after.logits == pytest.approx(before.logits + 1, abs=1e-5)


def test_each_input_size_has_predictions_of_its_own(run: Path, trained: Trained) -> None:
    of_size = predict_part(run, {32: trained, 48: load_trained(run, input_size=48)}, "calibrate")

    assert not np.array_equal(of_size[32].logits, of_size[48].logits)
    assert of_size[32].frame.equals(of_size[48].frame)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut short"])
def test_a_missing_or_damaged_file_is_predicted_anew(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "predictions-test-32.parquet"
    if content is not None:
        path.write_bytes(content)

    assert read_predictions(path, {"part": "test"}) is None


def test_a_series_head_and_other_labels_change_the_identity(trained: Trained) -> None:
    plain, digest = identity_of(trained, "test"), weights_digest(trained.network)
    trained.sets[0].frame.loc[:, "epidural"] = 1
    relabelled = identity_of(trained, "test")
    trained.network.series_head = SeriesHead(trained.network.embedding_size)

    assert relabelled["slices"] != plain["slices"]
    assert relabelled["weights"] == plain["weights"] == digest
    assert weights_digest(trained.network) != digest
