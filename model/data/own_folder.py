"""A folder of one's own DICOM files with a CSV of labels."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pandas as pd
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from model.data.csv_rows import in_line, read_rows, zero_or_one
from model.data.dataset import DataSetFacts, LeftOut, SliceIndex, SourceSlice
from model.data.dicom_slices import read_dicom_slice
from model.errors import TrainingError
from model.labels import SUBTYPES

_FILE: Final = "file"
_UID: Final = "sop_instance_uid"
_PATIENT: Final = "patient"
_ANY: Final = "any"
_UNIT: Final = 128


@dataclass(frozen=True)
class OwnFolderSet:
    """DICOM files anywhere below a folder, named by the rows of a CSV.

    Parameters
    ----------
    root
        The folder.
    labels_csv
        With a header: `file` (a path below `root`, or a bare name that occurs once) or
        `sop_instance_uid`; the five subtypes, 0 or 1; `any` and `patient` if wanted. `patient`
        replaces Patient ID where it is not empty.
    title, authors, licence
        For the model card; title and licence must not be empty.
    """

    root: Path
    labels_csv: Path
    title: str
    authors: str
    licence: str

    @property
    def facts(self) -> DataSetFacts:
        """Title, authors, licence and limits."""
        return DataSetFacts(
            kind="folder",
            title=self.title,
            authors=self.authors,
            doi="",
            licence=self.licence,
            hounsfield_units="As the scanners wrote them; known export errors were repaired.",
        )

    def index(self) -> SliceIndex:
        """List the labelled files by their paths below the root.

        Raises
        ------
        TrainingError
            Title or licence are empty, the folder or the CSV is missing, a row is not in its form,
            two rows name one file, or no row names a file that is there.
        """
        if not self.title.strip() or not self.licence.strip():
            raise TrainingError(
                "A folder of one's own needs a title and a licence, for the card of the models "
                "that are made from it."
            )
        if not self.root.is_dir():
            raise TrainingError(f"{self.root} is no folder; it should hold the DICOM files.")
        rows = read_rows(self.labels_csv, SUBTYPES)
        subtypes = np.stack([zero_or_one(self.labels_csv, rows[name]) for name in SUBTYPES], axis=1)
        key = _key_column(self.labels_csv, rows)
        _check_keys(self.labels_csv, key)
        any_label, left_out = self._any(rows, key, subtypes)
        paths, unknown = _resolve(self.root, key)
        found = paths != ""
        if not found.any():
            raise TrainingError(
                f"None of the {len(rows):,} rows of {self.labels_csv} names a file below "
                f"{self.root}; the first is {key.iloc[0]!r}."
            )
        _check_twice(self.labels_csv, key, paths)
        order = np.flatnonzero(found)[np.argsort(paths[found])]
        targets = np.concatenate([any_label[:, None], subtypes], axis=1)
        numbers = np.arange(len(order))
        return SliceIndex(
            names=[str(path) for path in paths[order]],
            targets=targets[order],
            units=[numbers[at : at + _UNIT] for at in range(0, len(order), _UNIT)],
            left_out=[*left_out, *unknown],
        )

    def read(self, names: Sequence[str]) -> Iterator[SourceSlice | LeftOut]:
        """Read files by their paths below the root."""
        patients = _patients(self.labels_csv)
        for name in names:
            yield read_dicom_slice(self.root / name, name, patients)

    def _any(
        self, rows: pd.DataFrame, key: "pd.Series[str]", subtypes: NDArray[np.int8]
    ) -> tuple[NDArray[np.int8], list[LeftOut]]:
        """Return `any`, 1 wherever a subtype is, and where the CSV contradicts that."""
        of_subtypes = subtypes.max(axis=1)
        if _ANY not in rows.columns:
            return of_subtypes, []
        stated = zero_or_one(self.labels_csv, rows[_ANY])
        detail = "'any' is 0 where a subtype is 1: it was taken as 1."
        contradicted = key[stated < of_subtypes]
        left_out = [LeftOut(name, "any contradicted", detail) for name in contradicted]
        return np.maximum(stated, of_subtypes), left_out


def _key_column(path: Path, rows: pd.DataFrame) -> "pd.Series[str]":
    """Return what names the slices: paths below the root with forward slashes, or UIDs."""
    for name in (_FILE, _UID):
        if name in rows.columns:
            key = rows[name]
            break
    else:
        raise TrainingError(
            f"{path} has neither a column {_FILE} nor {_UID}: it has {', '.join(rows.columns)}."
        )
    if key.name == _UID:
        return key
    key = key.str.replace("\\", "/").str.replace("^(\\./)+", "", regex=True)
    outside = key.str.startswith("/") | key.str.contains(r"(?:^|/)\.\.(?:/|$)|^[A-Za-z]:|\0")
    if outside.any():
        row = int(np.argmax(outside))
        raise TrainingError(
            f"{in_line(path, key, row)} leads out of the folder: it must be a path below it."
        )
    return key


def _check_keys(path: Path, key: "pd.Series[str]") -> None:
    """Raise where a row names nothing, or what another row named."""
    empty, again = key == "", key.duplicated()
    if empty.any():
        raise TrainingError(f"{in_line(path, key, int(np.argmax(empty)))} is empty.")
    if again.any():
        row = int(np.argmax(again))
        first = key.index[int(np.argmax(key == key.iloc[row]))] + 2
        raise TrainingError(f"{in_line(path, key, row)} was named before, in line {first}.")


def _resolve(root: Path, key: "pd.Series[str]") -> tuple[NDArray[np.object_], list[LeftOut]]:
    """Return the path below the root of each row, empty where there is none, and what is unknown.

    A file is also found by its bare name, where no other file has it.
    """
    files = _files_below(root)
    if key.name == _UID:
        known = _paths_by_uid(root, files)
    else:
        known = _unique((PurePosixPath(file).name, file) for file in files)
        known |= {file: file for file in files}
    paths = np.array([known.get(one, "") for one in key], dtype=object)
    unknown = [
        LeftOut(one, "label without file", f"Below {root}, no file or more than one has it.")
        for one in key[paths == ""]
    ]
    return paths, unknown


def _files_below(root: Path) -> list[str]:
    """List all files as paths below the root, with forward slashes."""
    return sorted(
        Path(folder, name).relative_to(root).as_posix()
        for folder, _, names in os.walk(root)
        for name in names
    )


def _paths_by_uid(root: Path, files: Sequence[str]) -> dict[str, str]:
    """Read only the SOP Instance UID of each file; what is no DICOM is passed over."""
    return _unique((uid, file) for file in files if (uid := _uid_of(root / file)))


def _uid_of(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # identifiers that are no UIDs are known, and read
        try:
            header = pydicom.dcmread(
                path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]
            )
            return str(header.get("SOPInstanceUID", ""))
        except (OSError, InvalidDicomError, ValueError, NotImplementedError):
            return ""


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map keys to their values, without the keys that have several."""
    found: dict[str, str] = {}
    several = set()
    for key, value in pairs:
        if key in found:
            several.add(key)
        found[key] = value
    return {key: value for key, value in found.items() if key not in several}


def _check_twice(path: Path, key: "pd.Series[str]", paths: NDArray[np.object_]) -> None:
    """Raise where a path and a bare name are the same file."""
    again = pd.Series(paths).duplicated().to_numpy() & (paths != "")
    if again.any():
        row = int(np.argmax(again))
        raise TrainingError(
            f"{in_line(path, key, row)} is the file {paths[row]}, which another row names, too."
        )


@lru_cache(maxsize=4)
def _patients(path: Path) -> Mapping[str, str]:
    """Return the patients that the CSV states, by file or UID; read once a process."""
    rows = read_rows(path, SUBTYPES)
    if _PATIENT not in rows.columns:
        return {}
    return dict(zip(_key_column(path, rows), rows[_PATIENT], strict=True))
