"""A simple synthetic head CT: known tissue in known places, for tests and demonstrations."""

import math
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

_Grid = NDArray[np.floating[Any]]

_AIR_HU: Final = -1000.0
_BLEED_HU: Final = 65.0
_NOISE_HU: Final = 4.0
_INTERCEPT: Final = -1024
_DATE: Final = "20260101"
_IMPLEMENTATION_UID: Final = UID("2.25.302614718215412339182206731127553270118")


@dataclass(frozen=True)
class _Ellipsoid:
    """A tissue: its HU, center and half-axes in mm (x to the left, y to the back, z upward)."""

    hu: float
    center_mm: tuple[float, float, float]
    half_axes_mm: tuple[float, float, float]


# From the outside inward; later ones cover earlier ones.
_TISSUES: Final = (
    _Ellipsoid(30.0, (0, 0, 0), (77, 96, 88)),  # scalp
    _Ellipsoid(1100.0, (0, 0, 0), (72, 91, 83)),  # skull
    _Ellipsoid(8.0, (0, 0, 0), (66, 85, 77)),  # fluid around the brain
    _Ellipsoid(37.0, (0, 0, 0), (63, 82, 74)),  # grey matter
    _Ellipsoid(28.0, (0, 0, 0), (56, 74, 66)),  # white matter
    _Ellipsoid(38.0, (22, -2, 4), (9, 17, 14)),  # deep grey matter
    _Ellipsoid(38.0, (-22, -2, 4), (9, 17, 14)),
    _Ellipsoid(7.0, (9, -4, 14), (6, 30, 10)),  # lateral ventricles
    _Ellipsoid(7.0, (-9, -4, 14), (6, 30, 10)),
)
_BLEED: Final = _Ellipsoid(_BLEED_HU, (34, 12, 12), (13, 17, 13))


@dataclass(frozen=True)
class HeadPhantom:
    """What is simulated: geometry in mm and degrees, a left intraparenchymal bleed or none.

    `bleed_shift_mm` moves the bleed (to the left, back and up), `bleed_scale` stretches it.
    """

    n_slices: int = 24
    spacing_mm: float = 5.0
    pixels: int = 512
    field_mm: float = 230.0
    tilt_degrees: float = 0.0
    bleed: bool = False
    seed: int = 0
    bleed_shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bleed_scale: float = 1.0

    @property
    def pixel_mm(self) -> float:
        return self.field_mm / self.pixels

    @property
    def column_direction(self) -> tuple[float, float, float]:
        """Direction down the image; a tilted gantry turns it about the left-right axis."""
        tilt = math.radians(self.tilt_degrees)
        return (0.0, math.cos(tilt), -math.sin(tilt))

    def position_mm(self, index: int) -> tuple[float, float, float]:
        """Return the center of the first pixel of slice `index`; the table moves along z."""
        half = (self.field_mm - self.pixel_mm) / 2
        z_mm = 20.0 + (index - (self.n_slices - 1) / 2) * self.spacing_mm
        _, down_y, down_z = self.column_direction
        return (-half, -half * down_y, z_mm - half * down_z)


def simulate_slice(phantom: HeadPhantom, index: int) -> NDArray[np.int16]:
    """Simulate one slice.

    Parameters
    ----------
    phantom
        What to simulate.
    index
        0 (neck side) to ``n_slices - 1`` (vertex side).

    Returns
    -------
    int16[pixels, pixels], in HU, from -1024; the same for the same arguments.
    """
    x, y, z = _coordinates_mm(phantom, index)
    hu = np.full((phantom.pixels, phantom.pixels), _AIR_HU)
    for tissue in _TISSUES + ((_bleed(phantom),) if phantom.bleed else ()):
        hu[_inside(tissue, x, y, z)] = tissue.hu
    hu[(np.abs(x) < 0.8) & _inside(_TISSUES[2], x, y, z) & (z > 25)] = 50.0  # the falx
    hu = _blur(_blur(hu, axis=0), axis=1)
    random = np.random.default_rng((phantom.seed, index))
    noisy = hu + random.normal(0.0, _NOISE_HU, hu.shape)
    return np.rint(noisy).clip(_INTERCEPT, 3071).astype(np.int16)


def bleed_mask(phantom: HeadPhantom, index: int) -> NDArray[np.bool_]:
    """Return where slice `index` shows the bleed: bool[pixels, pixels]."""
    return _inside(_bleed(phantom), *_coordinates_mm(phantom, index)) & phantom.bleed


def _bleed(phantom: HeadPhantom) -> _Ellipsoid:
    (x, y, z), (to_left, to_back, up) = _BLEED.center_mm, phantom.bleed_shift_mm
    a, b, c = (axis * phantom.bleed_scale for axis in _BLEED.half_axes_mm)
    return _Ellipsoid(_BLEED.hu, (x + to_left, y + to_back, z + up), (a, b, c))


def _coordinates_mm(phantom: HeadPhantom, index: int) -> tuple[_Grid, _Grid, _Grid]:
    """Return x as a row, y and z as columns: they broadcast to the slice's pixels."""
    steps = np.arange(phantom.pixels, dtype=np.float64) * phantom.pixel_mm
    x, y, z = phantom.position_mm(index)
    _, down_y, down_z = phantom.column_direction
    return (x + steps)[None, :], (y + steps * down_y)[:, None], (z + steps * down_z)[:, None]


def _inside(tissue: _Ellipsoid, x: _Grid, y: _Grid, z: _Grid) -> NDArray[np.bool_]:
    (cx, cy, cz), (ax, ay, az) = tissue.center_mm, tissue.half_axes_mm
    return np.asarray(((x - cx) / ax) ** 2 + ((y - cy) / ay) ** 2 + ((z - cz) / az) ** 2 < 1)


def _blur(hu: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Soften edges as a scanner does, with the kernel 1 2 1."""
    return (np.roll(hu, 1, axis) + 2 * hu + np.roll(hu, -1, axis)) / 4


def write_series(folder: Path, phantom: HeadPhantom) -> list[Path]:
    """Write the phantom as a CT series, one DICOM file a slice, and return the files in order.

    The files say what they are: Synthetic Data (0008,001C) is YES (PS3.3 C.12.1.1), and patient,
    study and image type are SIMULATED. The same phantom gives the same files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(phantom.n_slices):
        path = folder / f"{index + 1:03d}.dcm"
        slice_dataset(phantom, index).save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def slice_dataset(phantom: HeadPhantom, index: int) -> FileDataset:
    """Return slice `index` as a DICOM CT image (PS3.3 A.3), uncompressed."""
    hu = simulate_slice(phantom, index)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(phantom, f"image {index}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _describe(dataset, phantom, index)
    _place(dataset, phantom, index)
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


def _describe(dataset: Dataset, phantom: HeadPhantom, index: int) -> None:
    """Fill in patient, study, series and equipment; nothing resembles a patient."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL", "SIMULATED"]
    dataset.SyntheticData = "YES"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = _uid(phantom, f"image {index}")
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = _DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "120000"
    dataset.AcquisitionDate, dataset.AcquisitionTime = _DATE, "120000"
    dataset.AccessionNumber = f"SIM{phantom.seed:06d}"
    dataset.Modality = "CT"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Falx", "Head phantom"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "SIMULATED head CT"
    dataset.SeriesDescription = f"SIMULATED axial {phantom.spacing_mm:g} mm"
    dataset.PatientName = "SIMULATED^HEAD"
    dataset.PatientID = f"SIMULATED-{phantom.seed}"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "", "O", "060Y"
    dataset.BodyPartExamined = "HEAD"
    dataset.KVP, dataset.ConvolutionKernel = "120", "SOFT"
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = _uid(phantom, "study")
    dataset.SeriesInstanceUID = _uid(phantom, "series")
    dataset.FrameOfReferenceUID = _uid(phantom, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber = "1", "2", "1"
    dataset.InstanceNumber = str(index + 1)


def _place(dataset: Dataset, phantom: HeadPhantom, index: int) -> None:
    """Fill in the Image Plane module (PS3.3 C.7.6.2)."""
    pixel = f"{phantom.pixel_mm:.6f}"
    dataset.PixelSpacing = [pixel, pixel]
    dataset.SliceThickness = f"{phantom.spacing_mm:g}"
    dataset.GantryDetectorTilt = f"{phantom.tilt_degrees:g}"
    dataset.ImagePositionPatient = [f"{value:.4f}" for value in phantom.position_mm(index)]
    dataset.ImageOrientationPatient = [
        f"{value:.7f}" for value in (1.0, 0.0, 0.0, *phantom.column_direction)
    ]


def _uid(phantom: HeadPhantom, what: str) -> UID:
    """Derive a UID from the phantom (PS3.5 B.2: 2.25 and a UUID as one number)."""
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'falx {what} of {phantom!r}').int}")
