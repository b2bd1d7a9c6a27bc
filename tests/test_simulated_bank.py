"""A bank holds what the simulator makes, of the patients that may be drawn, and nothing half."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cache_factory import write_cache
from model import simulate, train
from model.data import simulated_bank
from model.data.cached import CachedSet, open_cache
from model.data.cells import cells_of_masks
from model.data.sampling import prior_shift
from model.data.simulate.insert import Plan
from model.data.simulate.store import list_store
from model.data.simulate.training import draw_training_slice
from model.data.simulated_bank import Bank, open_bank, write_bank
from model.data.simulated_draws import lending_patients
from model.errors import TrainingError
from model.labels import LABELS
from model.training.checkpoint import load_checkpoint

PIXELS = 64
SLICES = 60


@pytest.fixture(scope="module")
def cache(simulated_cache: Path) -> Path:
    return simulated_cache


@pytest.fixture(scope="module")
def folder(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank made by two processes, of more slices than one makes at once."""
    bank = tmp_path_factory.mktemp("bank")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_bank, "_CHUNK", 25)
        write_bank(cache, bank, slices=SLICES, seed=5, workers=2)
    return bank


def everyone(cached: CachedSet) -> set[str]:
    return set(cached.frame["patient"])


def opened(folder: Path, cache: Path) -> Bank:
    cached = open_cache(cache)
    return open_bank(folder, cached, everyone(cached))


def test_each_slice_is_the_simulators(cache: Path, folder: Path) -> None:
    cached = open_cache(cache)
    store = list(list_store(cached))
    bank = opened(folder, cache)

    for number in (0, 26, SLICES - 1):
        rng = np.random.default_rng([5, number])
        plan = Plan(bleeding=float(rng.random() < 0.7))
        made = draw_training_slice(cached.hu, store, rng, plan)
        assert np.array_equal(bank.hu[number], made.hu[0])
        assert np.array_equal(bank.targets[number], made.targets)
        assert np.array_equal(bank.cells[number], cells_of_masks(made.masks))
    assert 0.2 < bank.targets[:, 0].mean() < 0.8


def test_only_the_asked_patients_are_drawn(cache: Path, folder: Path) -> None:
    cached = open_cache(cache)
    some = sorted(lending_patients(cached, sorted(everyone(cached))))[:2]
    table = pd.read_parquet(folder / "slices.parquet")

    bank = open_bank(folder, cached, some)

    assert set(table["patient"].to_numpy()[bank.rows]) == set(some)
    assert len(bank) == int(table["patient"].isin(some).sum())
    with pytest.raises(TrainingError, match="no slice of the patients that are asked for"):
        open_bank(folder, cached, ["nobody"])


def test_a_draw_depends_on_its_seed_alone(cache: Path, folder: Path) -> None:
    bank = opened(folder, cache)

    first, again, other = (bank.draw(np.random.SeedSequence(seed)) for seed in (1, 1, 2))

    assert first.hu.shape == (1, 1, PIXELS, PIXELS)
    assert first.placement.shape == (1, 1, 3)
    assert np.array_equal(first.hu, again.hu)
    assert not np.array_equal(first.hu, other.hu)


def test_what_was_interrupted_is_no_bank(cache: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "bank")
    (tmp_path / "bank" / "bank.json").unlink()

    with pytest.raises(TrainingError, match="holds no finished bank"):
        opened(tmp_path / "bank", cache)


def test_a_bank_of_another_version_is_refused(cache: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "bank")
    description = json.loads((folder / "bank.json").read_text())
    (tmp_path / "bank" / "bank.json").write_text(json.dumps(description | {"version": 2}))

    with pytest.raises(TrainingError, match="its version is 2, 3 is read"):
        opened(tmp_path / "bank", cache)


def test_a_bank_of_another_cache_is_refused(cache: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_cache(other, patients=4, size=32)
    shutil.copytree(folder, tmp_path / "bank")
    table = pd.read_parquet(folder / "slices.parquet")
    table.assign(series="x:y").to_parquet(tmp_path / "bank" / "slices.parquet")

    with pytest.raises(TrainingError, match="slices of 64 pixels"):
        opened(folder, other)
    with pytest.raises(TrainingError, match="was not made from"):
        opened(tmp_path / "bank", cache)


def test_training_draws_from_the_bank(cache: Path, tmp_path: Path) -> None:
    """A label that no train patient has is taken for rare, not for impossible."""
    shutil.copytree(cache, tmp_path / "cache")
    cache, bank = tmp_path / "cache", tmp_path / "bank"
    slices = pd.read_parquet(cache / "slices.parquet")
    slices.assign(subdural=np.int8(0)).to_parquet(cache / "slices.parquet")
    simulate.main([f"--cache={cache}", f"--bank={bank}", "--slices=60", "--workers=1"])
    command = [f"--cache={cache}", f"--bank={bank}", f"--run={tmp_path / 'run'}", "--device=cpu"]
    small = ["--architecture=test_resnet", "--size=32", "--batch-size=4", "--epochs=1"]

    train.main([*command, *small, "--simulate=0.5", "--slices-per-epoch=16"])

    ended = load_checkpoint(tmp_path / "run" / "last.pt")
    cached = open_cache(cache)
    frame = cached.frame[cached.frame["patient"].isin(ended["parts"]["train"])]
    of_bank = open_bank(bank, cached, set(ended["parts"]["train"])).targets.mean(axis=0)
    real = frame.loc[~frame["blank"], list(LABELS)].mean().to_numpy()
    drawn = (real + of_bank) / 2
    assert real[-1] == 0 < of_bank[-1]
    assumed = np.maximum(real, 0.002)
    np.testing.assert_allclose(ended["prior_shift"], prior_shift(assumed, drawn), atol=1e-6)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["bank"]["slices"] == 60
    assert all(torch.isfinite(value).all() for value in ended["average"].values())


@pytest.mark.parametrize("options", [["--simulate=0"], ["--simulate=1", "--slices-per-input=3"]])
def test_a_bank_without_use_is_refused(
    cache: Path, folder: Path, tmp_path: Path, options: list[str]
) -> None:
    with pytest.raises(TrainingError, match="--bank holds single slices"):
        train.main([f"--cache={cache}", f"--bank={folder}", f"--run={tmp_path}", *options])
