"""The synthetic head: known tissue in known places, valid and honest DICOM, the same every time."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from conftest import missing_service
from model.data.phantom import HeadPhantom, bleed_mask, simulate_slice, write_series
from model.dicom import ReadLimits, read_slice
from model.eligibility import judge_series
from model.series import order_slices

SMALL = HeadPhantom(n_slices=12, spacing_mm=10, pixels=128)


def test_the_same_phantom_gives_the_same_files(tmp_path: Path) -> None:
    first = write_series(tmp_path / "a", SMALL)
    second = write_series(tmp_path / "b", SMALL)

    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_another_seed_gives_other_noise_and_other_identifiers(tmp_path: Path) -> None:
    first = pydicom.dcmread(write_series(tmp_path / "a", SMALL)[5])
    other = HeadPhantom(n_slices=12, spacing_mm=10, pixels=128, seed=1)
    second = pydicom.dcmread(write_series(tmp_path / "b", other)[5])

    assert first.PixelData != second.PixelData
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.StudyInstanceUID != second.StudyInstanceUID


def test_tissue_has_the_hu_it_should_have() -> None:
    hu = simulate_slice(SMALL, 5).astype(float)

    assert abs(hu[64, 50] - 28) < 20
    assert hu[0, 0] < -950
    assert hu.max() > 1000


def test_the_bleed_is_blood_in_known_places() -> None:
    phantom = HeadPhantom(n_slices=12, spacing_mm=10, pixels=128, bleed=True)
    masks = [bleed_mask(phantom, index) for index in range(phantom.n_slices)]
    largest = int(np.argmax([mask.sum() for mask in masks]))

    blood = simulate_slice(phantom, largest)[masks[largest]]

    assert 58 < blood.mean() < 68
    assert masks[largest][:, 64:].sum() == masks[largest].sum(), "the patient's left"
    assert not any(bleed_mask(SMALL, index).any() for index in range(SMALL.n_slices))


def test_the_bleed_can_be_moved_and_stretched() -> None:
    usual = HeadPhantom(n_slices=12, spacing_mm=10, pixels=128, bleed=True)
    moved = replace(usual, bleed_shift_mm=(-68, 0, 0))
    larger = replace(usual, bleed_scale=1.2)

    masks = [bleed_mask(phantom, 5) for phantom in (usual, moved, larger)]

    assert masks[1][:, :64].sum() == masks[1].sum(), "now on the patient's right"
    assert masks[1].sum() == pytest.approx(masks[0].sum(), rel=0.05)
    assert masks[2].sum() > 1.3 * masks[0].sum()
    assert 58 < simulate_slice(moved, 5)[masks[1]].mean() < 68


@pytest.mark.parametrize("tilt", [0.0, -15.0, 18.5])
def test_the_series_is_read_as_an_eligible_head(tmp_path: Path, tilt: float) -> None:
    phantom = HeadPhantom(n_slices=24, pixels=128, tilt_degrees=tilt)

    paths = write_series(tmp_path, phantom)
    slices = [read_slice(path.read_bytes(), path.name, ReadLimits()) for path in paths]
    geometry = order_slices(slices)
    eligibility = judge_series([s.hu for s in slices], [s.pixel_spacing_mm for s in slices])

    assert all(s.simulated and s.warnings == () for s in slices)
    assert geometry.order == list(range(24))
    assert geometry.tilt_degrees == pytest.approx(abs(tilt), abs=0.01)
    assert eligibility.eligible
    assert eligibility.warnings == ()


def test_the_files_say_that_no_patient_was_scanned(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write_series(tmp_path, SMALL)[0])

    assert dataset.SyntheticData == "YES"
    assert dataset.PatientID.startswith("SIMULATED")
    assert dataset.PatientName == "SIMULATED^HEAD"
    assert "SIMULATED" in dataset.ImageType
    assert dataset.StudyDescription == "SIMULATED head CT"


def test_another_program_reads_the_files(tmp_path: Path) -> None:
    path = write_series(tmp_path, SMALL)[0]

    try:
        dumped = subprocess.run(["dcmdump", path], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        missing_service("dcmdump is not installed")

    assert dumped.returncode == 0
    assert "SIMULATED^HEAD" in dumped.stdout
    assert dumped.stderr == ""
