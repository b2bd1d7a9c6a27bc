"""Patients are split, never slices, and rare subtypes reach every part."""

from pathlib import Path

import numpy as np
import pytest

from model.data.ct_ich import read_labels
from model.data.folds import split_patients
from model.errors import TrainingError


def patients_with(label_counts: list[int], total: int) -> dict[int, list[int]]:
    """Patients 0..total-1; the first `label_counts[i]` have label i."""
    return {p: [int(p < count) for count in label_counts] for p in range(total)}


def test_every_patient_is_in_exactly_one_part() -> None:
    parts = split_patients(patients_with([30, 10, 5], 82), seed=0)

    assert sorted(patient for part in parts for patient in part) == list(range(82))


def test_the_parts_have_the_wanted_sizes() -> None:
    parts = split_patients(patients_with([30, 10], 100), seed=0)

    assert [len(part) for part in parts] == pytest.approx([60, 20, 20], abs=1)


def test_a_label_of_four_patients_reaches_every_part() -> None:
    labels_of = patients_with([40, 4], 82)

    parts = split_patients(labels_of, seed=3)

    assert all(any(labels_of[patient][1] for patient in part) for part in parts)


def test_the_split_depends_on_the_seed_alone() -> None:
    labels_of = patients_with([30, 10], 60)
    reversed_order = dict(reversed(labels_of.items()))

    assert split_patients(labels_of, seed=1) == split_patients(reversed_order, seed=1)
    assert split_patients(labels_of, seed=1) != split_patients(labels_of, seed=2)


def test_fewer_patients_than_parts_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 patients cannot fill 3 parts"):
        split_patients(patients_with([1], 2), seed=0)


def test_ct_ich_parts_each_have_patients_of_each_subtype(shared_data: Path) -> None:
    slices = read_labels(shared_data / "ct-ich")
    labels_of = {
        patient: np.max([s.targets for s in slices if s.patient == patient], axis=0).tolist()
        for patient in {s.patient for s in slices}
    }

    parts = split_patients(labels_of, seed=0)

    for part in parts:
        assert np.max([labels_of[patient] for patient in part], axis=0).tolist() == [1] * 6
