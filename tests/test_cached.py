"""A cache opens as a sorted table and mapped pixels, or says what is wrong with it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cache_factory import write_cache
from ct_factory import ct_file
from model.data import cache_writer
from model.data.cached import (
    COLUMNS,
    CachedSet,
    field_placement,
    field_slice,
    open_cache,
    read_left_out,
)
from model.data.dataset import SourceSlice
from model.data.head_crop import square_slice
from model.data.own_folder import OwnFolderSet
from model.errors import TrainingError
from model.labels import LABELS, SUBTYPES


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    return open_cache(write_cache(tmp_path_factory.mktemp("cache"), name="heads"))


@pytest.fixture
def copy(cached: CachedSet, tmp_path: Path) -> Path:
    """A cache that may be damaged."""
    return shutil.copytree(cached.folder, tmp_path / "copy")


def original(cached: CachedSet, place: int) -> NDArray[np.int16]:
    found = next(iter(cached.data_set.read([cached.frame["name"].iloc[place]])))
    assert isinstance(found, SourceSlice)
    return square_slice(found.hu)


def test_the_frame_has_all_columns_and_names_that_tell_data_sets_apart(cached: CachedSet) -> None:
    assert cached.frame.columns.tolist() == list(COLUMNS)
    for column in ("patient", "study", "series"):
        assert cached.frame[column].str.startswith("heads:").all()


def test_slices_are_sorted_along_each_series(cached: CachedSet) -> None:
    assert cached.frame["patient"].is_monotonic_increasing
    for _, series in cached.frame.groupby("series"):
        assert series["z_mm"].is_monotonic_increasing


def test_targets_are_in_the_order_of_labels(cached: CachedSet) -> None:
    assert cached.targets.dtype == np.int8
    assert cached.targets.shape == (40, len(LABELS))
    assert cached.targets.sum(axis=0).tolist() == [10, 2, 2, 2, 2, 2]
    assert (cached.targets[:, 0] == cached.targets[:, 1:].max(axis=1)).all()


def test_the_originals_can_be_read_again(cached: CachedSet) -> None:
    assert isinstance(cached.data_set, OwnFolderSet)
    assert original(cached, 0).shape == (64, 64)


def test_pixels_cannot_be_changed_by_mistake(cached: CachedSet) -> None:
    with pytest.raises(ValueError, match="read-only"):
        cached.hu[0] = 0


def test_a_folder_without_a_cache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no cache \(cache\.json is missing\)"):
        open_cache(tmp_path)


def test_a_cache_that_is_not_complete_is_refused(copy: Path) -> None:
    (copy / "slices.parquet").unlink()

    with pytest.raises(TrainingError, match=r"is not complete: run the .* once more"):
        open_cache(copy)


def test_a_cache_of_another_version_is_refused(copy: Path) -> None:
    description = json.loads((copy / "cache.json").read_text())
    (copy / "cache.json").write_text(json.dumps({**description, "version": 2}))

    with pytest.raises(TrainingError, match="is of version 2, this program reads 1"):
        open_cache(copy)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cache.json", r"cache\.json cannot be read"),
        ("slices.parquet", r"slices\.parquet cannot be read"),
        ("hu.npy", r"hu\.npy is damaged or missing"),
    ],
)
def test_a_damaged_file_is_named(copy: Path, name: str, message: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:-100])

    with pytest.raises(TrainingError, match=message):
        open_cache(copy)


def test_a_damaged_list_of_what_was_left_out_is_named(copy: Path) -> None:
    (copy / "left_out.csv").write_text("nothing\n")

    with pytest.raises(TrainingError, match=r"left_out\.csv cannot be read"):
        read_left_out(copy)


def test_pixels_of_another_cache_are_refused(copy: Path) -> None:
    np.save(copy / "hu.npy", np.zeros((40, 16, 16), np.int16))

    with pytest.raises(TrainingError, match=r"holds int16\[40, 16, 16\], where .*\[40, 32, 32\]"):
        open_cache(copy)


def test_a_table_without_a_column_is_refused(copy: Path) -> None:
    frame = pd.read_parquet(copy / "slices.parquet")
    frame.drop(columns=["z_mm", "blank"]).to_parquet(copy / "slices.parquet")

    with pytest.raises(TrainingError, match="lacks the columns z_mm, blank"):
        open_cache(copy)


def test_rows_that_the_pixels_do_not_have_are_refused(copy: Path) -> None:
    frame = pd.read_parquet(copy / "slices.parquet")
    frame.assign(row=frame["row"] + 1).to_parquet(copy / "slices.parquet")

    with pytest.raises(TrainingError, match=r"names rows that hu\.npy does not have"):
        open_cache(copy)


# ------------------------------------------------------------------------ back into the field


@pytest.fixture(scope="module")
def oblong(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    """One slice, not square, with the head off the middle, cached at its own resolution."""
    folder = tmp_path_factory.mktemp("oblong")
    hu = np.full((64, 96), -1024, np.int16)
    down, right = np.mgrid[:64, :96]
    inside = np.hypot((down - 30) / 20, (right - 62) / 16) < 1
    hu[inside] = (10 * np.sin(down / 5) + 10 * np.cos(right / 7) + 40)[inside]
    (folder / "one.dcm").write_bytes(ct_file(hu))
    header = ",".join(("file", *SUBTYPES))
    (folder / "labels.csv").write_text(f"{header}\none.dcm,0,0,0,0,0\n")
    data = OwnFolderSet(folder, folder / "labels.csv", "One slice", "", "own")
    cache_writer.write_cache(data, folder / "first", size=32)
    side = int(open_cache(folder / "first").frame["box_side"].iloc[0])
    cache_writer.write_cache(data, folder / "second", size=side)
    return open_cache(folder / "second")


def test_sampling_by_the_placement_gives_the_whole_field(oblong: CachedSet) -> None:
    scale, shift_x, shift_y = field_placement(oblong.frame)[0].tolist()
    theta = torch.tensor([[[scale, 0.0, shift_x], [0.0, scale, shift_y]]])
    above_air = torch.from_numpy(oblong.hu[[0]].astype(np.float32))[:, None] + 1024

    grid = functional.affine_grid(theta, [1, 1, 96, 96], align_corners=False)
    field = functional.grid_sample(above_air, grid, align_corners=False)[0, 0] - 1024

    assert np.abs(field.numpy() - original(oblong, 0)).max() < 0.1


def test_the_crop_pasted_into_air_is_the_whole_field(oblong: CachedSet) -> None:
    row = oblong.frame.iloc[0]

    field = field_slice(oblong.hu[0], row["box_top"], row["box_left"], row["box_side"], 96)

    assert np.array_equal(field, original(oblong, 0))


def test_a_reduced_crop_makes_a_reduced_field() -> None:
    field = field_slice(np.full((32, 32), 40, np.int16), 100, 256, 256, 512)

    assert field.shape == (64, 64)
    assert (field[12:44, 32:] == 40).all()
    assert (field == 40).sum() == 32 * 32
