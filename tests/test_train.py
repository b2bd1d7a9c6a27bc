"""A run trains, logs, stops where it must and goes on as if it had never stopped."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from model import train
from model.data.sampling import prior_shift, sampling_weights
from model.errors import TrainingError
from model.labels import LABELS
from model.metrics import weighted_log_loss

RECIPE = train.Recipe(size=32, epochs=2, slices_per_epoch=4, batch_size=2, seed=1)
FAST = ["--size=32", "--slices-per-epoch=4", "--batch-size=2", "--seed=1"]


@pytest.fixture(scope="module")
def ct_ich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten patients of two slices in CT-ICH's form; every second slice bleeds."""
    root = tmp_path_factory.mktemp("ct-ich")
    generator = np.random.default_rng(0)
    rows = ["patient,slice,intraventricular,intraparenchymal,subarachnoid,epidural,subdural"]
    for folder in ("brain", "bone"):
        (root / folder).mkdir()
    for patient in range(1, 11):
        for number in (1, 2):
            brain = generator.integers(60, 120, (64, 64), dtype=np.uint8)
            brain[:24, :24] += np.uint8(80 * (number - 1))
            bone = np.rint(70.125 + 0.0375 * brain).astype(np.uint8)
            Image.fromarray(brain).save(root / "brain" / f"{patient:03d}_{number:02d}.jpg")
            Image.fromarray(bone).save(root / "bone" / f"{patient:03d}_{number:02d}.jpg")
            rows.append(f"{patient},{number}" + f",{number - 1}" * 5)
    (root / "labels.csv").write_text("\n".join(rows))
    return root


def run(ct_ich: Path, folder: Path, *options: str) -> None:
    places = [f"--data={ct_ich}", f"--cache={ct_ich / 'cache'}", f"--run={folder}"]
    train.main([*places, *FAST, *options])


def targets_with(positives: int, negatives: int) -> NDArray[np.int64]:
    """`positives` epidural slices, then negative ones."""
    targets = np.zeros((positives + negatives, len(LABELS)), np.int64)
    targets[:positives, :2] = 1
    return targets


def test_a_run_in_two_halves_leaves_one_log_and_both_checkpoints(
    ct_ich: Path, tmp_path: Path
) -> None:
    run(ct_ich, tmp_path, "--epochs=1")
    run(ct_ich, tmp_path, "--epochs=2", "--resume")

    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    content = train.load_checkpoint(tmp_path / "last.pt")
    assert content["epoch"] == 2
    assert content["recipe"]["seed"] == 1
    assert set(content["parts"]) == {"train", "calibrate", "test"}
    assert len(content["prior_shift"]) == len(LABELS)
    assert (tmp_path / "best.pt").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_resumed_run_ends_exactly_like_an_unbroken_one(ct_ich: Path, tmp_path: Path) -> None:
    data = train.load_data(ct_ich, ct_ich / "cache")
    rows = np.arange(len(data.targets))
    unbroken = train.start(RECIPE, [0.3] * 6)
    train.train_one_epoch(unbroken, data, rows, RECIPE)
    train.save_checkpoint(tmp_path / "first.pt", unbroken, {})
    train.train_one_epoch(unbroken, data, rows, RECIPE)

    resumed = train.start(RECIPE, [0.9] * 6)
    train.restore(resumed, train.load_checkpoint(tmp_path / "first.pt"))
    train.train_one_epoch(resumed, data, rows, RECIPE)

    for name, value in unbroken.average.state_dict().items():
        assert torch.equal(value, resumed.average.state_dict()[name]), name


def test_a_loss_that_is_no_number_ends_the_run(ct_ich: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"The loss is nan in epoch 1, step 2"):
        run(ct_ich, tmp_path, "--epochs=1", "--learning-rate=1e38")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"damaged")

    with pytest.raises(TrainingError, match=r"The checkpoint last\.pt cannot be read"):
        train.load_checkpoint(tmp_path / "last.pt")


def test_positives_make_up_the_wanted_share_of_draws() -> None:
    targets = targets_with(positives=10, negatives=90)

    weights = sampling_weights(targets, 0.35)

    assert weights.sum() == pytest.approx(1)
    assert weights[:10].sum() == pytest.approx(0.35)


def test_a_rare_subtype_is_drawn_more_often_than_a_common_one() -> None:
    targets = targets_with(positives=20, negatives=20)
    targets[0, 1:] = (0, 0, 0, 0, 1)

    weights = sampling_weights(targets, 0.5)

    assert weights[0] > weights[1]


@pytest.mark.parametrize(("positives", "negatives"), [(4, 0), (0, 4)])
def test_one_class_alone_cannot_be_trained_on(positives: int, negatives: int) -> None:
    with pytest.raises(TrainingError, match="slices with and slices without hemorrhage"):
        sampling_weights(targets_with(positives, negatives), 0.35)


def test_the_prior_shift_takes_logits_back_to_the_true_prevalence() -> None:
    targets = targets_with(positives=10, negatives=90)
    weights = sampling_weights(targets, 0.5)

    shift = prior_shift(targets, weights)

    drawn_log_odds = 0.0
    assert 1 / (1 + np.exp(-(drawn_log_odds + shift[0]))) == pytest.approx(0.1)
    assert shift[5] == pytest.approx(0)


def test_the_loss_is_the_metric() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.0, -0.5, 1.0]])
    targets = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0, 0.0]])

    loss = train.weighted_bce(logits, targets).item()

    metric = weighted_log_loss(targets.numpy().astype(np.int64), logits.sigmoid().numpy())
    assert loss == pytest.approx(metric, rel=1e-5)


def test_the_learning_rate_warms_up_then_falls_to_nothing() -> None:
    recipe = train.Recipe(size=32, epochs=10, slices_per_epoch=40, batch_size=2)
    state = train.start(recipe, [0.3] * 6)
    rates = []
    for _ in range(200):
        rates.append(state.optimiser.param_groups[0]["lr"])
        state.optimiser.step()
        state.schedule.step()

    assert rates[0] == pytest.approx(recipe.learning_rate / 10)
    assert max(rates) == pytest.approx(recipe.learning_rate)
    assert rates[-1] < recipe.learning_rate / 1000
