"""What is unlike training is far from it, in the network, in the artefact and in words."""

import io
import json
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
import torch

from ct_factory import ct_file
from familiar_factory import familiar_network, noise, write_artefact
from model.architecture.familiarity import Familiarity, channel_statistics
from model.artifact import load_card
from model.dicom.eligibility import Eligibility
from model.errors import ArtifactError, TrainingError
from model.evaluation.unfamiliar_examples import made, other_files, spoilt
from model.evaluation.unfamiliarity import (
    BLEEDING,
    Scored,
    measure_examples,
    slice_statistics,
)
from model.exporting.torchscript import network_bytes, script
from model.network import HemorrhageNetwork, NetworkSpec
from model.predictor import load_predictor
from model.training.familiarity_fitting import fit_familiarity, prediction_limit
from model.unfamiliar import UnfamiliarFacts, judge_unfamiliarity

SIZE = 24
FACTS = UnfamiliarFacts(2.0, 5.0, "for a test", ())


def statistics(count: int, seed: int = 0) -> torch.Tensor:
    """Draws that vary mostly in five directions."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(5, SIZE, generator=torch.Generator().manual_seed(9))
    along = torch.randn(count, 5, generator=generator) @ directions
    return along + 0.1 * torch.randn(count, SIZE, generator=generator)


def fitted(count: int = 4000) -> Familiarity:
    return Familiarity(**fit_familiarity(statistics(count).numpy()))


def positions(count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.arange(count, dtype=np.float32)


def ignore(_done: int) -> None:
    """Progress that nobody watches."""


# ------------------------------------------------------------------------------------ the distance


def test_slices_like_those_of_training_are_about_1_away() -> None:
    assert fitted().distance(statistics(2000, seed=1)).square().mean().item() == pytest.approx(
        1, rel=0.1
    )


def test_the_distance_is_that_of_mahalanobis() -> None:
    few = Familiarity(**fit_familiarity(statistics(32).numpy()))
    new = statistics(10, seed=1)
    axes, rest = few.axes.double().numpy(), few.rest.item() ** 2
    variances = few.deviations.double().numpy() ** 2
    covariance = axes.T @ np.diag(variances - rest) @ axes + rest * np.eye(SIZE)
    away = ((new - few.mean) / few.scale).double().numpy()

    squared = np.einsum("si,ij,sj->s", away, np.linalg.inv(covariance), away)

    assert len(axes) == 8
    assert few.distance(new).numpy() == pytest.approx(np.sqrt(squared / SIZE), rel=1e-3)


def test_what_training_never_varied_in_counts_most() -> None:
    known = statistics(400)
    torch.manual_seed(1)
    inside, outside = known[:50] * 1.5, known[:50] + 0.8 * torch.randn(50, SIZE)
    familiarity = fitted()

    assert familiarity.distance(outside).min() > familiarity.distance(inside).max()


def test_beyond_30_deviations_nothing_more_is_said() -> None:
    new = statistics(1, seed=1).repeat(3, 1)
    new[:, 0] = torch.tensor([1.0, 1e4, 1e9])

    near, far, farthest = fitted().distance(new).tolist()

    assert near < far == farthest


def test_of_maps_the_channels_means_and_deviations_count() -> None:
    maps = torch.randn(3, SIZE // 2, 4, 4)

    found = channel_statistics(maps)

    assert found[:, : SIZE // 2].numpy() == pytest.approx(maps.numpy().mean(axis=(2, 3)), abs=1e-6)
    assert found[:, SIZE // 2 :].numpy() == pytest.approx(maps.numpy().std(axis=(2, 3)), abs=1e-6)
    assert torch.equal(fitted()(maps), fitted().distance(found))


@pytest.mark.parametrize("damaged", [np.zeros((3, 8)), np.full((20, 8), np.nan)])
def test_too_little_or_no_numbers_cannot_be_fitted(
    damaged: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    with pytest.raises(TrainingError, match="it needs 8 or more, whose features are all finite"):
        fit_familiarity(damaged)


# ----------------------------------------------------------------------------------- the threshold


def test_with_many_series_the_limit_is_their_quantile() -> None:
    values = np.exp(np.random.default_rng(0).normal(0.2, 0.1, 20_000))

    assert prediction_limit(values.tolist(), 0.01) == pytest.approx(np.quantile(values, 0.99), 1e-2)


def test_of_few_series_as_many_further_ones_lie_beyond_the_limit_as_were_asked_for() -> None:
    generator = np.random.default_rng(0)
    draws = np.exp(generator.normal(0.2, 0.1, (4000, 9)))

    beyond = [prediction_limit(row[:8].tolist(), 0.05) < row[8] for row in draws]

    assert np.mean(beyond) == pytest.approx(0.05, abs=0.015)


def test_one_series_sets_no_limit() -> None:
    with pytest.raises(TrainingError, match="From one patient nothing can be said"):
        prediction_limit([1.0], 0.01)


# ------------------------------------------------------------------------------------ the artefact


@pytest.mark.parametrize("blood_map", [False, True])
def test_the_artefact_in_half_precision_knows_the_distance(blood_map: bool) -> None:
    network = familiar_network(blood_map=blood_map)
    new = torch.from_numpy(np.stack(noise(5, seed=1)))[:, None]
    with torch.inference_mode():
        expected = network.encode_and_compare(new)
        assert all(map(torch.equal, network.encode(new), expected))

    scripted = torch.jit.load(io.BytesIO(network_bytes(script(network)))).float()  # type: ignore[no-untyped-call]

    with torch.inference_mode():
        found = scripted.encode_and_compare(new)
    for one, other in zip(found, expected, strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), rel=0.02, abs=0.02)


def test_an_artefact_to_which_nothing_was_fitted_knows_no_distance() -> None:
    scripted = script(HemorrhageNetwork(NetworkSpec("test_resnet", 32))).float()

    with torch.inference_mode():
        *_, found = scripted.encode_and_compare(torch.from_numpy(np.stack(noise(3)))[:, None])

    assert found.shape == (3,)
    assert found.isnan().all()


def test_a_series_is_judged_by_the_median_of_its_slices(tmp_path: Path) -> None:
    predictor = load_predictor(write_artefact(tmp_path, 2, 5), "cpu")
    network = familiar_network()
    assert network.familiarity is not None
    hu = [*noise(2, seed=1), np.full((64, 64), 40, np.int16)]
    distances = network.familiarity.distance(torch.from_numpy(slice_statistics(network, hu)))

    found = predictor.predict(hu, positions(3), ignore).unfamiliarity

    assert distances.argmax() == 2
    assert found == pytest.approx(np.median(distances.numpy()), rel=0.02)


def test_weights_that_know_none_serve_without_a_score(tmp_path: Path) -> None:
    folder = write_artefact(tmp_path, 2, 5)
    card = json.loads((folder / "falx.json").read_text())
    del card["unfamiliar"]
    (folder / "falx.json").write_text(json.dumps(card))

    predictor = load_predictor(folder, "cpu")

    assert predictor.card.unfamiliar is None
    assert predictor.predict(noise(1), positions(1), ignore).unfamiliarity is None


@pytest.mark.parametrize("thresholds", [(2.0, 2.0), (-1.0, 2.0), (2.0, float("inf"))])
def test_thresholds_that_make_no_sense_stop_the_load(
    tmp_path: Path, thresholds: tuple[float, float]
) -> None:
    with pytest.raises(ArtifactError, match="unfamiliarity warns from"):
        load_card(write_artefact(tmp_path, *thresholds) / "falx.json")


# ------------------------------------------------------------------------------- what is said of it


def test_what_is_familiar_or_not_known_is_passed_without_a_word() -> None:
    for score, facts in ((1.99, FACTS), (None, FACTS), (9.0, None)):
        assert judge_unfamiliarity(score, facts) == Eligibility(True, "", ())


def test_from_the_first_threshold_on_there_is_a_warning() -> None:
    judged = judge_unfamiliarity(2.0, FACTS)

    assert judged.eligible
    assert "unlike the images the model was trained on" in judged.warnings[0]


@pytest.mark.parametrize("score", [5.0, float("inf"), float("nan")])
def test_from_the_second_on_or_without_a_number_nothing_is_analysed(score: float) -> None:
    judged = judge_unfamiliarity(score, FACTS)

    assert not judged.eligible
    assert "unlike the images the model was trained on" in judged.reason


# ----------------------------------------------------------------------------------------- examples


def test_a_head_is_spoilt_in_every_way_and_stays_whole_itself() -> None:
    head = np.arange(-100, 156, dtype=np.int16).reshape(16, 16)

    found = {one.kind: one.hu[0] for one in spoilt([head, head])}

    assert len(found) == 6
    assert all(not np.array_equal(hu, head) for hu in found.values())
    assert {hu.dtype for hu in found.values()} == {np.dtype(np.int16)}
    too_high = found["head, stored values taken for HU (1024 too high)"]
    assert np.array_equal(too_high, head + 1024)
    assert found["head, 8-bit grey levels taken for HU"].max() == 255
    assert np.array_equal(head, np.arange(-100, 156).reshape(16, 16))


def test_shapes_are_made_the_same_every_time() -> None:
    first, second = list(made(2)), list(made(2))

    assert [one.kind for one in first] == [
        kind for kind in ("noise", "blank", "cylinder phantom") for _ in range(2)
    ]
    assert all(np.array_equal(a.hu[0], b.hu[0]) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0].hu[0], first[1].hu[0])


def test_files_of_other_modalities_and_parts_are_read_as_if_they_were_ct() -> None:
    folder = Path(pydicom.data.get_testdata_file("MR_small.dcm", read=False)).parent  # type: ignore[arg-type]

    found = other_files(folder)

    kinds = [one.kind for one in found]
    assert kinds.count("CT of another part of the body") == 1  # the others are heads, or too small
    assert kinds.count("image of another modality") >= 3
    assert all(len(one.hu) == 1 and min(one.hu[0].shape) >= 64 for one in found)


def test_of_a_series_one_file_counts_and_what_is_no_dicom_is_passed_over(tmp_path: Path) -> None:
    hu = np.full((80, 80), 40, np.int16)
    (tmp_path / "1.dcm").write_bytes(ct_file(hu, SOPInstanceUID="1.2.3"))
    (tmp_path / "2.dcm").write_bytes(ct_file(hu, SOPInstanceUID="1.2.4"))
    (tmp_path / "small.dcm").write_bytes(ct_file(hu[:32], SeriesInstanceUID="1.2.5"))
    (tmp_path / "notes.txt").write_text("no image")

    (only,) = other_files(tmp_path)

    assert np.array_equal(only.hu[0], hu)
    assert only.spacing_mm == (0.5, 0.5)


def test_each_series_is_held_against_its_own_limit() -> None:
    scored = [Scored(BLEEDING, 1.0, False)] * 4

    (own,) = measure_examples(scored, [0.5, 0.9, 1.1, 2.0], 1.5)

    assert (own["warned"], own["refused"]) == (0.5, 0.25)


def test_each_kind_is_measured_against_test_patients_heads() -> None:
    scored = [
        *(Scored(BLEEDING, score, False) for score in (0.9, 1.0, 1.1, 2.5)),
        *(Scored("noise", score, True) for score in (0.95, 3.0, 6.0, 7.0)),
    ]

    own, noisy = measure_examples(scored, [2.0] * 8, 2.5)

    assert (own["familiar"], own["auc"], own["series"]) == (True, None, 4)
    assert (own["warned"], own["refused"]) == (0.25, 0)
    assert (noisy["familiar"], noisy["warned"], noisy["refused"]) == (False, 0.75, 0.5)
    assert (noisy["median"], noisy["refused_before"]) == (4.5, 1)
    assert noisy["auc"] == pytest.approx(13 / 16)
