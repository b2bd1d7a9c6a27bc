"""A stored slice as a DICOM file that tells nothing but what training needs."""

import io
from typing import Final

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage

KEPT: Final = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelData",
    "LossyImageCompression",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "InstanceNumber",
)
"""All that is copied from the file as it was received: pixels, their meaning, their place."""

_METHOD: Final = "Only pixels, rescale and geometry kept; new identifiers"


class BurnedInError(Exception):
    """The file says that its pixels show text, as a name."""


def training_file(original: bytes, *, patient: str, study: UID, series: UID, image: UID) -> bytes:
    """The slice with new identifiers, its pixels as they were received, compressed or not.

    An allow list, so that what nobody thought of is not kept either; PatientIdentityRemoved and
    De-identification Method say so (PS3.3 C.7.1.1, PS3.15 E.1).

    Parameters
    ----------
    original
        The stored file.
    patient
        What takes the place of PatientID.
    study, series, image
        The new UIDs.

    Raises
    ------
    BurnedInError
        Burned In Annotation is YES.
    """
    source = pydicom.dcmread(io.BytesIO(original), force=True)
    if str(source.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        raise BurnedInError
    kept = Dataset()
    for keyword in KEPT:
        if keyword in source:
            kept[keyword] = source[keyword]
    kept.SOPClassUID, kept.SOPInstanceUID = CTImageStorage, image
    kept.StudyInstanceUID, kept.SeriesInstanceUID = study, series
    kept.Modality, kept.PatientID, kept.PatientName = "CT", patient, ""
    kept.PatientIdentityRemoved, kept.DeidentificationMethod = "YES", _METHOD
    kept.file_meta = FileMetaDataset()
    kept.file_meta.MediaStorageSOPClassUID = CTImageStorage
    kept.file_meta.MediaStorageSOPInstanceUID = image
    kept.file_meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    written = io.BytesIO()
    kept.save_as(written, enforce_file_format=True)
    return written.getvalue()
