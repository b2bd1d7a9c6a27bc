"""JPEG pairs of CT-ICH become Hounsfield units again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.ct_ich import (
    EXPECTED_OFFSET,
    LabelledSlice,
    SlicePixels,
    fit_bone_offset,
    open_cache,
    read_labels,
    read_pixels,
    recover_hu,
    recover_patient,
    reduce_by_mean,
)
from model.errors import TrainingError

HEADER = (
    "patient,slice,intraventricular,intraparenchymal,subarachnoid,epidural,subdural,"
    "no_hemorrhage,fracture\n"
)


def windowed(hu: np.ndarray, lowest: float, width: float) -> np.ndarray:
    """Grey levels as CT-ICH's authors wrote them."""
    return np.rint(np.clip((hu - lowest) / width, 0, 1) * 255).astype(np.uint8)


def pair_of(hu: np.ndarray, bone_lowest: float = -900) -> SlicePixels:
    return SlicePixels(windowed(hu, -20, 120), windowed(hu, bone_lowest, 3200))


def soft_tissue() -> np.ndarray:
    return np.random.default_rng(0).uniform(-10, 90, (64, 64))


def write_ct_ich(root: Path, patients: int = 2) -> None:
    """A tiny data set in CT-ICH's form; the second patient's second slice lacks its bone image."""
    (root / "brain").mkdir(parents=True)
    (root / "bone").mkdir()
    pairs = [(p, s) for p in range(1, patients + 1) for s in (2, 1)]
    rows = [f"{p},{s},0,0,0,{s - 1},0,{2 - s},0\n" for p, s in pairs]
    (root / "labels.csv").write_text(HEADER + "".join(rows))
    for patient in range(1, patients + 1):
        for number in (1, 2):
            pair = pair_of(soft_tissue())
            name = f"{patient:03d}_{number:02d}.jpg"
            Image.fromarray(pair.brain).save(root / "brain" / name, quality=95)
            if pair.bone is not None and (patient, number) != (2, 2):
                Image.fromarray(pair.bone).save(root / "bone" / name, quality=95)


def test_slices_are_listed_by_patient_and_number_with_labels_in_our_order(tmp_path: Path) -> None:
    write_ct_ich(tmp_path)

    slices = read_labels(tmp_path)

    assert [(s.patient, s.number) for s in slices] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert slices[0].targets == (0, 0, 0, 0, 0, 0)
    assert slices[1].targets == (1, 1, 0, 0, 0, 0)
    assert slices[1].file_name == "001_02.jpg"


def test_a_missing_or_foreign_label_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"labels\.csv of CT-ICH cannot be read"):
        read_labels(tmp_path)

    (tmp_path / "labels.csv").write_text("patient,slice\n1,1\n")
    with pytest.raises(TrainingError, match=r"labels\.csv of CT-ICH cannot be read"):
        read_labels(tmp_path)


def test_a_missing_brain_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"CT-ICH 001_01\.jpg cannot be read"):
        read_pixels(tmp_path, LabelledSlice(1, 1, (0,) * 6))


def test_inside_the_brain_window_hu_are_exact_to_a_quarter_grey_level() -> None:
    hu = soft_tissue()

    recovered = recover_hu(pair_of(hu), EXPECTED_OFFSET)

    assert np.abs(recovered - hu).max() < 1


def test_bone_is_exact_to_half_a_grey_level_of_the_bone_window() -> None:
    hu = np.linspace(150, 2200, 400).reshape(20, 20)

    recovered = recover_hu(pair_of(hu), EXPECTED_OFFSET)

    assert np.abs(recovered - hu).max() < 7


def test_air_is_air() -> None:
    recovered = recover_hu(pair_of(np.full((4, 4), -1000.0)), EXPECTED_OFFSET)

    assert (recovered == -1024).all()


def test_a_shifted_bone_window_is_found_and_undone() -> None:
    inside = pair_of(soft_tissue(), bone_lowest=-810)
    bone = np.linspace(150, 2200, 400).reshape(20, 20)

    offset = fit_bone_offset([inside])

    assert offset == pytest.approx(EXPECTED_OFFSET - 90 * 255 / 3200, abs=0.5)
    assert np.abs(recover_hu(pair_of(bone, bone_lowest=-810), offset) - bone).max() < 14


def test_a_patient_without_any_pair_is_refused() -> None:
    alone = SlicePixels(pair_of(soft_tissue()).brain, None)

    with pytest.raises(TrainingError, match="no slice with a brain and a bone image"):
        fit_bone_offset([alone])


def test_without_a_bone_image_the_brain_window_is_all_there_is() -> None:
    hu = np.array([[-1000.0, 30.0, 900.0]])

    recovered = recover_hu(SlicePixels(pair_of(hu).brain, None), EXPECTED_OFFSET)

    assert recovered.tolist() == [[-1024, 30, 100]]


def test_reduction_is_the_mean_of_four() -> None:
    hu = np.array([[[0, 2, -8, 0], [4, 6, 0, 0]]], dtype=np.int16)

    assert reduce_by_mean(hu).tolist() == [[[3, -2]]]


def test_the_cache_is_filled_once_and_tells_the_offsets(tmp_path: Path) -> None:
    write_ct_ich(tmp_path / "data")

    first = open_cache(tmp_path / "data", tmp_path / "cache")
    written = (tmp_path / "cache" / "ct_ich.npy").stat().st_mtime_ns
    again = open_cache(tmp_path / "data", tmp_path / "cache")

    assert first.shape == (4, 32, 32)
    assert np.array_equal(first, again)
    assert (tmp_path / "cache" / "ct_ich.npy").stat().st_mtime_ns == written
    assert "bone_offset" in (tmp_path / "cache" / "ct_ich.json").read_text()


def test_a_real_patient_has_brain_at_the_usual_hu(shared_data: Path) -> None:
    root = shared_data / "ct-ich"
    slices = [item for item in read_labels(root) if item.patient == 50][12:15]

    hu, offset = recover_patient(root, slices)

    assert offset == pytest.approx(62.7, abs=0.3)
    center = hu[:, 300:350, 300:350]
    assert 20 < np.median(center) < 60
    assert hu.max() > 1000
    assert hu.min() == -1024
