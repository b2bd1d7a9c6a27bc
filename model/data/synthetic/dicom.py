"""Synthetic series as DICOM files that say what they are."""

import uuid
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from model.data.synthetic.series import SyntheticSeries

_INTERCEPT: Final = -1024
_DATE: Final = "20260101"
_TIME: Final = "120000"
_IMPLEMENTATION_UID: Final = UID("2.25.302614718215412339182206731127553270118")


def write_series(folder: Path, series: SyntheticSeries) -> list[Path]:
    """Write a series, one DICOM file a slice, and return the files in order.

    The files say what they are: Synthetic Data (0008,001C) is YES (PS3.3 C.12.1.1), and patient,
    study, series, image type and comments say SIMULATED. The same series gives the same files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(series.scan.n_slices):
        path = folder / f"{index + 1:03d}.dcm"
        slice_dataset(series, index).save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def slice_dataset(series: SyntheticSeries, index: int) -> FileDataset:
    """Return slice `index` as a DICOM CT image (PS3.3 A.3), uncompressed."""
    hu = series.hu[index]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(series, f"image {index}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _describe_study(dataset, series)
    _describe_image(dataset, series, index)
    _place(dataset, series, index)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = hu.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.RescaleIntercept, dataset.RescaleSlope = str(_INTERCEPT), "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "80"
    dataset.PixelData = (hu.astype("<i2") - np.int16(_INTERCEPT)).tobytes()
    return dataset


def _describe_study(dataset: Dataset, series: SyntheticSeries) -> None:
    """Fill in patient, study, series and equipment; nothing resembles a patient."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "SIMULATED^HEAD"
    dataset.PatientID = f"SIMULATED-{series.seed}"
    dataset.PatientBirthDate, dataset.PatientSex = "", "O"
    dataset.StudyInstanceUID = _uid(series, "study")
    dataset.StudyDate, dataset.StudyTime = _DATE, _TIME
    dataset.StudyDescription = "SIMULATED head CT"
    dataset.AccessionNumber, dataset.StudyID = f"SIM{series.seed:06d}", "1"
    dataset.ReferringPhysicianName = ""
    dataset.SeriesInstanceUID = _uid(series, "series")
    dataset.SeriesDate, dataset.SeriesTime = _DATE, _TIME
    dataset.SeriesDescription = f"SIMULATED axial {series.scan.thickness_mm:g} mm"
    dataset.SeriesNumber, dataset.Modality = "2", "CT"
    dataset.BodyPartExamined, dataset.PatientPosition = "HEAD", "HFS"
    dataset.FrameOfReferenceUID = _uid(series, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer, dataset.ManufacturerModelName = "Falx", "Synthetic head"


def _describe_image(dataset: Dataset, series: SyntheticSeries, index: int) -> None:
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL", "SIMULATED"]
    dataset.SyntheticData = "YES"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = _uid(series, f"image {index}")
    dataset.ContentDate = dataset.AcquisitionDate = _DATE
    dataset.ContentTime = dataset.AcquisitionTime = _TIME
    dataset.AcquisitionNumber, dataset.InstanceNumber = "1", str(index + 1)
    dataset.KVP, dataset.ConvolutionKernel = "120", "SOFT"
    told = "; ".join(series.description) or "no bleeding was put in"
    dataset.ImageComments = f"SIMULATED: no patient was scanned. In the series: {told}."


def _place(dataset: Dataset, series: SyntheticSeries, index: int) -> None:
    """Fill in the Image Plane module (PS3.3 C.7.6.2)."""
    scan = series.scan
    dataset.PixelSpacing = [f"{scan.pixel_mm:.6f}"] * 2
    dataset.SliceThickness = f"{scan.thickness_mm:g}"
    dataset.GantryDetectorTilt = f"{scan.tilt_degrees:g}"
    dataset.ImagePositionPatient = [f"{value:.4f}" for value in scan.position_mm(index)]
    dataset.ImageOrientationPatient = [
        f"{value:.7f}" for value in (1.0, 0.0, 0.0, *scan.column_direction)
    ]


def _uid(series: SyntheticSeries, what: str) -> UID:
    """Derive a UID from what the series was made from (PS3.5 B.2: 2.25 and a UUID as a number)."""
    made_from = f"seed {series.seed}, {series.scan!r}, {series.plan!r}"
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'falx {what} of {made_from}').int}")
