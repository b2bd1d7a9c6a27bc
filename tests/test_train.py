"""A run trains, logs, stops where it must and goes on as if it had never stopped."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from app.config import PROJECT_ROOT
from cache_factory import write_cache
from model import train
from model.data.folds import PARTS
from model.errors import TrainingError
from model.evaluation.metrics import weighted_log_loss
from model.labels import LABELS, METRIC_WEIGHTS
from model.training.checkpoint import load_checkpoint
from model.training.data import named_caches
from model.training.log import read_log
from model.training.recipe import recipe_of

SMALL = ["--architecture=test_resnet", "--size=32", "--batch-size=4", "--seed=1", "--device=cpu"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("cache"), patients=20, slices=4)


def command(cache: Path | str, run: Path, *options: str) -> list[str]:
    return [f"--cache={cache}", f"--run={run}", *SMALL, *options]


def checkpoint(run: Path, name: str = "last") -> dict[str, Any]:
    return load_checkpoint(run / f"{name}.pt")


def assert_same_weights(first: dict[str, Any], second: dict[str, Any]) -> None:
    for part in ("network", "average"):
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), f"{part}.{name}"


@pytest.fixture(scope="module")
def unbroken(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two epochs that nothing disturbed."""
    run = tmp_path_factory.mktemp("unbroken")
    train.main(command(cache, run, "--epochs=2"))
    return run


def test_a_run_leaves_checkpoints_logs_and_what_it_was(cache: Path, unbroken: Path) -> None:
    last, best = checkpoint(unbroken), checkpoint(unbroken, "best")

    log = read_log(unbroken)
    assert [row["epoch"] for row in log] == [1, 2]
    assert best["best_loss"] == min(row["held_out_loss"] for row in log)
    assert (last["epoch"], last["step"]) == (2, 0)
    assert last["spec"]["architecture"] == "test_resnet"
    assert last["recipe"]["seed"] == 1
    assert last["caches"] == [{"folder": str(cache), "weight": 1.0}]
    assert last["folds"] == str(cache / "folds.csv")
    assert set(last["parts"]) == set(PARTS)
    assert len(last["prior_shift"]) == len(last["prevalence"]) == len(LABELS)
    assert last["seconds"] > 0
    assert (unbroken / "run.json").exists()
    assert list((unbroken / "tensorboard").iterdir())
    assert not list(unbroken.glob("*.part"))


def test_the_recipe_of_a_checkpoint_can_be_read_back(unbroken: Path) -> None:
    recipe = recipe_of(checkpoint(unbroken)["recipe"])

    assert recipe.architecture == "test_resnet"
    assert recipe.augmentation.flip
    assert recipe.precision == "fp32"


def test_a_run_killed_in_mid_epoch_ends_like_an_unbroken_one(
    cache: Path, tmp_path: Path, unbroken: Path
) -> None:
    arguments = command(cache, tmp_path, "--epochs=2")
    killed = subprocess.Popen(
        [sys.executable, "-m", "model.train", *arguments, "--checkpoint-minutes=0"],
        cwd=PROJECT_ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "last.pt").exists():
        with suppress(subprocess.TimeoutExpired):
            assert killed.wait(timeout=0.01) is None, "it ended before a checkpoint appeared"
    killed.kill()
    killed.wait()
    stopped = checkpoint(tmp_path)
    assert stopped["step"] > 0

    train.main(arguments)

    assert_same_weights(checkpoint(tmp_path), checkpoint(unbroken))
    mine, theirs = read_log(tmp_path), read_log(unbroken)
    for name in ("epoch", "train_loss", "held_out_loss", "learning_rate"):
        assert [row[name] for row in mine] == [row[name] for row in theirs]


def test_a_run_stops_when_its_time_is_up_and_goes_on(
    cache: Path, tmp_path: Path, unbroken: Path
) -> None:
    train.main(command(cache, tmp_path, "--epochs=2", "--minutes=0"))
    stopped = checkpoint(tmp_path)

    train.main(command(cache, tmp_path, "--epochs=2"))

    assert (stopped["epoch"], stopped["step"]) == (0, 1)
    assert_same_weights(checkpoint(tmp_path), checkpoint(unbroken))


def test_a_finished_run_is_left_as_it_is(cache: Path, unbroken: Path) -> None:
    before = (unbroken / "last.pt").stat().st_mtime_ns

    train.main(command(cache, unbroken, "--epochs=2"))

    assert (unbroken / "last.pt").stat().st_mtime_ns == before


def test_a_run_does_not_go_on_with_another_recipe(cache: Path, unbroken: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"last\.pt belongs to another run \(recipe\.epochs is 2 there, 3 here"
    ):
        train.main(command(cache, unbroken, "--epochs=3", "--no-flip"))


def test_a_run_from_before_an_option_goes_on_where_the_option_changes_nothing(
    cache: Path, tmp_path: Path
) -> None:
    newer = ("--no-kernel", "--no-padding")
    train.main(command(cache, tmp_path, "--epochs=1", *newer, "--minutes=0"))
    content = checkpoint(tmp_path)
    for name in ("simulate", "teacher_share"):
        del content["recipe"][name]
    for switch in ("kernel", "padding"):
        del content["recipe"]["augmentation"][switch]
    torch.save(content, tmp_path / "last.pt")

    for options, differing in (
        (("--teacher-share=0.3", *newer), r"recipe\.teacher_share is 0\.5 there, 0\.3 here"),
        ((), r"recipe\.augmentation\.kernel is False there, True here"),
    ):
        with pytest.raises(TrainingError, match=differing):
            train.main(command(cache, tmp_path, "--epochs=1", *options))
    train.main(command(cache, tmp_path, "--epochs=1", *newer))

    assert checkpoint(tmp_path)["epoch"] == 1


def test_the_first_epochs_may_see_small_inputs(cache: Path, tmp_path: Path) -> None:
    first_small = ("--size=64", "--small-size=32", "--small-epochs=1")
    train.main(command(cache, tmp_path / "first", *first_small, "--epochs=1"))
    train.main(command(cache, tmp_path / "small", "--size=32", "--epochs=1"))
    train.main(command(cache, tmp_path / "large", "--size=64", "--epochs=1"))

    first, small, large = (
        checkpoint(tmp_path / name)["network"]["head.weight"]
        for name in ("first", "small", "large")
    )
    assert torch.equal(first, small)
    assert not torch.equal(first, large)
    with pytest.raises(TrainingError, match="test_vit takes inputs of one size alone"):
        train.main(command(cache, tmp_path / "vit", "--architecture=test_vit", *first_small))


def test_a_recipe_of_a_newer_program_is_refused(unbroken: Path) -> None:
    newer = checkpoint(unbroken)["recipe"] | {"cleverness": 2}

    with pytest.raises(TrainingError, match=r"another version of this program: .* 'cleverness'"):
        recipe_of(newer)


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(
    cache: Path, tmp_path: Path
) -> None:
    arguments = command(cache, tmp_path, "--epochs=1", "--learning-rate=1e30", "--warm-up=0.2")

    with pytest.raises(TrainingError, match=r"The loss is (nan|inf) in epoch 1, step 2"):
        train.main([*arguments, "--checkpoint-minutes=0"])

    assert checkpoint(tmp_path)["step"] == 1
    assert [path.name for path in tmp_path.glob("*.pt*")] == ["last.pt"]


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint(cache: Path, tmp_path: Path) -> None:
    train.main(command(cache, tmp_path, "--epochs=1", "--minutes=0"))
    (tmp_path / "last.pt.part").symlink_to("/dev/full")

    with pytest.raises(TrainingError, match=r"last\.pt cannot be written: .*No space left"):
        train.main(command(cache, tmp_path, "--epochs=1", "--checkpoint-minutes=0"))

    assert checkpoint(tmp_path)["step"] == 1


def test_two_caches_three_slices_and_every_option_train(cache: Path, tmp_path: Path) -> None:
    other = write_cache(tmp_path / "other", patients=10, slices=4, seed=5, name="other")
    options = ["--slices-per-input=3", "--pooling=gem", "--sampling=hybrid", "--precision=bf16"]
    options += ["--accumulate=2", "--workers=2", "--slices-per-epoch=24", "--no-channels-last"]

    train.main([*command(cache, tmp_path / "run", "--epochs=1"), f"--cache={other}:0.3", *options])

    content = checkpoint(tmp_path / "run")
    assert [item["weight"] for item in content["caches"]] == [1.0, 0.3]
    assert content["folds"] == str(cache / "folds-other.csv")
    assert content["prior_shift"][0] != 0
    assert content["spec"]["slices_per_input"] == 3


def test_rotations_hold_out_other_patients(cache: Path, tmp_path: Path) -> None:
    tests = []
    for rotation in range(2):
        run = tmp_path / str(rotation)
        train.main(
            command(cache, run, "--epochs=1", "--slices-per-epoch=4", f"--rotation={rotation}")
        )
        tests.append(set(checkpoint(run)["parts"]["test"]))

    assert not tests[0] & tests[1]


def change_slices(
    cache: Path, folder: Path, columns: list[str], value: Any, every: int = 1
) -> Path:
    """Copy a cache and overwrite columns of every n-th slice."""
    shutil.copytree(cache, folder)
    (folder / "folds.csv").unlink(missing_ok=True)
    frame = pd.read_parquet(folder / "slices.parquet")
    frame.loc[::every, columns] = value
    frame.to_parquet(folder / "slices.parquet")
    return folder


def test_blank_and_contradictory_slices_are_left_out_and_counted(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = change_slices(cache, tmp_path / "doubtful", ["blank"], value=True, every=4)
    frame = pd.read_parquet(doubtful / "slices.parquet")
    # Of one patient with and without hemorrhage: the same image, labelled in two ways.
    same = frame["name"].isin([f"p001_{number:03d}.dcm" for number in (1, 2)])
    frame.loc[same, "pixel_hash"] = "0" * 32
    frame.to_parquet(doubtful / "slices.parquet")
    run = tmp_path / "run"

    train.main(command(doubtful, run, "--epochs=1", "--slices-per-epoch=4"))

    shown = " ".join(capsys.readouterr().out.split())
    patients = checkpoint(run)["parts"]["train"]
    twice = 2 * ("simulated:p001" in patients)
    assert (
        f"{3 * len(patients) - twice} slices to learn from (left out: {len(patients)} near-blank, "
        f"{twice} identical with other labels)" in shown
    )


def test_only_one_class_cannot_be_trained_on(cache: Path, tmp_path: Path) -> None:
    negative = change_slices(cache, tmp_path / "negative", list(LABELS), 0)

    with pytest.raises(TrainingError, match=r"/negative: Training needs slices with and slices"):
        train.main(command(negative, tmp_path / "run", "--epochs=1"))


def test_an_empty_train_part_is_told(cache: Path, tmp_path: Path) -> None:
    blank = change_slices(cache, tmp_path / "blank", ["blank"], value=True)

    with pytest.raises(TrainingError, match=r"No slice of .*/blank is left for training"):
        train.main(command(blank, tmp_path / "run", "--epochs=1"))


def test_a_cache_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"/nowhere holds no cache"):
        train.main(command(tmp_path / "nowhere", tmp_path / "run"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--batch-size=0", r"--batch-size is 0; it must be at least 1\."),
        ("--positive-share=1", r"--positive-share is 1\.0; it must be from 0\.001 to 0\.999\."),
        ("--learning-rate=0", r"--learning-rate is 0\.0; it must be above 0\."),
        ("--epochs=0", r"--epochs is 0; it must be from 1 to"),
        ("--architecture=resnet49", r"The network resnet49 is unknown"),
    ],
)
def test_an_option_out_of_its_limits_is_named(
    cache: Path, tmp_path: Path, option: str, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        train.main(command(cache, tmp_path / "run", option))


def test_the_command_tells_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "model.train", *command(tmp_path, tmp_path / "run")],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 1
    assert finished.stderr.startswith(f"falx: {tmp_path} holds no cache")
    assert finished.stderr.count("\n") == 1


def test_a_cache_may_be_weighted_and_its_path_may_hold_a_colon() -> None:
    assert named_caches(["a", "b:0.3", "c:d", "c:d:2"]) == [
        (Path("a"), 1.0),
        (Path("b"), 0.3),
        (Path("c:d"), 1.0),
        (Path("c:d"), 2.0),
    ]
    with pytest.raises(TrainingError, match=r"--cache a:0: the weight must be above 0"):
        named_caches(["a:0"])


def test_the_loss_is_the_metric() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.0, -0.5, 1.0]])
    targets = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0, 0.0]])

    loss = train.weighted_bce(logits, targets, METRIC_WEIGHTS).item()

    metric = weighted_log_loss(targets.numpy().astype(np.int64), logits.sigmoid().numpy())
    assert loss == pytest.approx(metric, rel=1e-5)
