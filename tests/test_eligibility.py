"""Is it an axial head CT? Real and synthetic heads pass; what is certainly none does not."""

from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.data.synthetic.scan import Scan
from model.dicom.eligibility import judge_series, refuse_by_attributes
from model.dicom.slice_reader import CTSlice, ReadLimits, read_header, read_pixels, read_slice
from plain_head import plain_slice

SHARED = Path(__file__).parents[2] / "shared/data"

needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the files of shared/data are not part of the project"
)


def read(path: Path) -> CTSlice:
    """Read without the judgement by attributes."""
    return read_pixels(read_header(path.read_bytes(), path.name, ReadLimits()))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"BodyPartExamined": "HEAD"},
        {"BodyPartExamined": "BRAIN", "SeriesDescription": "AX 5MM"},
        {"StudyDescription": "CT HEAD AND NECK"},
        {"StudyDescription": "CT Thorax/Abdomen/Schädel", "BodyPartExamined": "CHEST"},
        {"BodyPartExamined": "HEAD", "SeriesDescription": "NECK AND BRAIN"},
        {"SeriesDescription": "5/5mm Plain"},
        {"SeriesDescription": "Crâne sans injection"},
        {"ImageType": "ORIGINAL\\PRIMARY\\AXIAL"},
        {"ImageType": "DERIVED\\SECONDARY\\AXIAL"},
        {"ImageType": "DERIVED\\SECONDARY\\MPR", "SeriesDescription": "Head ax"},
        {"ImageOrientationPatient": "1\\0\\0\\0\\0.9483237\\-0.3173047"},
        {"ImageOrientationPatient": "1\\0\\0\\0\\1\\0"},
        {"ImageOrientationPatient": "-1\\0\\0\\0\\-1\\0"},
        {"ImageOrientationPatient": "0\\0\\0\\0\\0\\0"},
        {"ImageOrientationPatient": "nonsense"},
        {"ImageOrientationPatient": "nan\\0\\0\\0\\1\\0"},
        {"ImageOrientationPatient": "inf\\0\\0\\0\\1e308\\0"},
    ],
    ids=str,
)
def test_heads_and_the_unknown_pass_by_their_attributes(attributes: dict[str, str]) -> None:
    assert refuse_by_attributes(attributes) is None


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, "is a localizer (scout) image"),
        ({"ImageType": "derived\\secondary\\screen save"}, "is a screen save"),
        ({"ImageType": "DERIVED\\PRIMARY\\PERFUSION\\CBF"}, "is a perfusion map"),
        ({"ImageType": "DERIVED\\SECONDARY\\MIP"}, "is a maximum intensity projection"),
        ({"SeriesDescription": "Topogram  0.6  T20s"}, "is a localizer (scout) image"),
        ({"ImageOrientationPatient": "1\\0\\0\\0\\0\\-1"}, "is a coronal slice"),
        ({"ImageOrientationPatient": "0\\1\\0\\0\\0\\-1"}, "is a sagittal slice"),
        (
            {"BodyPartExamined": "CHEST"},
            "shows another part of the body (BodyPartExamined is 'CHEST')",
        ),
        (
            {"StudyDescription": "CT C-SPINE"},
            "shows another part of the body (StudyDescription is 'CT C-SPINE')",
        ),
        (
            {"StudyDescription": "CT HEAD AND C-SPINE", "SeriesDescription": "C-SPINE 2.0"},
            "shows another part of the body (SeriesDescription is 'C-SPINE 2.0')",
        ),
        (
            {"SeriesDescription": "ABDOMEN 5.0"},
            "shows another part of the body (SeriesDescription is 'ABDOMEN 5.0')",
        ),
    ],
    ids=str,
)
def test_what_says_that_it_is_no_axial_head_is_refused(
    attributes: dict[str, str], problem: str
) -> None:
    assert refuse_by_attributes(attributes) == problem


def head_slices(n_slices: int = 12) -> list[NDArray[np.int16]]:
    scan = Scan(n_slices=n_slices, spacing_mm=120 / n_slices, pixels=256)
    return [plain_slice(scan, index) for index in range(n_slices)]


def trunk(rows: int = 512, columns: int = 512) -> NDArray[np.int16]:
    """Return a slice of soft tissue as wide as a chest, with a spine and no ring of bone."""
    y, x = np.mgrid[:rows, :columns]
    hu = np.full((rows, columns), -1000, np.int16)
    hu[((x - 256) / 240) ** 2 + ((y - 256) / 160) ** 2 < 1] = 40
    hu[((x - 256) / 20) ** 2 + ((y - 350) / 20) ** 2 < 1] = 600
    return hu


def test_a_head_is_eligible_with_and_without_known_pixel_spacing() -> None:
    slices = head_slices()

    assert judge_series(slices, [(0.9, 0.9)] * 12).warnings == ()
    assert judge_series(slices, [None] * 12).eligible


def test_a_head_on_a_table_is_eligible() -> None:
    slices = head_slices()
    for hu in slices:
        hu[240:250] = 200

    assert judge_series(slices, [(0.9, 0.9)] * 12).eligible


def test_a_head_in_a_whole_body_scan_is_eligible_with_a_warning() -> None:
    slices = head_slices(4) + [trunk()] * 9

    eligibility = judge_series(slices, [(0.9, 0.9)] * 4 + [(0.7, 0.7)] * 9)

    assert eligibility.eligible
    assert eligibility.warnings == ("Part of the series is wider than a head.",)


def test_a_trunk_is_refused_by_its_width() -> None:
    eligibility = judge_series([trunk()] * 5, [(0.7, 0.7)] * 5)

    assert not eligibility.eligible
    assert eligibility.reason == "The slices show a body 336 mm wide and no skull: this is no head."


def test_a_trunk_of_unknown_size_is_doubtful() -> None:
    eligibility = judge_series([trunk()], [None])

    assert eligibility.eligible
    assert "No closed skull is seen" in eligibility.warnings[0]


def test_soft_tissue_without_bone_is_refused() -> None:
    hu = np.where(trunk() > 0, 40, -1000).astype(np.int16)

    assert judge_series([hu], [(0.3, 0.3)]).reason == "The slices show no bone: this is no head."


@pytest.mark.parametrize("value", [-1024, -1000])
def test_nothing_but_air_is_refused(value: int) -> None:
    eligibility = judge_series([np.full((64, 64), value, np.int16)] * 3, [None] * 3)

    assert eligibility.reason == "The slices show no body: there is nothing but air."


def test_no_slices_are_refused() -> None:
    assert not judge_series([], []).eligible


@pytest.mark.parametrize("shape", [(64, 64), (374, 408), (1024, 1024), (65, 1023)])
def test_every_shape_is_judged(shape: tuple[int, int]) -> None:
    hu = np.full(shape, 40, np.int16)
    hu[:5] = 900

    assert judge_series([hu], [None]).eligible


@needs_shared_data
def test_a_real_tilted_head_is_eligible_as_a_series_and_slice_by_slice() -> None:
    paths = sorted((SHARED / "ge-head").glob("*.dcm"))
    slices = [read_slice(path.read_bytes(), path.name, ReadLimits()) for path in paths]

    series = judge_series([s.hu for s in slices], [s.pixel_spacing_mm for s in slices])

    assert series.eligible
    assert series.warnings == ()
    assert all(judge_series([s.hu], [s.pixel_spacing_mm]).eligible for s in slices)


def recovered_hu(patient: str, index: int) -> NDArray[np.int16]:
    """Recover HU from the two windows of a CT-ICH slice (see the data set's description)."""
    brain, bone = (
        np.asarray(
            Image.open(SHARED / f"ct-ich/{kind}/{patient}_{index:02d}.jpg").convert("L"), np.float64
        )
        for kind in ("brain", "bone")
    )
    fine, coarse = -20 + 120 * brain / 255, -900 + 3200 * bone / 255
    return np.where((brain > 0) & (brain < 255), fine, coarse).round().astype(np.int16)


@needs_shared_data
@pytest.mark.parametrize("patient", ["049", "060", "078", "098", "125"])
def test_real_heads_of_unknown_pixel_spacing_are_eligible(patient: str) -> None:
    paths = sorted((SHARED / "ct-ich/brain").glob(f"{patient}_*.jpg"))
    if not paths:
        pytest.skip(f"patient {patient} is not in the data set")
    slices = [recovered_hu(patient, int(path.stem[4:])) for path in paths]

    assert judge_series(slices, [None] * len(slices)).eligible
    assert all(judge_series([hu], [None]).eligible for hu in slices[:-2])


@needs_shared_data
@pytest.mark.parametrize("file", ["CTImage.dcm", "CT1_J2KR"])
def test_real_trunks_are_refused_by_their_pixels(file: str) -> None:
    ct_slice = read(SHARED / "transfer-syntaxes" / file)

    eligibility = judge_series([ct_slice.hu], [ct_slice.pixel_spacing_mm])

    assert "no skull: this is no head" in eligibility.reason


@pytest.mark.parametrize("file", ["J2K_pixelrep_mismatch.dcm", "693_J2KI.dcm"])
def test_real_head_slices_that_pydicom_brings_are_eligible(file: str) -> None:
    path = pydicom.data.get_testdata_file(file, download=False)
    if path is None:
        pytest.skip("this pydicom was installed without its test files")

    ct_slice = read_slice(Path(str(path)).read_bytes(), file, ReadLimits())

    assert judge_series([ct_slice.hu], [ct_slice.pixel_spacing_mm]).eligible


def test_a_field_that_holds_no_head_is_refused() -> None:
    head = plain_slice(Scan(pixels=128), 12)

    eligibility = judge_series([head], [(0.66, 0.66)])

    assert not eligibility.eligible
    assert "field of 84 mm" in eligibility.reason


def test_many_slices_without_a_skull_are_refused() -> None:
    rows, columns = np.mgrid[:256, :256]
    limb = np.full((256, 256), -1000, dtype=np.int16)
    limb[(rows - 128) ** 2 + (columns - 128) ** 2 < 80**2] = 50
    limb[(rows - 128) ** 2 + (columns - 128) ** 2 < 15**2] = 900

    eligibility = judge_series([limb] * 12, [(0.8, 0.8)] * 12)

    assert not eligibility.eligible
    assert "No slice shows a closed skull" in eligibility.reason
