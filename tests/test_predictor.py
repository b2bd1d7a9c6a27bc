"""The artefact in service, as the worker calls it."""

import copy
import hashlib
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.config import PROJECT_ROOT
from model.architecture.series_head import SeriesHead
from model.artifact import CLASS_ACTIVATION_MAP, load_card, load_network
from model.data.ct_ich import CtIchSet, read_labels
from model.data.dataset import SourceSlice
from model.errors import ArtifactError, DeviceError
from model.exporting.torchscript import network_bytes, script
from model.labels import LABELS
from model.network import HemorrhageNetwork, NetworkSpec
from model.predictor import CPU_BATCH_SIZE, Predictor, load_predictor

WEIGHTS = PROJECT_ROOT / "model" / "weights"
SOME_TEST_PATIENTS = (50, 74, 80, 95, 114)


def noise(count: int, rows: int = 128, columns: int = 128) -> list[NDArray[np.int16]]:
    generator = np.random.default_rng(0)
    return [generator.integers(-1000, 1000, (rows, columns)).astype(np.int16) for _ in range(count)]


def positions(count: int) -> NDArray[np.float32]:
    return np.arange(count, dtype=np.float32) * 5


def ignore(_done: int) -> None:
    """Progress that nobody watches."""


def small_artefact(folder: Path, slices_per_input: int) -> HemorrhageNetwork:
    """A small network with a series head, in service from `folder`."""
    torch.manual_seed(0)
    spec = NetworkSpec("test_resnet", 32, slices_per_input, "gem")
    network = HemorrhageNetwork(spec).eval()
    network.series_head = SeriesHead(network.embedding_size, hidden=8).eval()
    torch.nn.init.normal_(network.series_head.correction.weight)
    content = network_bytes(script(copy.deepcopy(network), half=False))
    (folder / "falx.pt").write_bytes(content)
    card = json.loads((WEIGHTS / "falx.json").read_text())
    card |= {"slices_per_input": slices_per_input, "pooling": "gem", "input_size": 32}
    card |= {"heat": CLASS_ACTIVATION_MAP, "unfamiliar": None}
    card["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "falx.json").write_text(json.dumps(card))
    return network


@pytest.mark.parametrize("slices_per_input", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 9, 1000])
def test_the_series_head_sees_the_whole_series_however_it_is_batched(
    tmp_path: Path, slices_per_input: int, count: int
) -> None:
    network = small_artefact(tmp_path, slices_per_input)
    hu = noise(count, 40, 40)
    with torch.inference_mode():
        logits, heat = network(torch.from_numpy(np.stack(hu)), torch.from_numpy(positions(count)))

    prediction = load_predictor(tmp_path, "cpu").predict(hu, positions(count), ignore)

    assert prediction.logits == pytest.approx(logits.numpy(), abs=1e-3)
    assert prediction.heat == pytest.approx(heat.numpy(), abs=1e-3)


def test_a_neighbour_of_another_shape_is_not_looked_at(tmp_path: Path) -> None:
    network = small_artefact(tmp_path, 3)
    hu = [*noise(2, 40, 40), *noise(1, 48, 40)]
    with torch.inference_mode():
        inputs = [np.stack([hu[i] for i in three]) for three in ((0, 0, 1), (0, 1, 1), (2, 2, 2))]
        encoded = [network.encode(torch.from_numpy(one[None])) for one in inputs]
        embeddings, alone = (torch.cat([one[part] for one in encoded]) for part in (0, 1))
        expected = network.combine(embeddings, alone, torch.from_numpy(positions(3)))

    prediction = load_predictor(tmp_path, "cpu").predict(hu, positions(3), ignore)

    assert prediction.logits == pytest.approx(expected.numpy(), abs=1e-3)


def test_a_series_gets_one_prediction_a_slice(predictor: Predictor) -> None:
    prediction = predictor.predict(noise(3), positions(3), ignore)

    assert prediction.logits.shape == prediction.probabilities.shape == (3, len(LABELS))
    assert prediction.heat.shape[:2] == (3, len(LABELS))
    assert prediction.series_probabilities.tolist() == prediction.probabilities.max(axis=0).tolist()
    for values in (prediction.logits, prediction.probabilities, prediction.heat):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_probabilities_are_between_0_and_1_and_any_is_the_largest(predictor: Predictor) -> None:
    probabilities = predictor.predict(noise(4), positions(4), ignore).probabilities

    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()
    assert (probabilities[:, :1] >= probabilities).all()


def test_slices_of_differing_shape_keep_their_order(predictor: Predictor) -> None:
    slices = [*noise(2), *noise(1, 128, 96), *noise(1, 64, 64), *noise(1)]

    # So far apart that no slice is averaged with its neighbours.
    far = 1000 * positions(5)

    together = predictor.predict(slices, far, ignore)
    alone = [predictor.predict([item], positions(1), ignore).logits[0] for item in slices]

    assert together.logits == pytest.approx(np.stack(alone), abs=1e-3)


def test_progress_counts_to_the_end(predictor: Predictor) -> None:
    told: list[int] = []

    predictor.predict(
        noise(CPU_BATCH_SIZE * 2 + 1, 64, 64), positions(CPU_BATCH_SIZE * 2 + 1), told.append
    )

    assert told == [CPU_BATCH_SIZE, CPU_BATCH_SIZE * 2, CPU_BATCH_SIZE * 2 + 1]


def test_the_same_slice_gets_the_same_answer(predictor: Predictor) -> None:
    first = predictor.predict(noise(1), positions(1), ignore)
    second = predictor.predict(noise(1), positions(1), ignore)

    assert np.array_equal(first.logits, second.logits)


@pytest.mark.parametrize(("slices", "heights"), [(0, 0), (2, 1)])
def test_nothing_and_mismatched_positions_are_refused(
    predictor: Predictor, slices: int, heights: int
) -> None:
    with pytest.raises(ValueError, match="cannot be analysed"):
        predictor.predict(noise(slices), positions(heights), ignore)


def test_optimising_for_the_cpu_changes_no_logit(predictor: Predictor) -> None:
    plain = load_network(WEIGHTS / "falx.pt", load_card(WEIGHTS / "falx.json"), "cpu")
    slices = noise(2)

    optimised = predictor.predict(slices, positions(2), ignore)

    with torch.inference_mode():
        logits, blood = plain(torch.from_numpy(np.stack(slices)), torch.from_numpy(positions(2)))
    assert optimised.logits == pytest.approx(logits.numpy(), abs=1e-3)
    assert optimised.heat == pytest.approx(blood.sigmoid().numpy(), abs=1e-2)


def test_the_file_loads_with_torch_alone_and_is_small() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        network = torch.jit.load(WEIGHTS / "falx.pt")  # type: ignore[no-untyped-call]

    assert {parameter.dtype for parameter in network.parameters()} == {torch.float16}
    assert (WEIGHTS / "falx.pt").stat().st_size < 55e6


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError, match="The device xpu is not there"):
        load_predictor(WEIGHTS, "xpu")


def test_a_swapped_network_stops_the_load(tmp_path: Path) -> None:
    shutil.copy(WEIGHTS / "falx.json", tmp_path)
    (tmp_path / "falx.pt").write_bytes(b"another network")

    with pytest.raises(ArtifactError, match="it was changed or belongs to another card"):
        load_predictor(tmp_path, "cpu")


def test_on_test_patients_bleeding_slices_score_above_clear_ones(
    predictor: Predictor, shared_data: Path
) -> None:
    """A guard against broken preprocessing or swapped labels, not a measure of quality."""
    root = shared_data / "ct-ich"
    labelled = [item for item in read_labels(root) if item.patient in SOME_TEST_PATIENTS]
    scores: dict[int, list[float]] = {0: [], 1: []}
    for patient in SOME_TEST_PATIENTS:
        slices = [item for item in labelled if item.patient == patient][6:27:4]
        read = CtIchSet(root).read([one.name for one in slices])
        hu = [item.hu for item in read if isinstance(item, SourceSlice)]
        probabilities = predictor.predict(hu, positions(len(hu)), ignore).probabilities
        for item, row in zip(slices, probabilities, strict=True):
            scores[item.targets[0]].append(float(row[0]))

    assert np.mean(scores[1]) > np.mean(scores[0])
