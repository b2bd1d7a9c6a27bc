"""Patients are split, never slices; the split is written once, and kept."""

from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.data.ct_ich import CtIchSet
from model.data.folds import PARTS, parts_of, read_or_make_folds
from model.errors import TrainingError
from model.labels import LABELS


def patients(count: int, name: str = "x", seed: int = 0, **with_label: int) -> pd.DataFrame:
    """A table of two slices a patient; the first so many patients have each label."""
    numbers = np.repeat(np.arange(count), 2)
    frame = pd.DataFrame({"patient": [f"{name}:{number:05d}" for number in numbers]})
    frame["pixel_hash"] = [f"{name}{row}" for row in range(len(frame))]
    frame["blank"] = False
    order = np.random.default_rng(seed).permutation(count)
    for label in LABELS:
        chosen = np.isin(numbers, order[: with_label.get(label, 0)])
        frame[label] = (chosen & (np.arange(len(frame)) % 2 == 0)).astype(np.int8)
    return frame


def test_every_patient_has_one_fold_and_the_folds_one_size(tmp_path: Path) -> None:
    frame = patients(83, any=30, epidural=11)

    folds = read_or_make_folds(tmp_path / "folds.csv", [frame])

    assert list(folds) == sorted(set(frame["patient"]))
    assert sorted(np.bincount(list(folds.values()))) == [8] * 7 + [9] * 3


def test_each_label_is_spread_evenly(tmp_path: Path) -> None:
    frame = patients(200, any=60, epidural=10, subdural=31)

    folds = read_or_make_folds(tmp_path / "folds.csv", [frame])

    fold = frame["patient"].map(folds)
    with_label = frame.groupby(fold)[["any", "epidural", "subdural"]].sum()
    assert with_label["epidural"].tolist() == [1] * 10
    assert sorted(with_label["subdural"]) == [3] * 9 + [4]
    assert with_label["any"].between(5, 7).all()


def test_each_label_of_each_data_set_is_spread_evenly(tmp_path: Path) -> None:
    large, small = patients(300, "large", any=200), patients(40, "small", any=10)

    folds = read_or_make_folds(tmp_path / "folds.csv", [large, small])

    fold = small["patient"].map(folds)
    assert small.groupby(fold)["any"].sum().tolist() == [1] * 10
    assert small.groupby(fold)["patient"].nunique().tolist() == [4] * 10


def test_patients_with_identical_slices_share_a_fold(tmp_path: Path) -> None:
    one, other = patients(40, "one", any=20), patients(40, "other", any=20)
    other.loc[::2, "pixel_hash"] = one.loc[::2, "pixel_hash"]
    one.loc[1::2, ["pixel_hash", "blank"]] = ("air", True)

    folds = read_or_make_folds(tmp_path / "folds.csv", [one, other])

    for number in range(40):
        assert folds[f"one:{number:05d}"] == folds[f"other:{number:05d}"]
    assert np.bincount(list(folds.values())).tolist() == [8] * 10


def test_the_file_is_written_once_and_used_again(tmp_path: Path) -> None:
    path, frame = tmp_path / "runs" / "folds.csv", patients(30, any=9)

    made = read_or_make_folds(path, [frame], seed=1)
    again = read_or_make_folds(path, [frame], n_folds=5, seed=2)

    assert again == made
    assert path.read_text().startswith(f"patient,fold\nx:00000,{made['x:00000']}\n")
    assert [p.name for p in path.parent.iterdir()] == ["folds.csv"]


def test_folds_depend_on_the_seed_and_not_on_the_order_of_rows(tmp_path: Path) -> None:
    frame = patients(60, any=30, subdural=10)
    backwards = frame.iloc[::-1].reset_index(drop=True)

    first = read_or_make_folds(tmp_path / "1.csv", [frame], seed=1)

    assert read_or_make_folds(tmp_path / "2.csv", [backwards], seed=1) == first
    assert read_or_make_folds(tmp_path / "3.csv", [frame], seed=2) != first


def test_some_of_the_patients_keep_their_folds(tmp_path: Path) -> None:
    large, small = patients(50, "large", any=20), patients(50, "small", any=20)
    both = read_or_make_folds(tmp_path / "folds.csv", [large, small])

    only_small = read_or_make_folds(tmp_path / "folds.csv", [small])

    assert only_small == {patient: both[patient] for patient in sorted(set(small["patient"]))}


def test_five_thousand_patients_are_dealt_without_delay(tmp_path: Path) -> None:
    frame = patients(5_000, any=2_000, epidural=100, subdural=700)

    folds = read_or_make_folds(tmp_path / "folds.csv", [frame])

    assert np.bincount(list(folds.values())).tolist() == [500] * 10
    epidural = frame.loc[frame["epidural"] == 1, "patient"].map(folds)
    assert np.bincount(epidural).tolist() == [10] * 10


def test_a_patient_without_a_fold_is_named(tmp_path: Path) -> None:
    path = tmp_path / "folds.csv"
    read_or_make_folds(path, [patients(20, "old")])

    with pytest.raises(TrainingError, match=r"folds\.csv has no fold for 20 of 40 .*new:00000"):
        read_or_make_folds(path, [patients(20, "old"), patients(20, "new")])


def test_a_file_that_parts_identical_slices_is_refused(tmp_path: Path) -> None:
    path, frame = tmp_path / "folds.csv", patients(20)
    folds = read_or_make_folds(path, [frame])
    other = next(p for p, fold in folds.items() if fold != folds["x:00000"])
    frame.loc[frame["patient"].isin(["x:00000", other]), "pixel_hash"] = "same"

    with pytest.raises(TrainingError, match=f"different folds, as x:00000, {other}"):
        read_or_make_folds(path, [frame])


WRONG_FILES = {
    "": "is empty",
    "patient,part\nx:00000,1\n": "has no column fold: it has patient, part",
    "patient,fold\nx:00000,one\n": "line 2: the fold 'one' is no fold number",
    "patient,fold\nx:00000,-1\n": "line 2: the fold '-1' is no fold number",
    "patient,fold\nx:00000,1\nx:00000,2\n": "line 3: the patient 'x:00000' is named for the second",
    "patient,fold\nx:00000,0\nx:00001,2\n": "Fold 1 of .* holds no patient of these data sets",
}


@pytest.mark.parametrize(("text", "reason"), WRONG_FILES.items(), ids=lambda text: text[-30:])
def test_a_file_in_another_form_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "folds.csv"
    path.write_text(text)

    with pytest.raises(TrainingError, match=reason):
        read_or_make_folds(path, [patients(2)])


def test_too_few_patients_or_folds_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path, linked = tmp_path / "folds.csv", patients(12)
    linked.loc[:7, "pixel_hash"] = "same"

    with pytest.raises(TrainingError, match="7 patients cannot fill 10 folds"):
        read_or_make_folds(path, [patients(7)], n_folds=10)
    with pytest.raises(TrainingError, match=r"9 patients cannot fill 10 folds .*identical slices"):
        read_or_make_folds(path, [linked], n_folds=10)
    with pytest.raises(TrainingError, match="3 patients cannot fill 4 folds"):
        read_or_make_folds(path, [patients(3)])
    with pytest.raises(TrainingError, match="3 folds cannot hold train, tune, calibrate, test"):
        read_or_make_folds(path, [patients(7)], n_folds=3)
    assert list(tmp_path.iterdir()) == []


def numbered(n_folds: int, each: int = 2) -> dict[str, int]:
    return {f"{number:03d}": number % n_folds for number in range(n_folds * each)}


def test_a_fifth_is_test_a_fold_each_tunes_and_calibrates_the_rest_trains() -> None:
    parts = parts_of(numbered(10))

    assert {part: len(parts[part]) for part in PARTS} == {
        "train": 12, "tune": 2, "calibrate": 2, "test": 4
    }  # fmt: skip
    assert sorted(chain(*parts.values())) == sorted(numbered(10))


@pytest.mark.parametrize("n_folds", [5, 10])
def test_in_five_rotations_each_patient_is_a_test_patient_once(n_folds: int) -> None:
    folds = numbered(n_folds)

    tested = [patient for turn in range(5) for patient in parts_of(folds, turn)["test"]]

    assert sorted(tested) == sorted(folds)


def test_four_folds_are_enough_for_the_four_parts() -> None:
    assert [len(part) for part in parts_of(numbered(4)).values()] == [2, 2, 2, 2]


def test_roles_that_cannot_be_given_are_refused() -> None:
    with pytest.raises(TrainingError, match="There is no rotation 5: it goes from 0 to 4"):
        parts_of(numbered(10), 5)
    with pytest.raises(TrainingError, match="2 folds cannot hold"):
        parts_of(numbered(2))


def test_each_part_of_ct_ich_has_patients_of_each_subtype(
    shared_data: Path, tmp_path: Path
) -> None:
    index = CtIchSet(shared_data / "ct-ich").index()
    frame = pd.DataFrame(index.targets, columns=list(LABELS))
    frame["patient"] = ["ct-ich:" + name.partition("_")[0] for name in index.names]
    frame["pixel_hash"], frame["blank"] = list(index.names), False

    parts = parts_of(read_or_make_folds(tmp_path / "folds.csv", [frame], n_folds=5))

    for patients_of_part in parts.values():
        mine = frame[frame["patient"].isin(patients_of_part)]
        assert mine[["any", "epidural", "intraparenchymal"]].max().tolist() == [1, 1, 1]
        assert (mine[list(LABELS)].max() == 1).sum() >= 5


def test_few_patients_make_as_many_folds_as_they_can(tmp_path: Path) -> None:
    frame = patients(6, any=2)

    folds = read_or_make_folds(tmp_path / "folds.csv", [frame])

    assert sorted(folds.values()) == list(range(6))
    assert all(parts_of(folds).values())


def test_a_label_of_four_patients_trains_in_every_rotation(tmp_path: Path) -> None:
    frame = patients(82, any=36, epidural=21, subdural=4, intraventricular=5)

    folds = read_or_make_folds(tmp_path / "folds.csv", [frame])

    for rotation in range(5):
        train = frame[frame["patient"].isin(parts_of(folds, rotation)["train"])]
        assert train[["subdural", "intraventricular"]].max().all(), rotation


def test_everybody_may_train() -> None:
    folds = {f"p{number}": number % 10 for number in range(20)}

    parts = parts_of(folds, None)

    assert parts["train"] == sorted(folds)
    assert not parts["tune"] + parts["calibrate"] + parts["test"]
