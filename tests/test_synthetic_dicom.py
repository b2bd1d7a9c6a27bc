"""Synthetic series as files: valid, honest, read by Falx and by others."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from conftest import missing_service
from model.data.synthetic.demo import demo_series
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import SyntheticSeries, bleeding_of, make_series
from model.dicom.eligibility import judge_series
from model.dicom.series import order_slices
from model.dicom.slice_reader import ReadLimits, read_slice
from model.labels import LABELS

SCAN = Scan(n_slices=12, spacing_mm=10, pixels=96)


@pytest.fixture(scope="module")
def series() -> SyntheticSeries:
    return make_series(0, SCAN, bleeding_of("epidural"))


def test_the_same_series_gives_the_same_files(tmp_path: Path, series: SyntheticSeries) -> None:
    first = write_series(tmp_path / "a", series)
    second = write_series(tmp_path / "b", series)

    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"plan": None}, {"scan": replace(SCAN, noise_hu=1)}], ids=str
)
def test_another_series_has_other_identifiers(
    tmp_path: Path, series: SyntheticSeries, changes: dict[str, object]
) -> None:
    other = replace(series, **changes)  # type: ignore[arg-type]
    one = pydicom.dcmread(write_series(tmp_path / "a", series)[5])
    two = pydicom.dcmread(write_series(tmp_path / "b", other)[5])

    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert one[keyword].value != two[keyword].value


@pytest.mark.parametrize("tilt", [0.0, -15.0, 18.5])
def test_the_series_is_read_as_an_eligible_head(tmp_path: Path, tilt: float) -> None:
    scan = replace(SCAN, n_slices=24, spacing_mm=5.5, thickness_mm=4, tilt_degrees=tilt)
    made = make_series(1, scan)

    paths = write_series(tmp_path, made)
    slices = [read_slice(path.read_bytes(), path.name, ReadLimits()) for path in paths]
    geometry = order_slices(slices)
    eligibility = judge_series([s.hu for s in slices], [s.pixel_spacing_mm for s in slices])

    assert all(s.simulated and s.warnings == () for s in slices)
    assert all(np.array_equal(s.hu, hu) for s, hu in zip(slices, made.hu, strict=True))
    assert geometry.order == list(range(24))
    assert geometry.tilt_degrees == pytest.approx(abs(tilt), abs=0.01)
    assert {s.slice_thickness_mm for s in slices} == {4}
    assert slices[0].pixel_spacing_mm == pytest.approx((2.5, 2.5))
    assert eligibility.eligible
    assert eligibility.warnings == ()


def test_the_files_say_that_no_patient_was_scanned(tmp_path: Path, series: SyntheticSeries) -> None:
    dataset = pydicom.dcmread(write_series(tmp_path, series)[0])

    assert dataset.SyntheticData == "YES"
    assert dataset.PatientID == "SIMULATED-0"
    assert dataset.PatientName == "SIMULATED^HEAD"
    assert "SIMULATED" in dataset.ImageType
    assert dataset.StudyDescription == "SIMULATED head CT"
    assert dataset.SeriesDescription == "SIMULATED axial 5 mm"
    assert dataset.ImageComments.startswith("SIMULATED: no patient was scanned.")
    assert "epidural" in dataset.ImageComments


def test_another_program_reads_the_files(tmp_path: Path, series: SyntheticSeries) -> None:
    path = write_series(tmp_path, series)[0]

    try:
        dumped = subprocess.run(["dcmdump", path], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        missing_service("dcmdump is not installed")

    assert dumped.returncode == 0
    assert "SIMULATED^HEAD" in dumped.stdout
    assert dumped.stderr == ""


def test_the_files_are_ct_images_by_the_standard(tmp_path: Path, series: SyntheticSeries) -> None:
    path = write_series(tmp_path, series)[0]

    try:
        judged = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        missing_service("dciodvfy (dicom3tools) is not installed")

    # Synthetic Data is younger than the validator.
    wrong = [line for line in judged.stderr.splitlines() if line.startswith("Error")]
    assert [line for line in wrong if "(0x0008,0x001c)" not in line] == []
    assert "CTImage" in judged.stderr


def test_the_demos_bleed_is_plain_to_see() -> None:
    demo = demo_series()

    areas_cm2 = demo.masks.sum(axis=(1, 2, 3)) * demo.scan.pixel_mm**2 / 100
    assert demo.hu.shape == (25, 512, 512)
    assert demo.targets[:, LABELS.index("intraparenchymal")].sum() >= 4
    assert areas_cm2.max() > 4
    assert demo.hu[demo.masks.any(axis=1)].mean() > 50
