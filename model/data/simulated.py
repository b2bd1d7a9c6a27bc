"""Synthetic heads as a data set: to try every command without a patient's image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.dataset import DataSetFacts, LeftOut, SliceIndex, SourceSlice
from model.data.simulate.insert import Plan
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import make_series
from model.errors import TrainingError
from model.labels import LABELS

_HEAD_MM: Final = 132.0
"""Along which the slices of a patient are spread."""
_LEAST_PIXELS: Final = 128
"""With fewer a head's anatomy is not found well: their slices are averaged from finer ones."""
_KEPT: Final = 12
"""Patients that a process keeps."""
_BLEEDING: Final = Plan(bleeding=1.0, look_alikes=0.6)
_QUIET: Final = Plan(bleeding=0.0, look_alikes=0.6)

FACTS: Final = DataSetFacts(
    kind="simulated",
    title="SIMULATED heads of Falx: no patient was scanned",
    authors="Falx",
    doi="",
    licence="The program's own",
    hounsfield_units="SIMULATED: typical values of each tissue, with noise.",
    limits=("SIMULATED images: weights made from them say nothing about patients.",),
)


@dataclass(frozen=True)
class SimulatedSet:
    """Synthetic patients, every second one with bleeding of any subtype.

    Parameters
    ----------
    patients, slices
        How many, and of how many slices each.
    seed
        Of heads, bleeding and noise.
    pixels
        Rows and columns.
    """

    patients: int = 20
    slices: int = 24
    seed: int = 0
    pixels: int = 128

    @property
    def facts(self) -> DataSetFacts:
        """Title, authors, licence and limits."""
        return FACTS

    def index(self) -> SliceIndex:
        """List the slices, patient by patient, from the neck upward.

        Raises
        ------
        TrainingError
            No patient, no slice, or too few pixels are wanted.
        """
        if self.patients < 1 or self.slices < 1 or self.pixels < 16:
            raise TrainingError("A simulated set needs a patient, a slice and 16 pixels at least.")
        names: list[str] = []
        units = []
        targets = np.zeros((self.patients * self.slices, len(LABELS)), np.int8)
        for patient in range(self.patients):
            units.append(np.arange(len(names), len(names) + self.slices))
            if _bleeds(patient):
                targets[units[-1]] = _series(self, patient).targets
            names += [f"{patient:05d}_{number:03d}" for number in range(self.slices)]
        return SliceIndex(names, targets, units, ())

    def read(self, names: Sequence[str]) -> Iterator[SourceSlice | LeftOut]:
        """Simulate slices by their names, as `00007_012` (patient and slice, from 0)."""
        for name in names:
            patient, _, number = name.partition("_")
            yield self._slice(name, int(patient), int(number))

    def _slice(self, name: str, patient: int, number: int) -> SourceSlice:
        identifier = f"SIMULATED-{patient:05d}"
        scan, pixel_mm = self.scan, self.scan.field_mm / self.pixels
        return SourceSlice(
            name=name,
            hu=_series(self, patient).hu[number],
            patient=identifier,
            study=f"{identifier}-study",
            series=f"{identifier}-series",
            z_mm=scan.position_mm(number)[2],
            number=number + 1,
            pixel_spacing_mm=(pixel_mm, pixel_mm),
            slice_thickness_mm=scan.thickness_mm,
            attributes={"PatientID": identifier, "Modality": "CT", "SyntheticData": "YES"},
        )

    @property
    def scan(self) -> Scan:
        """How the heads are scanned, with pixels at least as fine as those wanted."""
        return Scan(
            n_slices=self.slices,
            spacing_mm=_HEAD_MM / self.slices,
            pixels=self.pixels * -(-_LEAST_PIXELS // self.pixels),
        )


def _bleeds(patient: int) -> bool:
    return patient % 2 == 1


@dataclass(frozen=True)
class _Series:
    """A patient's slices, int16[S, H, W], and their labels, int8[S, 6]."""

    hu: NDArray[np.int16]
    targets: NDArray[np.int8]


@lru_cache(maxsize=_KEPT)
def _series(data_set: SimulatedSet, patient: int) -> _Series:
    """Make a patient's slices: once for their labels, and when they are read, if not kept."""
    seed = int(np.random.default_rng((data_set.seed, patient)).integers(2**31))
    made = make_series(seed, data_set.scan, _BLEEDING if _bleeds(patient) else _QUIET)
    side = len(made.hu[0]) // data_set.pixels
    squares = made.hu.reshape(data_set.slices, data_set.pixels, side, data_set.pixels, side)
    return _Series(np.rint(squares.mean(axis=(2, 4))).astype(np.int16), made.targets)
