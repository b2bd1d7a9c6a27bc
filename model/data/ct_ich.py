"""Read CT-ICH (Hssayeni et al., doi 10.13026/w8q8-ky94): JPEG pairs back to Hounsfield units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.data.csv_rows import in_line, read_rows, zero_or_one
from model.data.dataset import DataSetFacts, LeftOut, SliceIndex, SourceSlice
from model.errors import TrainingError
from model.labels import SUBTYPES
from model.windowing import HU_MIN

BRAIN_LOWEST_HU: Final = -20.0
BRAIN_HU_PER_GREY: Final = 120 / 255
BONE_HU_PER_GREY: Final = 3200 / 255
EXPECTED_OFFSET: Final = 70.125
"""Bone grey level where the brain image is at its lowest, for bone center 700, width 3200."""

_UNSATURATED: Final = (20, 235)
_USUAL_OFFSETS: Final = 2.0
"""Grey levels about `EXPECTED_OFFSET`."""
_SPACING_MM: Final = 5.0

FACTS: Final = DataSetFacts(
    kind="ct-ich",
    title="Computed Tomography Images for Intracranial Hemorrhage Detection and Segmentation "
    "(CT-ICH), PhysioNet, version 1.0.0",
    authors="Hssayeni M. D., Croock M. S., Salman A. D., Al-khafaji H. F., Yahya Z. A., "
    "Ghoraani B.; Data 2020, 5(1), 14",
    doi="10.13026/w8q8-ky94",
    licence="Creative Commons Attribution 4.0",
    hounsfield_units="Recovered from the brain (center 40, width 120) and bone (width 3200) JPEG "
    "images; the bone center is fitted for each patient: 700 in 81 of 82 patients, about 790 in "
    "patient 50, whose brain window is taken as the true one.",
    limits=(
        "All patients had head trauma and came from one hospital; other bleeding is not shown.",
        "Hounsfield units were recovered from 8-bit JPEG images of 5 mm slices, not from DICOM.",
    ),
)


@dataclass(frozen=True)
class LabelledSlice:
    """One slice of CT-ICH; `targets` are 0 or 1 in `LABELS` order."""

    patient: int
    number: int
    targets: tuple[int, ...]

    @property
    def name(self) -> str:
        """The JPEG's name in both folders, without its ending."""
        return f"{self.patient:03d}_{self.number:02d}"


@dataclass(frozen=True)
class SlicePixels:
    """Grey levels uint8[H, W] of one slice; a slice may lack its bone image."""

    brain: NDArray[np.uint8]
    bone: NDArray[np.uint8] | None


def read_labels(root: Path) -> list[LabelledSlice]:
    """List all slices by patient and slice number (from the skull base upward).

    Parameters
    ----------
    root
        The folder with `labels.csv`, `brain/` and `bone/`.

    Raises
    ------
    TrainingError
        `labels.csv` is missing or not in its form.
    """
    path = root / "labels.csv"
    rows = read_rows(path, ("patient", "slice", *SUBTYPES))
    for column in ("patient", "slice"):
        wrong = ~rows[column].str.fullmatch("[0-9]{1,3}").to_numpy(bool)
        if wrong.any():
            raise TrainingError(
                f"{in_line(path, rows[column], int(np.argmax(wrong)))} is no number."
            )
    subtypes = np.stack([zero_or_one(path, rows[name]) for name in SUBTYPES], axis=1)
    targets = np.concatenate([subtypes.max(axis=1, keepdims=True), subtypes], axis=1)
    slices = [
        LabelledSlice(int(patient), int(number), tuple(labels))
        for patient, number, labels in zip(
            rows["patient"], rows["slice"], targets.tolist(), strict=True
        )
    ]
    if len({item.name for item in slices}) < len(slices):
        raise TrainingError(f"{path} names a slice twice.")
    return sorted(slices, key=lambda item: (item.patient, item.number))


def read_pixels(root: Path, name: str) -> SlicePixels:
    """Decode the brain and, where there is one, the bone image of a slice.

    Raises
    ------
    TrainingError
        An image is damaged, the brain image is missing, or they differ in size.
    """
    brain_path, bone_path = (root / folder / f"{name}.jpg" for folder in ("brain", "bone"))
    try:
        brain = np.asarray(Image.open(brain_path).convert("L"))
        bone = np.asarray(Image.open(bone_path).convert("L")) if bone_path.exists() else None
    except OSError as problem:
        raise TrainingError(f"CT-ICH {name}.jpg cannot be read: {problem}.") from problem
    if bone is not None and bone.shape != brain.shape:
        raise TrainingError(
            f"CT-ICH {name}.jpg has a brain image of {brain.shape} and a bone image of "
            f"{bone.shape} pixels."
        )
    return SlicePixels(brain, bone)


def fit_bone_offset(pixels: list[SlicePixels]) -> float:
    """Find a patient's bone grey level at the foot of the brain window.

    Both windows' widths are known (120 and 3200 HU), so the line bone = offset + slope * brain has
    a fixed slope; the median residual over unsaturated pixels is its offset, untouched by metal
    and by edges that JPEG blurred.

    Returns
    -------
    Grey levels; 70.1 where the bone window has center 700. Another value tells that the bone
    window was another one: the brain image is then taken as the true one, because its brain lies
    at the usual HU.

    Raises
    ------
    TrainingError
        No slice has both images.
    """
    slope = BRAIN_HU_PER_GREY / BONE_HU_PER_GREY
    residuals = []
    for item in pixels:
        if item.bone is None:
            continue
        inside = (item.brain > _UNSATURATED[0]) & (item.brain < _UNSATURATED[1])
        residuals.append(item.bone[inside][::7] - slope * item.brain[inside][::7])
    if not residuals or not sum(map(len, residuals)):
        raise TrainingError("A CT-ICH patient has no slice with a brain and a bone image.")
    return float(np.median(np.concatenate(residuals)))


def recover_hu(pixels: SlicePixels, bone_offset: float) -> NDArray[np.int16]:
    """Recover HU: half a HU a grey level inside the brain window, 12.5 HU outside it.

    Parameters
    ----------
    pixels
        One slice.
    bone_offset
        From `fit_bone_offset`, of the same patient.

    Returns
    -------
    int16[H, W], -1024..3072. Where the bone image is missing, saturated pixels stay at the brain
    window's ends, except that black is air. Black in the bone image (-900 HU or less) is air.
    """
    brain = pixels.brain.astype(np.float32)
    hu = BRAIN_LOWEST_HU + BRAIN_HU_PER_GREY * brain
    if pixels.bone is None:
        hu[pixels.brain == 0] = HU_MIN
        return _as_hu(hu)
    coarse = BRAIN_LOWEST_HU + BONE_HU_PER_GREY * (pixels.bone - np.float32(bone_offset))
    # JPEG rings by a few grey levels at edges: the ends are taken a little inside 0 and 255.
    low, high = pixels.brain < 4, pixels.brain > 251
    hu[low] = np.minimum(coarse[low], BRAIN_LOWEST_HU)
    hu[high] = np.maximum(coarse[high], BRAIN_LOWEST_HU + 120)
    hu[(pixels.bone < 2) & low] = HU_MIN
    return _as_hu(np.clip(hu, HU_MIN, 3072))


def _as_hu(values: NDArray[np.float32]) -> NDArray[np.int16]:
    rounded: NDArray[np.int16] = np.rint(values).astype(np.int16)
    return rounded


@dataclass(frozen=True)
class CtIchSet:
    """CT-ICH's slices; `root` is the folder with `labels.csv`, `brain/` and `bone/`."""

    root: Path

    @property
    def facts(self) -> DataSetFacts:
        """Title, authors, licence and limits."""
        return FACTS

    def index(self) -> SliceIndex:
        """List the slices, patient by patient, from the skull base upward.

        Raises
        ------
        TrainingError
            `labels.csv` is missing or not in its form.
        """
        slices = read_labels(self.root)
        patients = np.array([item.patient for item in slices])
        starts = np.flatnonzero(np.diff(patients)) + 1
        return SliceIndex(
            names=[item.name for item in slices],
            targets=np.array([item.targets for item in slices], np.int8),
            units=np.split(np.arange(len(slices)), starts),
            left_out=(),
        )

    def read(self, names: Sequence[str]) -> Iterator[SourceSlice | LeftOut]:
        """Read slices by their names, as `049_01`; HU are recovered for each patient as a whole."""
        for patient, wanted in groupby(names, key=lambda name: name.partition("_")[0]):
            yield from _read_patient(self.root, patient, list(wanted))


def _read_patient(root: Path, patient: str, wanted: list[str]) -> Iterator[SourceSlice | LeftOut]:
    """Read the wanted slices of one patient, with an offset fitted to all that can be read."""
    there = {path.stem for path in (root / "brain").glob(f"{patient}_*.jpg")}
    pixels: dict[str, SlicePixels] = {}
    problems: dict[str, str] = {}
    for name in sorted(there | set(wanted)):
        try:
            pixels[name] = read_pixels(root, name)
        except TrainingError as problem:
            problems[name] = str(problem)
    try:
        offset = fit_bone_offset(list(pixels.values()))
    except TrainingError as problem:
        problems.update(dict.fromkeys(pixels, str(problem)))
        offset = EXPECTED_OFFSET
    for name in wanted:
        if name in problems:
            yield LeftOut(name, "unreadable file", problems[name])
        else:
            yield _source_slice(name, pixels[name], offset)


def _source_slice(name: str, pixels: SlicePixels, offset: float) -> SourceSlice:
    patient, _, number = name.partition("_")
    warnings = []
    if pixels.bone is None:
        warnings.append("There is no bone image: bone is cut off at 100 HU.")
    if abs(offset - EXPECTED_OFFSET) > _USUAL_OFFSETS:
        warnings.append(
            f"The bone window was not the usual one (it meets the brain window at grey level "
            f"{offset:.1f}, not {EXPECTED_OFFSET:.1f}); the brain window was taken as the true one."
        )
    return SourceSlice(
        name=name,
        hu=recover_hu(pixels, offset),
        patient=patient,
        study=patient,
        series=patient,
        z_mm=int(number) * _SPACING_MM,
        number=int(number),
        slice_thickness_mm=_SPACING_MM,
        warnings=tuple(warnings),
    )
