"""Simulated heads are a data set as any other; data sets travel through options and JSON."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from model.data.ct_ich import CtIchSet
from model.data.dataset import DataSet, SourceSlice
from model.data.own_folder import OwnFolderSet
from model.data.registry import (
    KINDS,
    add_data_set_arguments,
    as_json,
    data_set_from,
    from_json,
)
from model.data.rsna import RsnaSet
from model.data.simulated import SimulatedSet
from model.errors import TrainingError

SMALL = SimulatedSet(patients=4, slices=6, seed=3, pixels=32)


def read_all(data_set: SimulatedSet) -> list[SourceSlice]:
    index = data_set.index()
    return [one for one in data_set.read(index.names) if isinstance(one, SourceSlice)]


def test_every_second_patient_bleeds_in_some_slices() -> None:
    index = SMALL.index()

    bleeding = [index.targets[unit, 0].mean() for unit in index.units]
    assert bleeding[0] == bleeding[2] == 0
    assert 0 < bleeding[1] < 1
    assert 0 < bleeding[3] < 1
    assert np.array_equal(index.targets[:, 0], index.targets[:, 1:].max(axis=1))


def test_slices_are_heads_of_their_patients_from_the_neck_upward() -> None:
    slices = read_all(SMALL)

    assert [one.name for one in slices] == list(SMALL.index().names)
    assert [one.patient for one in slices[::6]] == [f"SIMULATED-0000{n}" for n in range(4)]
    assert np.diff([one.z_mm for one in slices[:6]]) == pytest.approx(22)
    assert all(one.hu.shape == (32, 32) and one.hu.dtype == np.int16 for one in slices)


def test_the_same_set_gives_the_same_pixels_and_another_seed_others() -> None:
    other = SimulatedSet(patients=4, slices=6, seed=4, pixels=32)

    first, again, others = (read_all(one) for one in (SMALL, SMALL, other))

    assert all(np.array_equal(a.hu, b.hu) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.hu, b.hu) for a, b in zip(first, others, strict=True))


def test_subtypes_of_all_kinds_come() -> None:
    several = SimulatedSet(patients=10, slices=5, pixels=32)

    assert several.index().targets[:, 1:].max(axis=0).sum() >= 3


def test_simulation_is_said() -> None:
    assert SMALL.facts.kind == "simulated"
    assert "SIMULATED" in SMALL.facts.title


@pytest.mark.parametrize("wrong", [{"patients": 0}, {"slices": 0}, {"pixels": 8}], ids=str)
def test_nothing_cannot_be_simulated(wrong: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match="needs a patient, a slice and 16 pixels"):
        SimulatedSet(**wrong).index()


def parsed(*arguments: str) -> DataSet:
    parser = argparse.ArgumentParser()
    add_data_set_arguments(parser)
    return data_set_from(parser.parse_args(arguments))


OWN = ("--labels", "/d/l.csv", "--title", "Ours", "--authors", "We", "--licence", "free")
SETS: dict[tuple[str, ...], DataSet] = {
    ("rsna", "--root", "/d", "--stage", "1"): RsnaSet(Path("/d"), 1),
    ("ct-ich", "--root", "/d"): CtIchSet(Path("/d")),
    ("folder", "--root", "/d", *OWN): OwnFolderSet(
        Path("/d"), Path("/d/l.csv"), "Ours", "We", "free"
    ),
    ("simulated", "--patients", "4", "--slices", "6", "--seed", "3", "--pixels", "32"): SMALL,
}


@pytest.mark.parametrize(("arguments", "data_set"), SETS.items(), ids=[a[0] for a in SETS])
def test_options_and_json_make_the_data_set(arguments: tuple[str, ...], data_set: DataSet) -> None:
    assert parsed(*arguments) == data_set
    assert from_json(json.loads(json.dumps(as_json(data_set)))) == data_set


def test_every_kind_of_data_set_is_among_them() -> None:
    assert sorted(arguments[0] for arguments in SETS) == sorted(KINDS)


def test_a_relative_folder_is_found_again_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert parsed("rsna", "--root", "data") == RsnaSet(tmp_path / "data")


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("rsna",), "kind rsna also needs --root"),
        (("folder", "--root", "d", "--title", "t"), "also needs --labels and --licence"),
    ],
    ids=str,
)
def test_a_missing_option_is_named(arguments: tuple[str, ...], missing: str) -> None:
    with pytest.raises(TrainingError, match=missing):
        parsed(*arguments)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "no data set of the kind None: rsna, ct-ich, folder, simulated"),
        ({"kind": "rsna", "path": "/d"}, "kind rsna is described wrongly"),
    ],
    ids=str,
)
def test_a_foreign_description_is_refused(content: dict[str, str], reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        from_json(content)
