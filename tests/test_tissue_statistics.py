"""Level and noise that are known are found again in a head; where there is no brain, nothing is."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.synthetic.scan import Scan
from model.dicom.tissue_statistics import measure_tissue
from plain_head import BRAIN_HU, plain_slice

SCAN = Scan(n_slices=7, spacing_mm=15)
NOISE_HU = 4.0
"""White, of a plain slice."""


@pytest.fixture(scope="module")
def head() -> list[NDArray[np.int16]]:
    return [plain_slice(SCAN, index) for index in range(SCAN.n_slices)]


def with_noise(head: list[NDArray[np.int16]], sd: float) -> list[NDArray[np.int16]]:
    """So much white noise more."""
    generator = np.random.default_rng(1)
    return [np.rint(one + generator.normal(0, sd, one.shape)).astype(np.int16) for one in head]


@pytest.mark.parametrize("added", [0.0, 3.0, 8.0])
def test_known_noise_is_found_again(head: list[NDArray[np.int16]], added: float) -> None:
    found = measure_tissue(with_noise(head, added))

    assert found is not None
    assert found.noise_hu == pytest.approx(np.hypot(NOISE_HU, added), rel=0.03)
    assert found.median_hu == pytest.approx(BRAIN_HU, abs=0.5)


@pytest.mark.parametrize("offset", [-7, 2, 10])
def test_a_scanner_that_reads_too_high_or_too_low_moves_the_median_alone(
    head: list[NDArray[np.int16]], offset: int
) -> None:
    before, after = measure_tissue(head), measure_tissue([one + np.int16(offset) for one in head])

    assert before is not None
    assert after is not None
    assert after.median_hu - before.median_hu == pytest.approx(offset, abs=0.1)
    assert after.noise_hu == pytest.approx(before.noise_hu, rel=0.01)


def test_a_smoother_kernel_lowers_the_noise(head: list[NDArray[np.int16]]) -> None:
    smooth = [((one + np.roll(one, 1, axis=1)) // 2).astype(np.int16) for one in head]

    before, after = measure_tissue(head), measure_tissue(smooth)

    assert before is not None
    assert after is not None
    # Two neighbours that share one of two values differ by half of what they did.
    assert after.noise_hu == pytest.approx(before.noise_hu / 2, rel=0.05)


def test_what_lies_outside_the_skull_does_not_count(head: list[NDArray[np.int16]]) -> None:
    cushioned = [np.where(one < -500, np.int16(70), one) for one in head]

    assert measure_tissue(cushioned) == measure_tissue(head)


def test_a_slice_without_brain_changes_nothing(head: list[NDArray[np.int16]]) -> None:
    air = np.full_like(head[0], -1000)

    assert measure_tissue([air, *head, air]) == measure_tissue(head)


@pytest.mark.parametrize("hu", [-1000, 40, 1100])
def test_without_a_head_there_is_nothing_to_measure(hu: int) -> None:
    assert measure_tissue([np.full((512, 512), hu, dtype=np.int16)]) is None
    assert measure_tissue([]) is None


def test_slices_may_differ_in_size(head: list[NDArray[np.int16]]) -> None:
    small = plain_slice(replace(SCAN, pixels=256), 3)

    found = measure_tissue([small, *head])

    assert found is not None
    assert found.median_hu == pytest.approx(BRAIN_HU, abs=0.5)
