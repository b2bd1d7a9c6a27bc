"""Small real caches in a moment: synthetic DICOM heads, read by the real reader and writer.

    cached = open_cache(write_cache(tmp_path / "cache"))

The files lie in `originals/` inside the cache and can be read again through `cached.data_set`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ct_factory import ct_file
from model.data import cache_writer
from model.data.own_folder import OwnFolderSet
from model.labels import SUBTYPES

PIXELS = 64
_ROOT = "1.2.826.0.1.3680043.8.498"


def write_cache(
    folder: Path,
    patients: int = 10,
    slices: int = 4,
    *,
    size: int = 32,
    seed: int = 0,
    name: str = "simulated",
) -> Path:
    """Write a cache of `patients` x `slices` and return its folder.

    Every second patient bleeds, in the upper half of the slices and one subtype each in turn, so
    that ten patients show all six labels.
    """
    data_set = write_originals(folder / "originals", patients, slices, seed)
    cache_writer.write_cache(data_set, folder, size=size, name=name)
    return folder


def write_originals(root: Path, patients: int = 10, slices: int = 4, seed: int = 0) -> OwnFolderSet:
    """Write DICOM files and `labels.csv`, one study of one series a patient."""
    generator = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    rows = [",".join(("file", "patient", *SUBTYPES))]
    for patient in range(patients):
        for number in range(slices):
            bleeds = patient % 2 == 1 and 2 * number >= slices
            subtype = patient // 2 % len(SUBTYPES) if bleeds else None
            file_name = f"p{patient:03d}_{number:03d}.dcm"
            content = _file(draw_head(generator, subtype), seed, patient, number)
            (root / file_name).write_bytes(content)
            labels = [str(int(one == subtype)) for one in range(len(SUBTYPES))]
            rows.append(",".join((file_name, f"p{patient:03d}", *labels)))
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return OwnFolderSet(root, root / "labels.csv", "Synthetic heads", "Falx", "the program's own")


def _file(hu: NDArray[np.int16], seed: int, patient: int, number: int) -> bytes:
    place = f"{_ROOT}.{seed}.{patient}"
    return ct_file(
        hu,
        PatientID=f"P{seed}-{patient}",
        StudyInstanceUID=f"{place}.1",
        SeriesInstanceUID=f"{place}.1.1",
        SOPInstanceUID=f"{place}.1.1.{number + 1}",
        InstanceNumber=str(number + 1),
        ImagePositionPatient=f"-100\\-100\\{5 * number}",
        PixelSpacing="3.2\\3.2",
        WindowCenter="40",
        WindowWidth="80",
    )


def draw_head(generator: np.random.Generator, subtype: int | None) -> NDArray[np.int16]:
    """Draw an oval head of noise with a skull, off the middle; `subtype` places a bright bleed."""
    down, right = np.mgrid[:PIXELS, :PIXELS] - PIXELS / 2
    oval = np.hypot((down - 4) / 26, (right + 3) / 21)
    hu = np.full((PIXELS, PIXELS), -1000.0)
    hu[oval < 1] = 900
    hu[oval < 0.88] = 32
    if subtype is not None:
        angle = 2 * np.pi * subtype / len(SUBTYPES)
        bleed = np.hypot(down - 4 - 13 * np.sin(angle), right + 3 - 10 * np.cos(angle)) < 6
        hu[bleed] = 75
    return np.rint(hu + generator.normal(0, 4, hu.shape)).astype(np.int16)
