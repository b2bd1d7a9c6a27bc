"""A small synthetic download of RSNA 2019, in exactly its form, with every trap of the real one.

    tree = write_rsna_tree(tmp_path)
    RsnaSet(tree.root).index()

Heads are plain ones; a bright blob, in a place of its own for each subtype, is the bleeding. The
files are written as the real ones are: no SOP class in the data set, identifiers instead of UIDs,
no instance number. `tree` tells what was put in.
"""

import random
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ct_factory import Encoding, ct_file
from model.data.synthetic.scan import Scan
from model.labels import LABELS, SUBTYPES
from plain_head import plain_slice

DOWNLOAD_FOLDER: Final = "rsna-intracranial-hemorrhage-detection"
TRUNCATED: Final = "ID_6431af929"
REPEATED: Final = ("ID_a64d5deed", "ID_921490062", "ID_489ae4179", "ID_854fba667")
CSV_LABELS: Final = (*SUBTYPES, "any")
"""The order of the rows of an image in the real CSV."""

_PLACES_MM: Final = {
    "epidural": (-52.0, -30.0),
    "intraparenchymal": (34.0, 14.0),
    "intraventricular": (0.0, 0.0),
    "subarachnoid": (12.0, -62.0),
    "subdural": (52.0, 40.0),
}
"""Of each subtype's blob: to the left and to the back of the middle."""
_BLOB_MM: Final = 15.0
_BLEED_HU: Final = 75


@dataclass(frozen=True)
class RsnaTree:
    """What was written.

    `labels` are those of every image that can be used, in `LABELS` order, `patient_of` and
    `study_of` its patient and study; `left_out` counts by kind what the index must report;
    `unreadable` are indexed images that cannot be read, with a part of the reason. The others name
    the images of one trap each.
    """

    root: Path
    labels: dict[str, tuple[int, ...]]
    patient_of: dict[str, str]
    study_of: dict[str, str]
    test_images: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    wrapped: tuple[str, ...] = ()
    padded: tuple[str, ...] = ()
    two_windows: tuple[str, ...] = ()
    shapes: dict[str, tuple[int, int]] = field(default_factory=dict)
    near_blank: tuple[str, ...] = ()
    tilted: tuple[str, ...] = ()
    same_pixels_same_labels: tuple[str, ...] = ()
    same_pixels_other_labels: tuple[str, ...] = ()
    corrected_any: str = ""


@dataclass
class _Image:
    """One image before it is written."""

    name: str
    patient: str
    study: str
    series: str
    hu: NDArray[np.int16]
    targets: list[int]
    attributes: dict[str, Any]
    encoding: Encoding = field(default_factory=Encoding)


def write_rsna_tree(
    folder: Path,
    *,
    patients: int = 18,
    slices: int = 6,
    pixels: int = 64,
    stage: int = 2,
    seed: int = 0,
    traps: bool = True,
    nested: bool = False,
) -> RsnaTree:
    """Write the tree below `folder`; the same arguments give the same tree.

    Every second patient bleeds in the middle half of the slices, with two subtypes; patients 0, 1
    and 2 have two studies. `traps` needs 8 patients of 4 slices. `nested` adds the folder that
    Kaggle's archive holds.
    """
    rng = random.Random(seed)
    straight = Scan(slices, 90 / slices, pixels=pixels, field_mm=230.0)
    all_series = []
    for number in range(patients):
        patient, tilt = _identifier(rng, 8), 15.0 if traps and number == 7 else 0.0
        for study in range(2 if number < 3 else 1):
            scan = replace(straight, tilt_degrees=tilt)
            noise = 10_000 * seed + 2 * number + study
            all_series.append(_series(rng, scan, noise, patient, _subtypes(number)))
    images = [image for series in all_series for image in series]
    test = [
        image
        for number in range(3)
        for image in _series(
            rng,
            straight,
            10_000 * seed + 9_000 + number,
            images[0].patient if number == 0 else _identifier(rng, 8),
            _subtypes(2 * number),
        )
    ]
    root = folder / DOWNLOAD_FOLDER if nested else folder
    facts = _set_image_traps(all_series) if traps else {}
    rows = _rows(images)
    suffix = "" if stage == 2 else "_images"
    train_folder = root / f"stage_{stage}_train{suffix}"
    _write_images(train_folder, images)
    _write_images(root / f"stage_{stage}_test{suffix}", test)
    usable = {image.name: image for image in images}
    if traps:
        _damage_files(train_folder, all_series, facts, rng)
        _damage_rows(rows, all_series, facts, usable, rng)
    _write_csv(root / f"stage_{stage}_train.csv", rows)
    _write_csv(
        root / f"stage_{stage}_sample_submission.csv", [(row, "0.5") for row, _ in _rows(test)]
    )
    usable = {
        name: usable[name] for name in sorted(usable) if name not in facts.get("unreadable", {})
    }
    return RsnaTree(
        root,
        labels={name: tuple(image.targets) for name, image in usable.items()},
        patient_of={name: image.patient for name, image in usable.items()},
        study_of={name: image.study for name, image in usable.items()},
        test_images=tuple(sorted(image.name for image in test)),
        **facts,
    )


def _identifier(rng: random.Random, digits: int) -> str:
    return f"ID_{rng.randrange(16**digits):0{digits}x}"


def _subtypes(number: int) -> tuple[str, ...]:
    """Return the subtypes of a patient: none where the number is odd."""
    if number % 2:
        return ()
    first = number // 2 % len(SUBTYPES)
    return SUBTYPES[first], SUBTYPES[(first + 2) % len(SUBTYPES)]


def _series(
    rng: random.Random, scan: Scan, noise: int, patient: str, subtypes: tuple[str, ...]
) -> list[_Image]:
    """Simulate one study of one series; the second subtype shows in the last bleeding slice."""
    study, series = _identifier(rng, 10), _identifier(rng, 10)
    first = scan.n_slices // 4
    last = first + scan.n_slices // 2 - 1
    images = []
    for index in range(scan.n_slices):
        shown = subtypes[: 2 if index == last else 1] if first <= index <= last else ()
        name = _identifier(rng, 9)
        attributes = {
            **_attributes(scan, index),
            "SOPInstanceUID": name,
            "PatientID": patient,
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
        }
        hu = _with_blobs(plain_slice(scan, index, noise), scan.pixel_mm, shown)
        targets = [int(bool(shown)), *(int(subtype in shown) for subtype in SUBTYPES)]
        images.append(_Image(name, patient, study, series, hu, targets, attributes))
    return images


def _with_blobs(
    hu: NDArray[np.int16], pixel_mm: float, subtypes: tuple[str, ...]
) -> NDArray[np.int16]:
    """Paint blood into a slice, a disc at the place of each subtype."""
    from_middle = (np.arange(hu.shape[0]) - (hu.shape[0] - 1) / 2) * pixel_mm
    bleeding = hu.copy()
    for subtype in subtypes:
        x, y = _PLACES_MM[subtype]
        disc = (from_middle[None, :] - x) ** 2 + (from_middle[:, None] - y) ** 2 < _BLOB_MM**2
        bleeding[disc] = _BLEED_HU
    return bleeding


def _attributes(scan: Scan, index: int) -> dict[str, Any]:
    """Return the attributes of the real files, and None for what they lack."""
    lacking = (
        "SpecificCharacterSet", "ImageType", "SOPClassUID", "StudyDate", "StudyDescription",
        "PatientName", "PatientAge", "BodyPartExamined", "SliceThickness", "InstanceNumber",
    )  # fmt: skip
    orientation = (1.0, 0.0, 0.0, *scan.column_direction)
    return {
        **dict.fromkeys(lacking),
        "StudyID": "",
        "ImagePositionPatient": "\\".join(f"{mm:.6f}" for mm in scan.position_mm(index)),
        "ImageOrientationPatient": "\\".join(f"{cosine:.6f}" for cosine in orientation),
        "PixelSpacing": f"{scan.pixel_mm:.6f}\\{scan.pixel_mm:.6f}",
        "WindowCenter": "30",
        "WindowWidth": "80",
    }


def _rows(images: list[_Image]) -> list[tuple[str, str]]:
    return [
        (f"{image.name}_{label}", str(image.targets[LABELS.index(label)]))
        for image in images
        for label in CSV_LABELS
    ]


def _set_image_traps(series: list[list[_Image]]) -> dict[str, Any]:
    """Change names, pixels and attributes, and tell where."""
    for image, name in zip(series[1], REPEATED, strict=False):
        _rename(image, name)
    _rename(series[3][0], TRUNCATED)
    wrapped, padded = series[6][:2], series[6][2:4]
    for image in wrapped:
        image.hu = image.hu.clip(-1000, None)
        image.encoding = Encoding(bits_stored=12, signed=False, intercept=0)
    for image, value in zip(padded, (-2000, -3024), strict=True):
        image.hu = image.hu.copy()
        image.hu[:6], image.hu[-6:] = value, value
    quarter = len(series[7][0].hu) // 4
    series[7][0].hu = _surrounded(series[7][0].hu, 8, 0)
    series[7][1].hu = _surrounded(series[7][1].hu, quarter, quarter)
    for image in series[8]:
        image.attributes |= {"WindowCenter": "00040\\00040", "WindowWidth": "00080\\00080"}
    near_blank = (series[8][0], series[9][0])
    for image in near_blank:
        image.hu = np.full_like(image.hu, -1000)
    series[8][-1].hu = series[2][-1].hu
    bleeding = next(image for image in series[0] if image.targets[0])
    series[10][1].hu = bleeding.hu
    series[5][0].attributes["PatientID"] = None
    return {
        "wrapped": tuple(image.name for image in wrapped),
        "padded": tuple(image.name for image in padded),
        "shapes": {image.name: image.hu.shape for image in series[7][:2]},
        "two_windows": tuple(image.name for image in series[8]),
        "near_blank": tuple(image.name for image in near_blank),
        "tilted": tuple(image.name for image in series[10]),
        "same_pixels_same_labels": (series[2][-1].name, series[8][-1].name),
        "same_pixels_other_labels": (bleeding.name, series[10][1].name),
    }


def _rename(image: _Image, name: str) -> None:
    image.name = image.attributes["SOPInstanceUID"] = name


def _surrounded(hu: NDArray[np.int16], rows: int, columns: int) -> NDArray[np.int16]:
    return np.pad(hu, ((rows, rows), (columns, columns)), constant_values=-1000)


def _write_images(folder: Path, images: list[_Image]) -> None:
    folder.mkdir(parents=True)
    for image in images:
        data = ct_file(image.hu, image.encoding, **image.attributes)
        (folder / f"{image.name}.dcm").write_bytes(data)


def _damage_files(
    folder: Path, series: list[list[_Image]], facts: dict[str, Any], rng: random.Random
) -> None:
    """Cut one file short, make another no DICOM, and add one without labels."""
    truncated = folder / f"{TRUNCATED}.dcm"
    truncated.write_bytes(truncated.read_bytes()[:-3000])
    foreign = series[4][0].name
    (folder / f"{foreign}.dcm").write_text("This is not a DICOM file.")
    shutil.copy(folder / f"{series[2][0].name}.dcm", folder / f"{_identifier(rng, 9)}.dcm")
    facts["unreadable"] = {
        TRUNCATED: "cut short",
        foreign: "not a DICOM file",
        series[5][0].name: "no PatientID",
    }


def _damage_rows(
    rows: list[tuple[str, str]],
    series: list[list[_Image]],
    facts: dict[str, Any],
    usable: dict[str, _Image],
    rng: random.Random,
) -> None:
    """Repeat rows, contradict and remove some, and name an image that has no file."""
    rows += [row for row in rows if row[0].startswith(REPEATED)]
    disagrees, lacks = series[9][-1].name, series[7][-1].name
    rows.append((f"{disagrees}_epidural", "1"))
    rows.remove((f"{lacks}_subdural", "0"))
    del usable[disagrees], usable[lacks]
    corrected = next(image.name for image in series[4] if image.targets[0])
    rows[rows.index((f"{corrected}_any", "1"))] = (f"{corrected}_any", "0")
    absent = _identifier(rng, 9)
    rows += [(f"{absent}_{label}", "0") for label in CSV_LABELS]
    facts["corrected_any"] = corrected
    facts["left_out"] = {
        "label row repeated": 6 * len(REPEATED),
        "labels disagree": 1,
        "labels incomplete": 1,
        "any contradicted": 1,
        "label without file": 1,
        "file without label": 1,
    }


def _write_csv(path: Path, rows: list[tuple[str, str]]) -> None:
    path.write_text("ID,Label\n" + "".join(f"{row},{value}\n" for row, value in rows))
