"""Batches gathered where the pixels lie are those that are read from the caches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cache_factory import write_cache
from model import train
from model.data.batches import Numbered, read_batches
from model.data.cached import CachedSet, open_cache
from model.data.cells import SIDE
from model.data.mixture import Drawing, Pool, make_pool, shares_of
from model.data.resident import Batch, ResidentPixels, bytes_of, copy_to_device
from model.data.simulated_bank import VERSION, Bank, open_bank
from model.data.simulated_draws import EpochDraws, Simulation, Simulator, epoch_draws
from model.errors import TrainingError
from model.labels import LABELS
from model.system.files import write_json
from model.training.checkpoint import load_checkpoint
from model.training.data import load_data
from model.training.distributed import Processes
from model.training.recipe import recipe_from
from model.training.residency import resident_pixels

CPU = torch.device("cpu")
BATCHES = [np.array([40, 3, 3, 17]), np.array([0, 63])]
SMALL = ["--architecture=test_resnet", "--size=32", "--batch-size=8", "--device=cpu"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[CachedSet]:
    """Caches of 40 and of 24 slices."""
    root = tmp_path_factory.mktemp("caches")
    return [
        open_cache(write_cache(root / "a", patients=10, slices=4, name="a")),
        open_cache(write_cache(root / "b", patients=6, slices=4, seed=1, name="b")),
    ]


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cache and a bank of its slices, three of each, brightened by 1 to 3 HU."""
    folder = tmp_path_factory.mktemp("lent")
    cached = open_cache(write_cache(folder / "cache", patients=20, slices=4))
    healthy = cached.frame[cached.frame["patient"].isin(healthy_patients(cached))]
    frame = pd.concat([healthy] * 3)
    brighter = np.repeat([1, 2, 3], len(healthy)).astype(np.int16)
    (folder / "bank").mkdir()
    cells = np.random.default_rng(0).integers(0, 2, (len(frame), 5, SIDE, SIDE), np.uint8)
    np.save(folder / "bank" / "cells.npy", cells)
    np.save(folder / "bank" / "hu.npy", cached.hu[frame["row"]] + brighter[:, None, None])
    frame["any"] = frame["subdural"] = brighter % 2
    kept = frame[["patient", "series", "row", *LABELS]].rename(columns={"row": "host_row"})
    kept.to_parquet(folder / "bank" / "slices.parquet")
    write_json(folder / "bank" / "bank.json", {"version": VERSION, "slices": len(kept), "size": 32})
    return folder


def healthy_patients(cached: CachedSet) -> list[str]:
    bleeds = cached.frame.groupby("patient")["any"].max()
    return sorted(bleeds.index[bleeds == 0])


def whole(sets: list[CachedSet], slices_per_input: int = 1) -> Pool:
    return make_pool(sets, [np.ones(len(item.frame), bool) for item in sets], slices_per_input)


def bank_of(lent: Path) -> tuple[CachedSet, Bank]:
    """The bank, of two thirds of its patients."""
    cached = open_cache(lent / "cache")
    return cached, open_bank(lent / "bank", cached, healthy_patients(cached)[:6])


def assert_same(
    pixels: ResidentPixels, samples: Numbered, pool: Pool, device: torch.device = CPU
) -> None:
    held = read_batches(pixels.samples(pool), BATCHES, device)
    read: Iterator[Batch] = read_batches(samples, BATCHES, device)
    for one, other in zip(held, read, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            assert mine.dtype == theirs.dtype
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("slices_per_input", [1, 3])
def test_a_pool_of_two_caches_is_gathered_as_it_is_read(
    sets: list[CachedSet], slices_per_input: int
) -> None:
    pool = whole(sets, slices_per_input)
    # In another order than the pool has them, and copied in several parts.
    pixels = copy_to_device([sets[1].hu, sets[0].hu], CPU)

    assert_same(pixels, pool, pool)
    assert pixels.pixels.nbytes == bytes_of(pool.hu)


def test_an_epoch_of_real_draws_is_gathered_as_it_is_read(sets: list[CachedSet]) -> None:
    pool = whole(sets)
    drawing = Drawing(shares_of([1, 0.5]), "hybrid")
    epoch = epoch_draws(pool, drawing, None, slices=64, seed=3, epoch=1)

    assert_same(copy_to_device(pool.hu, CPU), epoch, epoch.settled())


def drawn_from(lent: Path) -> tuple[EpochDraws, Bank]:
    cached, bank = bank_of(lent)
    pool = whole([cached])
    simulation = Simulation(0.4, bank)
    return epoch_draws(pool, Drawing((1.0,)), simulation, slices=64, seed=3, epoch=1), bank


def test_an_epoch_with_a_bank_is_gathered_as_it_is_read(lent: Path) -> None:
    epoch, bank = drawn_from(lent)

    assert 0 < len(bank) < len(bank.hu), "some of the bank must not be drawn"
    assert_same(copy_to_device([*epoch.pool.hu, bank.hu], CPU), epoch, epoch.settled())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gathers_what_a_loader_brings_it(lent: Path) -> None:
    epoch, bank = drawn_from(lent)
    gpu = torch.device("cuda")

    assert_same(copy_to_device([*epoch.pool.hu, bank.hu], gpu), epoch, epoch.settled(), gpu)


def test_a_run_learns_the_same_wherever_its_pixels_lie(
    lent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--cache={lent / 'cache'}", *SMALL, "--epochs=1", "--slices-per-epoch=32"]
    options += [f"--bank={lent / 'bank'}", "--simulate=0.5"]
    for resident in ("yes", "auto"):
        train.main([*options, f"--run={tmp_path / resident}", f"--resident={resident}"])

    held, read = (load_checkpoint(tmp_path / name / "last.pt") for name in ("yes", "auto"))
    assert held["best_loss"] == read["best_loss"]
    for name, value in held["network"].items():
        assert torch.equal(value, read["network"][name]), name
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("on cpu, where the pixels are, fp32") == 1


def test_what_is_simulated_as_it_is_drawn_cannot_lie_on_the_device(
    lent: Path, tmp_path: Path
) -> None:
    options = train.parse_arguments([f"--cache={lent / 'cache'}", f"--run={tmp_path}", *SMALL])
    data = load_data(options, recipe_from(options), Processes(CPU))
    simulated = replace(data, simulation=Simulation(0.5, Simulator(0.7, (), ())))

    assert resident_pixels("yes", data, CPU) is not None
    assert resident_pixels("no", data, CPU) is None
    with pytest.raises(TrainingError, match="--resident yes: slices that are simulated as they"):
        resident_pixels("yes", simulated, CPU)
