"""Series that are not head CT as networks learn it: spoilt heads, made shapes, files of others."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from model.dicom.eligibility import judge_series
from model.windowing import HU_MIN

Slice = NDArray[np.int16]

_HU_MAX: Final = 3071
_PIXELS: Final = 512
_LEAST_SIDE: Final = 64
"""Of a file's slice in pixels; smaller ones are no images but tests of decoders."""

_OTHER_PART: Final = "CT of another part of the body"
_OTHER_MODALITY: Final = "image of another modality"


@dataclass(frozen=True)
class ExampleSeries:
    """A series of one kind.

    Parameters
    ----------
    kind
        What it shows.
    hu
        Its slices, int16[H, W], upward.
    spacing_mm
        Of its pixels, (row, column), where known.
    """

    kind: str
    hu: Sequence[Slice]
    spacing_mm: tuple[float, float] | None = None


# --------------------------------------------------------------------------------- what is spoilt


def _brighter(hu: Slice) -> Slice:
    """As contrast medium does to soft tissue, coarsely."""
    return np.where((hu > 0) & (hu < 100), hu + 30, hu).astype(np.int16)


def _grey_levels(hu: Slice) -> Slice:
    """As an 8-bit export of the brain window (40/80) whose grey levels are taken for HU."""
    return (np.clip(hu, 0, 80) / 80 * 255).astype(np.int16)


SPOILT: Final[dict[str, Callable[[Slice], Slice]]] = {
    "head, turned by 180 degrees": lambda hu: hu[::-1, ::-1],
    "head, mirrored top to bottom": lambda hu: hu[::-1],
    "head, stored values taken for HU (1024 too high)": lambda hu: hu + np.int16(1024),
    "head, soft tissue 30 HU brighter": _brighter,
    "head, 8-bit grey levels taken for HU": _grey_levels,
    "head, black and white exchanged": lambda hu: -hu,
}
"""Kind to what is done to each slice of a head."""


def spoilt(hu: Sequence[Slice]) -> Iterator[ExampleSeries]:
    """Spoil a head in each way."""
    for kind, change in SPOILT.items():
        yield ExampleSeries(kind, [np.ascontiguousarray(change(one)) for one in hu])


# ----------------------------------------------------------------------------------- what is made


def _noise(generator: np.random.Generator) -> Slice:
    """Nothing but noise, as strong as a scanner never shows it."""
    middle, deviation = generator.uniform(-200, 200), generator.uniform(50, 1000)
    return _as_hu(generator.normal(middle, deviation, (_PIXELS, _PIXELS)))


def _blank(generator: np.random.Generator) -> Slice:
    """One value everywhere, of air to bone."""
    return np.full((_PIXELS, _PIXELS), generator.integers(HU_MIN, 1000), np.int16)


def _cylinder(generator: np.random.Generator) -> Slice:
    """A phantom: water in a wall of acrylic, with four rods of air, fat, acrylic and Teflon."""
    rows, columns = np.mgrid[:_PIXELS, :_PIXELS] - _PIXELS / 2
    radius = generator.uniform(120, 230)
    distance = np.hypot(rows, columns)
    hu = np.select([distance < radius, distance < radius + 8], [0.0, 120.0], -1000.0)
    turn = generator.uniform(0, np.pi)
    for number, rod_hu in enumerate((-1000, -100, 120, 990)):
        angle = turn + number * np.pi / 2
        middle = 0.6 * radius * np.array([np.sin(angle), np.cos(angle)])
        hu[np.hypot(rows - middle[0], columns - middle[1]) < 0.12 * radius] = rod_hu
    return _as_hu(hu + generator.normal(0, 5, hu.shape))


def _as_hu(values: NDArray[np.floating]) -> Slice:
    hu: Slice = np.rint(values).clip(HU_MIN, _HU_MAX).astype(np.int16)
    return hu


MADE: Final[dict[str, Callable[[np.random.Generator], Slice]]] = {
    "noise": _noise,
    "blank": _blank,
    "cylinder phantom": _cylinder,
}
"""Kind to what draws a slice of it."""


def made(count: int = 20, seed: int = 0) -> Iterator[ExampleSeries]:
    """Make so many series of each kind, of one slice each."""
    for kind, draw in MADE.items():
        for number in range(count):
            yield ExampleSeries(kind, [draw(np.random.default_rng((seed, number)))])


# --------------------------------------------------------------------------------- files of others


def other_files(folder: Path) -> list[ExampleSeries]:
    """Read the images of a folder of DICOM files, whatever they show, as if they were CT.

    Parameters
    ----------
    folder
        Passed over are files that cannot be read, in colour, with several frames or smaller than
        64 pixels, and what the pixels show to be a head. Of a series the first image counts.

    Returns
    -------
    Each image as a series of its own.
    """
    found: dict[str, ExampleSeries] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of test files for readers, many are odd
            try:
                dataset = pydicom.dcmread(path)
                example = _example(dataset)
            except (InvalidDicomError, AttributeError, ValueError, RuntimeError, OSError):
                continue
        if example is not None and not _is_head(example):
            found.setdefault(str(dataset.get("SeriesInstanceUID", path)), example)
    return list(found.values())


def _is_head(example: ExampleSeries) -> bool:
    """Whether it is one without doubt."""
    judged = judge_series(example.hu, [example.spacing_mm] * len(example.hu))
    return judged.eligible and not judged.warnings


def _example(dataset: pydicom.Dataset) -> ExampleSeries | None:
    """The image as a series of one slice; None where it is in colour, small or several."""
    stored = dataset.pixel_array
    if stored.ndim != 2 or min(stored.shape) < _LEAST_SIDE:
        return None
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    hu = _as_hu(stored * float(slope or 1) + float(intercept or 0))
    spacing = dataset.get("PixelSpacing")
    return ExampleSeries(
        _OTHER_PART if dataset.get("Modality") == "CT" else _OTHER_MODALITY,
        [hu],
        (float(spacing[0]), float(spacing[1])) if spacing else None,
    )
