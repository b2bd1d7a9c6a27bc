"""The one way in: each file, from any source, is stored as a slice or refused with its reason."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import jobs
from app.audit.log import UPLOADED, record
from app.db.models import Instance, Series, Study, Upload, UploadedFile, random_id
from app.services import Services
from app.storage import HU, ORIGINAL, Storage, StorageFullError
from model.dicom.sandbox import SandboxedReader
from model.dicom.slice_reader import CTSlice
from model.dicom.sources import Ignored, Source
from model.errors import InputRefusedError

logger = logging.getLogger(__name__)

STORED, DUPLICATE, IGNORED, REFUSED = "stored", "duplicate", "ignored", "refused"

ALREADY_STORED = "Already stored."

Incoming = Source | Ignored | InputRefusedError


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file; `series_id` where it is (now or already) stored."""

    name: str
    outcome: str
    reason: str = ""
    series_id: str | None = None


def ingest(
    services: Services,
    reader: SandboxedReader,
    incoming: Iterable[Incoming],
    user_id: str | None,
) -> str:
    """Take in all files, queue the analysis of each series that gained a slice, and report.

    Each slice is durable before the next file is looked at; a refused file changes nothing.

    Returns
    -------
    The id of the `Upload` that lists every file's outcome.
    """
    outcomes = list(_take_in(services, reader, incoming))
    gained = _series_with(outcomes, STORED)
    sent_again = _series_with(outcomes, DUPLICATE) - gained
    with services.database.write() as session:
        upload = Upload(user_id=user_id)
        upload.files = [
            UploadedFile(
                number=number,
                name=outcome.name[:512],
                outcome=outcome.outcome,
                reason=outcome.reason,
                series_id=outcome.series_id,
            )
            for number, outcome in enumerate(outcomes)
        ]
        session.add(upload)
        session.flush()
        _record_upload(session, upload)
        for series_id in gained:
            jobs.request_analysis(session, series_id)
        for series_id in sent_again:
            jobs.retry_failed(session, series_id)
    services.queue.wake()
    counts = Counter(outcome.outcome for outcome in outcomes)
    logger.info("upload %s: %s", upload.id, dict(counts))
    return upload.id


def _record_upload(session: Session, upload: Upload) -> None:
    """An event for each study that the upload touched, or one for the upload that touched none."""
    touched = {file.series_id for file in upload.files if file.series_id}
    studies = select(Series.study_id).where(Series.id.in_(touched)).distinct()
    outcomes = Counter(file.outcome for file in upload.files)
    found: list[str | None] = [*session.scalars(studies.order_by(Series.study_id))]
    for study_id in found or [None]:
        record(
            session,
            UPLOADED,
            user_id=upload.user_id,
            study_id=study_id,
            upload=upload.id,
            files=dict(outcomes),
        )


def _series_with(outcomes: list[FileOutcome], outcome: str) -> set[str]:
    return {one.series_id for one in outcomes if one.outcome == outcome and one.series_id}


def _take_in(
    services: Services, reader: SandboxedReader, incoming: Iterable[Incoming]
) -> Iterator[FileOutcome]:
    for item in incoming:
        if isinstance(item, InputRefusedError):
            yield FileOutcome(item.name, REFUSED, item.reason)
        elif isinstance(item, Ignored):
            yield FileOutcome(item.name, IGNORED, item.reason)
        else:
            yield _take_in_file(services, reader, item)


def _take_in_file(services: Services, reader: SandboxedReader, source: Source) -> FileOutcome:
    sha256 = hashlib.sha256(source.data).hexdigest()
    with services.database.read() as session:
        known = session.scalar(select(Instance.series_id).where(Instance.sha256 == sha256))
    if known is not None:
        return FileOutcome(source.name, DUPLICATE, ALREADY_STORED, known)
    try:
        ct_slice = reader.read(source.data, source.name)
        return _store(services, source, sha256, ct_slice)
    except InputRefusedError as refusal:
        return FileOutcome(source.name, REFUSED, refusal.reason)
    except StorageFullError as error:
        return FileOutcome(
            source.name,
            REFUSED,
            f"It {error}. Nothing is wrong with the file: send it again when there is room.",
        )


def _store(services: Services, source: Source, sha256: str, ct_slice: CTSlice) -> FileOutcome:
    instance_id = random_id()
    storage = services.storage
    try:
        storage.write(ORIGINAL, instance_id, source.data)
        storage.write_array(HU, instance_id, ct_slice.hu)
        outcome = _commit(services, source.name, _instance(instance_id, sha256, ct_slice), ct_slice)
    except BaseException:
        _remove(storage, instance_id)
        raise
    if outcome.outcome != STORED:
        _remove(storage, instance_id)
    return outcome


def _remove(storage: Storage, instance_id: str) -> None:
    storage.remove(ORIGINAL, instance_id)
    storage.remove(HU, instance_id)


def _commit(services: Services, name: str, instance: Instance, ct_slice: CTSlice) -> FileOutcome:
    try:
        return _insert(services, name, instance, ct_slice)
    except IntegrityError:
        # Another upload inserted the same study, series or slice in between: it is there now.
        return _insert(services, name, instance, ct_slice)


def _insert(services: Services, name: str, instance: Instance, ct_slice: CTSlice) -> FileOutcome:
    with services.database.write() as session:
        series_id = _series_of(session, ct_slice).id
        known = session.scalar(
            select(Instance).where(
                Instance.series_id == series_id,
                Instance.sop_instance_uid == instance.sop_instance_uid,
            )
        )
        if known is None:
            instance.series_id = series_id
            session.add(instance)
            jobs.note_arrival(session, series_id)
            return FileOutcome(name, STORED, " ".join(ct_slice.warnings), series_id)
        if known.sha256 == instance.sha256:
            return FileOutcome(name, DUPLICATE, ALREADY_STORED, series_id)
        if np.array_equal(services.storage.read_array(HU, known.id), ct_slice.hu):
            reason = "The same image is already stored, in another encoding."
            return FileOutcome(name, DUPLICATE, reason, series_id)
        return FileOutcome(
            name,
            REFUSED,
            "Has the SOP Instance UID of a slice that is already stored, but another image. "
            "Falx keeps the stored one; a changed image needs a UID of its own.",
            series_id,
        )


def _series_of(session: Session, ct_slice: CTSlice) -> Series:
    """The slice's series, made with its study where it is new."""
    told = ct_slice.attributes
    study = session.scalar(
        select(Study).where(
            Study.study_instance_uid == ct_slice.study_instance_uid,
            Study.patient_id == told.get("PatientID", "")[:256],
        )
    )
    if study is None:
        study = Study(
            study_instance_uid=ct_slice.study_instance_uid,
            patient_id=told.get("PatientID", "")[:256],
            patient_name=told.get("PatientName", "")[:512],
            patient_birth_date=told.get("PatientBirthDate", "")[:32],
            patient_sex=told.get("PatientSex", "")[:16],
            accession_number=told.get("AccessionNumber", "")[:64],
            study_date=told.get("StudyDate", "")[:32],
            study_description=told.get("StudyDescription", "")[:256],
            simulated=ct_slice.simulated,
        )
        session.add(study)
        session.flush()
    series = session.scalar(
        select(Series).where(
            Series.study_id == study.id,
            Series.series_instance_uid == ct_slice.series_instance_uid,
        )
    )
    if series is None:
        series = Series(
            study_id=study.id,
            series_instance_uid=ct_slice.series_instance_uid,
            series_description=told.get("SeriesDescription", "")[:256],
        )
        session.add(series)
        session.flush()
    return series


def _instance(instance_id: str, sha256: str, ct_slice: CTSlice) -> Instance:
    rows, columns = ct_slice.hu.shape
    return Instance(
        id=instance_id,
        sop_instance_uid=ct_slice.sop_instance_uid,
        sha256=sha256,
        rows=rows,
        columns=columns,
        instance_number=ct_slice.instance_number,
        position_mm=_floats(ct_slice.position_mm),
        orientation=_floats(ct_slice.orientation),
        pixel_spacing_mm=_floats(ct_slice.pixel_spacing_mm),
        slice_thickness_mm=ct_slice.slice_thickness_mm,
        attributes=ct_slice.attributes,
        warnings=list(ct_slice.warnings),
    )


def _floats(values: tuple[float, ...] | None) -> list[float] | None:
    return None if values is None else list(values)
