"""JPEG pairs of CT-ICH become Hounsfield units again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.ct_ich import (
    EXPECTED_OFFSET,
    CtIchSet,
    SlicePixels,
    fit_bone_offset,
    read_labels,
    read_pixels,
    recover_hu,
)
from model.data.dataset import LeftOut, SourceSlice
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

    index = CtIchSet(tmp_path).index()

    assert list(index.names) == ["001_01", "001_02", "002_01", "002_02"]
    assert index.targets.tolist() == [[0] * 6, [1, 1, 0, 0, 0, 0]] * 2
    assert [unit.tolist() for unit in index.units] == [[0, 1], [2, 3]], "a patient is a unit"


WRONG_LABELS = {
    "": "is empty; it needs a header",
    "patient,slice\n1,1\n": "has no column epidural, .*: it has patient, slice",
    HEADER + "1,1,0,0,0,0,2,0,0\n": "line 2: the subdural '2' is neither 0 nor 1",
    HEADER + "1,1,0,0,0,0,0,1,0\none,2,0,0,0,0,0,1,0\n": "line 3: the patient 'one' is no number",
    HEADER + "1,1,0,0,0,0,0,1,0\n1,1,0,0,0,0,0,1,0\n": "names a slice twice",
}


@pytest.mark.parametrize(("text", "reason"), WRONG_LABELS.items(), ids=lambda text: text[:30])
def test_a_foreign_label_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "labels.csv").write_text(text)

    with pytest.raises(TrainingError, match=rf"labels\.csv.* {reason}"):
        read_labels(tmp_path)


def test_a_missing_label_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"labels\.csv is not there"):
        CtIchSet(tmp_path).index()


def test_a_missing_brain_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"CT-ICH 001_01\.jpg cannot be read"):
        read_pixels(tmp_path, "001_01")


def test_images_of_two_sizes_are_refused(tmp_path: Path) -> None:
    write_ct_ich(tmp_path)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "bone" / "001_01.jpg")

    with pytest.raises(
        TrainingError, match=r"001_01\.jpg has a brain image of \(64, 64\) and a bone"
    ):
        read_pixels(tmp_path, "001_01")


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


def test_slices_are_read_with_patient_and_place(tmp_path: Path) -> None:
    write_ct_ich(tmp_path)
    data_set = CtIchSet(tmp_path)

    slices = list(data_set.read(data_set.index().names))

    assert all(isinstance(one, SourceSlice) for one in slices)
    places = [(s.patient, s.z_mm, s.number) for s in slices if isinstance(s, SourceSlice)]
    assert places == [("001", 5, 1), ("001", 10, 2), ("002", 5, 1), ("002", 10, 2)]


def test_a_slice_without_its_bone_image_is_read_with_a_warning(tmp_path: Path) -> None:
    write_ct_ich(tmp_path)

    with_bone, without = CtIchSet(tmp_path).read(["002_01", "002_02"])

    assert isinstance(with_bone, SourceSlice)
    assert isinstance(without, SourceSlice)
    assert with_bone.warnings == ()
    assert any("no bone image" in warning for warning in without.warnings)


def test_a_slice_is_the_same_alone_and_with_its_patient(tmp_path: Path) -> None:
    write_ct_ich(tmp_path)
    data_set = CtIchSet(tmp_path)

    _, together = data_set.read(["001_01", "001_02"])
    (alone,) = data_set.read(["001_02"])

    assert isinstance(alone, SourceSlice)
    assert isinstance(together, SourceSlice)
    assert np.array_equal(alone.hu, together.hu)


def test_an_unreadable_image_leaves_only_its_slice_out(tmp_path: Path) -> None:
    write_ct_ich(tmp_path)
    path = tmp_path / "brain" / "001_01.jpg"
    path.write_bytes(path.read_bytes()[:200])

    damaged, whole, absent = CtIchSet(tmp_path).read(["001_01", "001_02", "001_09"])

    assert isinstance(damaged, LeftOut)
    assert (damaged.name, damaged.kind) == ("001_01", "unreadable file")
    assert isinstance(whole, SourceSlice)
    assert isinstance(absent, LeftOut)


def test_a_patient_without_any_pair_is_left_out_and_the_next_one_is_read(tmp_path: Path) -> None:
    write_ct_ich(tmp_path)
    for number in (1, 2):
        (tmp_path / "bone" / f"001_{number:02d}.jpg").unlink()
    data_set = CtIchSet(tmp_path)

    results = list(data_set.read(data_set.index().names))

    assert [isinstance(one, LeftOut) for one in results] == [True, True, False, False]


def test_a_real_patient_has_brain_at_the_usual_hu(shared_data: Path) -> None:
    names = [f"050_{number:02d}" for number in (13, 14, 15)]

    slices = list(CtIchSet(shared_data / "ct-ich").read(names))

    for one in slices:
        assert isinstance(one, SourceSlice)
        assert 20 < np.median(one.hu[300:350, 300:350]) < 60
        assert one.hu.max() > 1000
        assert one.hu.min() == -1024
        assert any("grey level 62." in warning for warning in one.warnings)


def test_the_real_set_is_listed_as_it_is_described(shared_data: Path) -> None:
    index = CtIchSet(shared_data / "ct-ich").index()

    assert index.targets.sum(axis=0).tolist() == [318, 173, 73, 24, 18, 56]
    assert len(index.units) == 82
