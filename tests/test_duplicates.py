"""Identical pixels link patients, near-blank slices do not, and contradictory labels are found."""

import pandas as pd

from model.data.duplicates import contradictory, linked_patients
from model.labels import LABELS


def table(*slices: tuple[str, str], blank: tuple[int, ...] = ()) -> pd.DataFrame:
    """Slices of (patient, hash); those numbered in `blank` are near-blank."""
    frame = pd.DataFrame(slices, columns=["patient", "pixel_hash"])
    frame["blank"] = [row in blank for row in range(len(frame))]
    frame[list(LABELS)] = 0
    return frame


def groups_of(*frames: pd.DataFrame) -> dict[str, int]:
    return {str(patient): group for patient, group in linked_patients(frames).items()}


def test_patients_without_common_slices_stand_alone() -> None:
    assert groups_of(table(("b", "1"), ("a", "2"), ("a", "3"))) == {"a": 0, "b": 1}


def test_a_common_slice_links_patients_also_across_data_sets() -> None:
    groups = groups_of(table(("x:a", "1"), ("x:b", "2")), table(("y:c", "1"), ("y:d", "3")))

    assert groups == {"x:a": 0, "x:b": 1, "y:c": 0, "y:d": 2}


def test_links_reach_through_other_patients() -> None:
    groups = groups_of(table(("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("d", "3")))

    assert groups == {"a": 0, "b": 0, "c": 0, "d": 1}


def test_near_blank_slices_link_nobody() -> None:
    groups = groups_of(table(("a", "1"), ("b", "1"), ("c", "2"), blank=(0, 1, 2)))

    assert groups == {"a": 0, "b": 1, "c": 2}


def test_a_long_chain_of_many_patients_is_one_group() -> None:
    chain = [(f"{n:06d}", f"{m}") for n in range(50_000) for m in (n, n + 1)]

    assert set(groups_of(table(*chain)).values()) == {0}


def test_the_same_pixels_with_other_labels_contradict_each_other() -> None:
    frame = table(("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("c", "3"))
    frame.loc[0, ["any", "subdural"]] = 1
    frame.loc[[2, 3], ["any", "epidural"]] = 1

    assert contradictory(frame).tolist() == [True, True, False, False, False]


def test_the_place_in_the_frame_is_kept() -> None:
    frame = table(("a", "1"), ("b", "2"), ("c", "1"))
    frame.loc[2, "any"] = 1
    frame.index = pd.Index([7, 7, 7])

    assert contradictory(frame).tolist() == [True, False, True]
