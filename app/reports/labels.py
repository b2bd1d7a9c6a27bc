"""Verdicts as training labels: DICOM files and a CSV, in the form that `model.cache` reads."""

import csv
import secrets
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from pydicom.uid import UID, generate_uid
from sqlalchemy import select

from app.audit.log import LABELS_EXPORTED, record
from app.db.models import Review, Series, Study
from app.reading.slices import ordered_instances
from app.reports.slice_labels import slice_labels
from app.reports.training_files import BurnedInError, training_file
from app.services import Services
from app.storage import ORIGINAL, StorageError
from app.verdicts.record import Standing, reviews_of, standing
from model.errors import FalxError
from model.labels import LABELS
from model.notice import NOTICE

CSV_NAME: Final = "labels.csv"
NOTICE_NAME: Final = "NOTICE.txt"
SIMULATED: Final = "simulated: no patient was scanned"
LOST: Final = "the stored file is missing"
BURNED_IN: Final = "the file says that text is burned into its pixels"


class LabelExportError(FalxError):
    """The labels cannot be written as asked; the message says why."""


@dataclass
class Exported:
    """What was written, and why what slices of reviewed series were not."""

    slices: int = 0
    studies: int = 0
    patients: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """The counts as sentences."""
        told = (
            f"{self.slices:,} slices of {self.studies:,} studies, {len(self.patients):,} patients"
        )
        return [told, *(f"left out, {n:,} slices: {why}" for why, n in self.left_out.most_common())]


@dataclass(frozen=True)
class _Names:
    """What stands for a patient and a study in the export."""

    patient: str
    study: UID


@dataclass(frozen=True)
class _Writing:
    """The state of one export. Keys are random, and no two exports share one."""

    services: Services
    folder: Path
    file: TextIO
    exported: Exported
    patients: defaultdict[str, str] = field(
        default_factory=lambda: defaultdict(lambda: secrets.token_hex(8))
    )


def export_labels(services: Services, folder: Path) -> Exported:
    """Write every slice whose labels are certain into a new folder, or nothing.

    The folder gets `labels.csv` with `file`, `patient`, `any` and the five subtypes, under
    `images/` one file a slice with random names and identifiers, and the notice.

    Raises
    ------
    LabelExportError
        The folder is there already, or no slice has certain labels.
    """
    if folder.exists():
        raise LabelExportError(f"{folder} is there already: name a new folder for the labels.")
    partial = folder.with_name(f"{folder.name}.part-{secrets.token_hex(4)}")
    partial.mkdir(parents=True)
    try:
        with (partial / CSV_NAME).open("w", newline="") as file:
            writing = _Writing(services, partial, file, Exported())
            (partial / NOTICE_NAME).write_text(f"{NOTICE}\n")
            csv.writer(file).writerow(["file", "patient", *LABELS])
            for study in _reviewed_studies(services):
                _write_study(writing, study)
        if not writing.exported.slices:
            why = "; ".join(writing.exported.lines()[1:]) or "no study has a verdict"
            raise LabelExportError(f"No slice has certain labels: {why}.")
        counts = writing.exported
        with services.database.write() as session:
            record(
                session,
                LABELS_EXPORTED,
                folder=str(folder),
                slices=counts.slices,
                studies=counts.studies,
                patients=len(counts.patients),
            )
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return writing.exported


def _reviewed_studies(services: Services) -> list[Study]:
    reviewed = select(Study).where(Study.id.in_(select(Review.study_id)))
    with services.database.read() as session:
        return list(session.scalars(reviewed.order_by(Study.received_at, Study.id)))


def _write_study(writing: _Writing, study: Study) -> None:
    with writing.services.database.read() as session:
        reviews = reviews_of(session, study.id)
        series = list(session.scalars(select(Series.id).where(Series.study_id == study.id)))
    exported, before = writing.exported, writing.exported.slices
    # Without a PatientID a study is a patient of its own.
    names = _Names(writing.patients[study.patient_id or study.id], generate_uid(prefix=None))
    for series_id in series:
        here = standing(reviews, series_id)
        if not (here.readers or here.adjudication):
            continue
        instances = ordered_instances(writing.services.database, series_id)[0]
        if study.simulated:
            exported.left_out[SIMULATED] += len(instances)
            continue
        series_uid = generate_uid(prefix=None)
        for instance in instances:
            _write_slice(writing, names, series_uid, instance.id, here)
    if exported.slices > before:
        exported.studies += 1
        exported.patients.add(names.patient)


def _write_slice(
    writing: _Writing, names: _Names, series_uid: UID, instance_id: str, here: Standing
) -> None:
    exported = writing.exported
    labels = slice_labels(here, instance_id)
    if labels.left_out:
        exported.left_out[labels.left_out] += 1
        return
    image_uid = generate_uid(prefix=None)
    try:
        content = training_file(
            writing.services.storage.read(ORIGINAL, instance_id),
            patient=names.patient,
            study=names.study,
            series=series_uid,
            image=image_uid,
        )
    except BurnedInError:
        exported.left_out[BURNED_IN] += 1
        return
    except StorageError:
        exported.left_out[LOST] += 1
        return
    path = Path("images", names.patient, f"{secrets.token_hex(8)}.dcm")
    (writing.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (writing.folder / path).write_bytes(content)
    targets = (labels.targets[label] for label in LABELS)
    csv.writer(writing.file).writerow([path.as_posix(), names.patient, *targets])
    exported.slices += 1
