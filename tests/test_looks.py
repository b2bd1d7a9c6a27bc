"""Folds by look hold out the patients that show it most, and nobody is lost."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cache_factory import write_cache
from model.data.cached import open_cache
from model.data.folds import parts_of, read_or_make_folds
from model.experiments import looks


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the last six of thirty patients are noisier, and its folds by look."""
    folder = tmp_path_factory.mktemp("looks")
    write_cache(folder / "cache", patients=30, size=64)
    frame = open_cache(folder / "cache").frame
    hu = np.lib.format.open_memmap(folder / "cache" / "hu.npy", "r+")
    generator = np.random.default_rng(0)
    for row in frame.loc[frame["patient"] >= "simulated:p024", "row"]:
        tissue = (hu[row] > 0) & (hu[row] < 100)
        hu[row][tissue] += generator.integers(-9, 10, hu[row].shape)[tissue].astype(np.int16)
    hu.flush()
    looks.main([f"--cache={folder / 'cache'}", f"--to={folder / 'looks'}"])
    return folder


def test_the_noisy_ones_are_the_test_part(folder: Path) -> None:
    cached = open_cache(folder / "cache")
    folds = read_or_make_folds(folder / "looks" / "folds-noisy.csv", [cached.frame])

    parts = parts_of(folds)

    assert parts["test"] == [f"simulated:p{number:03d}" for number in range(24, 30)]
    assert sorted(p for part in parts.values() for p in part) == sorted(set(folds))
    assert all(parts.values())


def test_each_look_has_its_folds(folder: Path) -> None:
    files = sorted(path.stem for path in (folder / "looks").iterdir())
    tested = {
        name: set(table.loc[table["fold"] < 2, "patient"])
        for name in files
        for table in [pd.read_csv(folder / "looks" / f"{name}.csv")]
    }

    assert files == sorted(f"folds-{name}" for name in looks.LOOKS)
    assert not tested["folds-noisy"] & tested["folds-quiet"]
