"""Training draws simulated bleeding: whose slices, how often, and the same however it is run."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cache_factory import write_cache
from model import train
from model.data.batches import read_batches
from model.data.cached import CachedSet, field_placement, open_cache
from model.data.mixture import Drawing, Pool, make_pool
from model.data.sampling import prior_shift
from model.data.simulate.store import build_store
from model.data.simulated_draws import (
    SIMULATED,
    EpochDraws,
    Simulation,
    Simulator,
    epoch_draws,
    lending_patients,
    open_lender,
)
from model.errors import TrainingError
from model.training import data as training_data
from model.training.checkpoint import load_checkpoint
from model.training.distributed import Processes

PIXELS = 64
SMALL = ["--architecture=test_resnet", "--size=32", "--batch-size=4", "--device=cpu", "--epochs=1"]


@pytest.fixture(scope="module", autouse=True)
def few_estimates() -> Iterator[None]:
    """Training makes a thousand draws, to estimate how many bleed, before it begins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_data, "_ESTIMATE_DRAWS", 60)
        yield


@pytest.fixture(scope="module")
def folder(simulated_cache: Path) -> Path:
    return simulated_cache


@pytest.fixture(scope="module")
def cached(folder: Path) -> CachedSet:
    return open_cache(folder)


def everyone(cached: CachedSet) -> list[str]:
    return sorted(set(cached.frame["patient"]))


def simulation(cached: CachedSet, share: float = 0.5, slices_per_input: int = 1) -> Simulation:
    patients = lending_patients(cached, everyone(cached))
    lender = open_lender(cached, patients, slices_per_input)
    return Simulation(share, Simulator(0.7, (lender,), (1.0,)))


def pool(cached: CachedSet, slices_per_input: int = 1) -> Pool:
    return make_pool([cached], [np.ones(len(cached.frame), bool)], slices_per_input)


def draws(cached: CachedSet, share: float = 0.5, epoch: int = 0, context: int = 1) -> EpochDraws:
    simulated = simulation(cached, share, context)
    whole = pool(cached, context)
    return epoch_draws(whole, Drawing((1.0,)), simulated, slices=64, seed=3, epoch=epoch)


@pytest.mark.parametrize("share", [0.25, 0.29, 0.5, 1.0])
def test_every_batch_has_its_share_of_simulated_draws(cached: CachedSet, share: float) -> None:
    batches = (draws(cached, share).order == SIMULATED).reshape(-1, 16).sum(axis=1)

    assert (abs(batches - 16 * share) < 1).all()


def test_without_simulation_an_epoch_is_what_it_was(cached: CachedSet) -> None:
    whole = pool(cached)

    epoch = epoch_draws(whole, Drawing((1.0,)), None, slices=64, seed=3, epoch=0)

    read, wanted = epoch.read(np.arange(64)), whole.read(epoch.order)
    assert (epoch.order >= 0).all()
    assert np.array_equal(read.hu, wanted.hu)
    assert np.array_equal(read.targets, wanted.targets)


def test_a_draw_depends_on_its_place_and_on_nothing_else(cached: CachedSet) -> None:
    epoch, whole = draws(cached), np.arange(64)
    together = epoch.read(whole)

    for chosen in (np.array([63, 4, 7, 5]), np.array([5]), np.array([4, 6])):
        alone = epoch.read(chosen)
        assert np.array_equal(alone.hu, together.hu[chosen])
        assert np.array_equal(alone.placement, together.placement[chosen])
        assert np.array_equal(alone.targets, together.targets[chosen])
    other = draws(cached, epoch=1).read(whole)
    assert not np.array_equal(other.hu[epoch.order == SIMULATED], together.hu[1::2])


def test_reading_processes_make_what_the_main_process_makes(cached: CachedSet) -> None:
    batches = list(np.arange(64).reshape(-1, 16))

    alone, apart = (
        [*read_batches(draws(cached, context=3), batches, torch.device("cpu"), workers)]
        for workers in (0, 2)
    )

    for one, other in zip(alone, apart, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_simulated_bleeding_has_its_own_labels_in_slices_that_lent_none(cached: CachedSet) -> None:
    epoch = draws(cached, share=1.0)
    samples = epoch.read(np.arange(64))

    positive = samples.targets[:, 0] == 1
    assert 0.25 < positive.mean() < 0.75
    assert (samples.targets[:, 1:].max(axis=1) == samples.targets[:, 0]).all()
    lent = cached.frame.loc[cached.frame["any"] == 0, "row"]
    originals = np.asarray(cached.hu[np.sort(lent)], np.int32)
    for hu in samples.hu[positive][:8, 0]:
        changed = (originals != hu).mean(axis=(1, 2))
        assert 0 < changed.min() < 0.6


def test_processes_share_the_draws_that_estimate_how_many_bleed(cached: CachedSet) -> None:
    estimated = simulation(cached)
    simulator = estimated.source
    assert isinstance(simulator, Simulator)
    three = [Processes(torch.device("cpu"), rank, world=3) for rank in range(3)]

    parts = [simulator.count(training_data.estimated_by(processes)) for processes in three]

    alone = training_data.simulated_prevalence(estimated, Processes(torch.device("cpu")))
    assert np.array_equal(np.sum(parts, axis=0) / 60, alone)
    assert all(part[0] < 60 * alone[0] for part in parts)


def test_three_slices_are_neighbours_with_their_own_placement(cached: CachedSet) -> None:
    simulated = simulation(cached, 1.0, slices_per_input=3).source
    single = simulation(cached, 1.0).source
    assert isinstance(simulated, Simulator)
    seeds = [np.random.SeedSequence(number) for number in range(12)]
    placement = field_placement(cached.frame)
    rows = cached.frame["row"].to_numpy()

    for seed in seeds:
        three, alone = simulated.draw(seed), single.draw(seed)
        _, made = simulated._made(seed, neighbours=1)

        assert three.hu.shape == (1, 3, PIXELS, PIXELS)
        assert three.hu.dtype == np.int16
        assert np.array_equal(three.hu[:, 1], alone.hu[:, 0])
        at = int(np.flatnonzero(rows == made.row)[0])
        series = np.flatnonzero(cached.frame["series"] == made.series)
        around = np.clip([at - 1, at, at + 1], series[0], series[-1])
        assert np.array_equal(three.placement[0], placement[around])


def test_only_train_patients_without_hemorrhage_lend_their_slices(cached: CachedSet) -> None:
    patients = everyone(cached)[:6]
    frame = cached.frame
    bleeding = set(frame.loc[frame["any"] == 1, "patient"])

    lending = lending_patients(cached, patients)

    assert lending == set(patients) - bleeding
    assert {series.patient for series in open_lender(cached, lending, 1).store} == lending
    with pytest.raises(TrainingError, match="no patient without hemorrhage in its train part"):
        lending_patients(cached, sorted(bleeding))


def test_a_lender_keeps_no_file_open(cached: CachedSet) -> None:
    own = Path("/proc/self/fd")
    before = len(list(own.iterdir()))

    simulated = simulation(cached)
    simulated.source.draw(np.random.SeedSequence(0))

    assert len(list(own.iterdir())) == before


def test_who_shares_a_slice_with_other_labels_lends_none(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "cache")
    frame = pd.read_parquet(tmp_path / "cache" / "slices.parquet")
    bleeding = frame.index[frame["any"] == 1][0]
    healthy = frame.index[~frame["patient"].isin(frame.loc[frame["any"] == 1, "patient"])][0]
    frame.loc[[bleeding, healthy], "pixel_hash"] = "0" * 32
    frame.to_parquet(tmp_path / "cache" / "slices.parquet")
    cached = open_cache(tmp_path / "cache")

    lending = lending_patients(cached, everyone(cached))

    assert len(lending) == 4
    assert f"{cached.name}:{frame.loc[healthy, 'patient']}" not in lending


def test_slices_without_a_brain_take_up_no_bleeding(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", patients=2, slices=2)
    np.lib.format.open_memmap(cache / "hu.npy", "r+")[:] = -1000
    build_store(cache, workers=1)
    cached = open_cache(cache)

    with pytest.raises(TrainingError, match="No brain was found in the slices of"):
        open_lender(cached, lending_patients(cached, everyone(cached)), 1)


# ------------------------------------------------------------------------------------- runs


def command(cache: Path, run: Path, *options: str) -> list[str]:
    return [f"--cache={cache}", f"--run={run}", *SMALL, "--simulate=0.5", *options]


@pytest.fixture(scope="module")
def unbroken(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    run = tmp_path_factory.mktemp("unbroken")
    train.main(command(folder, run, "--slices-per-input=3", "--slices-per-epoch=32"))
    return run


def test_a_run_stopped_in_mid_epoch_ends_like_an_unbroken_one(
    folder: Path, unbroken: Path, tmp_path: Path
) -> None:
    options = ["--slices-per-input=3", "--slices-per-epoch=32"]
    train.main(command(folder, tmp_path, *options, "--minutes=0", "--workers=1"))
    stopped = load_checkpoint(tmp_path / "last.pt")

    train.main(command(folder, tmp_path, *options))

    assert stopped["step"] == 1
    ended, wanted = load_checkpoint(tmp_path / "last.pt"), load_checkpoint(unbroken / "last.pt")
    assert ended["prior_shift"] == wanted["prior_shift"]
    for part in ("network", "average"):
        for name, value in ended[part].items():
            assert torch.equal(value, wanted[part][name]), f"{part}.{name}"


def test_the_shift_undoes_what_the_mixture_draws(folder: Path, unbroken: Path) -> None:
    content = load_checkpoint(unbroken / "last.pt")
    frame = open_cache(folder).frame
    real = frame.loc[frame["patient"].isin(content["parts"]["train"]), "any"].mean()

    assert content["recipe"]["simulate"] == 0.5
    assert content["prevalence"][0] == pytest.approx(real)
    drawn = [0.5 * real + 0.5 * share for share in (0.25, 0.65)]
    limits = [prior_shift(np.array([real]), np.array([one]))[0] for one in drawn]
    assert limits[1] < content["prior_shift"][0] < limits[0]


def test_the_anatomy_is_found_where_it_is_missing(folder: Path, tmp_path: Path) -> None:
    without = shutil.ignore_patterns("anatomy", "folds.csv")
    cache = Path(shutil.copytree(folder, tmp_path / "cache", ignore=without))

    train.main(command(cache, tmp_path / "run", "--slices-per-epoch=8"))

    assert (cache / "anatomy" / "anatomy.json").exists()
    assert (tmp_path / "run" / "best.pt").exists()


@pytest.mark.parametrize("option", ["--simulate=1.5", "--simulate-bleeding=-1"])
def test_a_share_is_from_0_to_1(folder: Path, tmp_path: Path, option: str) -> None:
    with pytest.raises(TrainingError, match="it must be from 0 to 1"):
        train.main(command(folder, tmp_path, option))
