"""The RSNA 2019 Intracranial Hemorrhage Detection set, as Kaggle hands it out."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from model.data.dataset import DataSetFacts, LeftOut, SliceIndex, SourceSlice
from model.data.dicom_slices import read_dicom_slice
from model.data.rsna_labels import read_image_names, read_label_table
from model.errors import TrainingError

STAGES: Final = (1, 2)
_UNIT: Final = 128
"""Files read together: about 64 MB, which takes a second or two."""
_DOWNLOAD: Final = "kaggle competitions download -c rsna-intracranial-hemorrhage-detection"

FACTS: Final = DataSetFacts(
    kind="rsna",
    title="RSNA Intracranial Hemorrhage Detection, 2019",
    authors="Radiological Society of North America and American Society of Neuroradiology; "
    "Flanders et al., Radiology: Artificial Intelligence 2020, 2(3): e190211",
    doi="10.1148/ryai.2020190211",
    licence="RSNA's terms of use: non-commercial use for research and education only",
    hounsfield_units="As the scanners wrote them; 12-bit values that had wrapped around were "
    "restored, padding was set to air.",
    limits=(
        "Adults of several hospitals; labels a slice by one reader, without outlines.",
        "Each study was chosen for the competition: bleeding is more frequent than in a clinic.",
    ),
)


@dataclass(frozen=True)
class RsnaSet:
    """The labelled training images of one stage, or, to be read only, its test images.

    Parameters
    ----------
    root
        The unpacked download, or the folder that it was unpacked in.
    stage
        1 or 2; Kaggle's final data are stage 2.
    part
        `train` or `test`.
    """

    root: Path
    stage: int = 2
    part: str = "train"

    @property
    def facts(self) -> DataSetFacts:
        """Title, authors, licence and limits."""
        return FACTS

    def index(self) -> SliceIndex:
        """List the images that have a file and six labels that agree.

        Raises
        ------
        TrainingError
            The CSV or the folder of images is missing, the CSV is not in its form, or no labelled
            image has a file.
        """
        if self.part != "train":
            raise TrainingError("The test images of RSNA have no labels to train on.")
        table = read_label_table(_find_csv(self.root, f"stage_{self.stage}_train.csv"))
        folder = find_folder(self.root, self.stage, self.part)
        files = np.array(_images_in(folder), dtype=object)
        there = np.isin(table.images.astype(str), files.astype(str))
        if not len(table.images):
            raise TrainingError(f"No image of {self.root} has six labels that agree.")
        if not there.any():
            raise TrainingError(
                f"None of the {len(table.images):,} labelled images has a file in {folder}, as "
                f"{table.images[0]}.dcm would be."
            )
        labelled = {str(image) for image in table.images} | {o.name for o in table.left_out}
        left_out = [
            *table.left_out,
            *(
                LeftOut(str(name), "label without file", f"{name}.dcm is not in {folder}.")
                for name in table.images[~there]
            ),
            *(
                LeftOut(str(name), "file without label", "The CSV does not name it.")
                for name in files
                if name not in labelled
            ),
        ]
        names = [str(image) for image in table.images[there]]
        rows = np.arange(len(names))
        units = [rows[at : at + _UNIT] for at in range(0, len(rows), _UNIT)]
        return SliceIndex(names, table.targets[there], units, left_out)

    def read(self, names: Sequence[str]) -> Iterator[SourceSlice | LeftOut]:
        """Read images by their names, as `ID_000012eaf`."""
        folder = find_folder(self.root, self.stage, self.part)
        for name in names:
            yield read_dicom_slice(folder / f"{name}.dcm", name)


def test_names(root: Path, stage: int) -> list[str]:
    """List the images that a submission must hold, sorted.

    They are those of the sample submission, or, where there is none, the files of the test folder.

    Raises
    ------
    TrainingError
        There is neither, or the sample submission is not in its form.
    """
    for folder in _folders(root):
        sample = folder / f"stage_{stage}_sample_submission.csv"
        if sample.is_file():
            return read_image_names(sample)
    folder = find_folder(root, stage, "test")
    names = _images_in(folder)
    if not names:
        raise TrainingError(f"{folder} holds no test image, as ID_000000e27.dcm would be.")
    return names


def _folders(root: Path) -> list[Path]:
    """Return the root and the folders right below it, in which the download may lie."""
    if not root.is_dir():
        raise TrainingError(f"{root} is no folder; it should be the download of RSNA 2019.")
    return [root, *sorted(path for path in root.iterdir() if path.is_dir())]


def _find_csv(root: Path, name: str) -> Path:
    for folder in _folders(root):
        if (folder / name).is_file():
            return folder / name
    hint = f"Get it by: {_DOWNLOAD}."
    for stage in STAGES:
        if any((folder / f"stage_{stage}_train.csv").is_file() for folder in _folders(root)):
            hint = f"Stage {stage} is there: use --stage {stage}."
    raise TrainingError(f"Neither {root} nor a folder in it holds {name}. {hint}")


def find_folder(root: Path, stage: int, part: str) -> Path:
    """Find the images: Kaggle named the folder in two ways."""
    names = (f"stage_{stage}_{part}", f"stage_{stage}_{part}_images")
    for folder in _folders(root):
        for name in names:
            if (folder / name).is_dir():
                return folder / name
    raise TrainingError(
        f"Neither {root} nor a folder in it holds the images, {names[0]}/ or {names[1]}/."
    )


def _images_in(folder: Path) -> list[str]:
    return sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".dcm"))
