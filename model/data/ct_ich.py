"""Read CT-ICH (Hssayeni et al., doi 10.13026/w8q8-ky94): JPEG pairs back to Hounsfield units."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.errors import TrainingError
from model.labels import SUBTYPES
from model.windowing import HU_MIN

BRAIN_LOWEST_HU: Final = -20.0
BRAIN_HU_PER_GREY: Final = 120 / 255
BONE_HU_PER_GREY: Final = 3200 / 255
EXPECTED_OFFSET: Final = 70.125
"""Bone grey level where the brain image is at its lowest, for bone center 700, width 3200."""

_UNSATURATED: Final = (20, 235)
_REDUCTION: Final = 2


@dataclass(frozen=True)
class LabelledSlice:
    """One slice of CT-ICH; `targets` are 0 or 1 in `LABELS` order."""

    patient: int
    number: int
    targets: tuple[int, ...]

    @property
    def file_name(self) -> str:
        """The JPEG's name in both folders."""
        return f"{self.patient:03d}_{self.number:02d}.jpg"


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
        `labels.csv` is missing or a row lacks a column.
    """
    path = root / "labels.csv"
    try:
        with path.open(newline="") as file:
            slices = [_labelled(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as problem:
        raise TrainingError(f"{path.name} of CT-ICH cannot be read: {problem}.") from problem
    return sorted(slices, key=lambda item: (item.patient, item.number))


def _labelled(row: dict[str, str]) -> LabelledSlice:
    subtypes = [int(row[name]) for name in SUBTYPES]
    return LabelledSlice(int(row["patient"]), int(row["slice"]), (max(subtypes), *subtypes))


def read_pixels(root: Path, item: LabelledSlice) -> SlicePixels:
    """Decode the brain and, where there is one, the bone image of a slice.

    Raises
    ------
    TrainingError
        The brain image is missing or damaged.
    """
    try:
        brain = np.asarray(Image.open(root / "brain" / item.file_name).convert("L"))
        bone_path = root / "bone" / item.file_name
        bone = np.asarray(Image.open(bone_path).convert("L")) if bone_path.exists() else None
    except OSError as problem:
        raise TrainingError(f"CT-ICH {item.file_name} cannot be read: {problem}.") from problem
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


def recover_patient(root: Path, slices: list[LabelledSlice]) -> tuple[NDArray[np.int16], float]:
    """Recover one patient's series: int16[S, H, W] and the bone offset it was recovered with."""
    pixels = [read_pixels(root, item) for item in slices]
    offset = fit_bone_offset(pixels)
    return np.stack([recover_hu(item, offset) for item in pixels]), offset


def reduce_by_mean(hu: NDArray[np.int16]) -> NDArray[np.int16]:
    """Halve rows and columns of int16[S, H, W] by the mean of 2 x 2 pixels; H and W are even."""
    count, height, width = hu.shape
    blocks = hu.reshape(count, height // _REDUCTION, _REDUCTION, width // _REDUCTION, _REDUCTION)
    return _as_hu(blocks.mean(axis=(2, 4), dtype=np.float32))


def open_cache(root: Path, cache: Path) -> NDArray[np.int16]:
    """Map the reduced HU of all slices, int16[slices, 325, 325], in the order of `read_labels`.

    Parameters
    ----------
    root
        The CT-ICH folder.
    cache
        Folder for `ct_ich.npy` and `ct_ich.json` (the patients' bone offsets); filled once.
    """
    path = cache / "ct_ich.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _fill_cache(root, path)
    mapped: NDArray[np.int16] = np.load(path, mmap_mode="r")
    return mapped


def _fill_cache(root: Path, path: Path) -> None:
    slices = read_labels(root)
    offsets: dict[int, float] = {}
    parts = []
    for patient in sorted({item.patient for item in slices}):
        mine = [item for item in slices if item.patient == patient]
        hu, offsets[patient] = recover_patient(root, mine)
        parts.append(reduce_by_mean(hu))
    path.with_suffix(".json").write_text(json.dumps({"bone_offset": offsets}, indent=1))
    partial = path.with_suffix(".part.npy")
    np.save(partial, np.concatenate(parts))
    partial.rename(path)
