"""Simulated heads as a data set: to try every command without a patient's image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from model.data.dataset import DataSetFacts, LeftOut, SliceIndex, SourceSlice
from model.data.phantom import HeadPhantom, bleed_mask, simulate_slice
from model.errors import TrainingError
from model.labels import LABELS

_HEAD_MM: Final = 120.0
"""Along which the slices of a patient are spread."""

FACTS: Final = DataSetFacts(
    kind="simulated",
    title="SIMULATED heads of Falx: no patient was scanned",
    authors="Falx",
    doi="",
    licence="The program's own",
    hounsfield_units="SIMULATED: one value a tissue, with noise.",
    limits=(
        "SIMULATED images: weights made from them say nothing about patients.",
        "Only intraparenchymal bleeding is simulated.",
    ),
)


@dataclass(frozen=True)
class SimulatedSet:
    """Simulated patients, every second one with an intraparenchymal bleed of its own.

    Parameters
    ----------
    patients, slices
        How many, and of how many slices each.
    seed
        Of noise, and of the bleeds' places and sizes.
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
        bleeding = [LABELS.index("any"), LABELS.index("intraparenchymal")]
        for patient in range(self.patients):
            phantom = self._phantom(patient)
            units.append(np.arange(len(names), len(names) + self.slices))
            for number in range(self.slices):
                targets[len(names), bleeding] = bool(bleed_mask(phantom, number).any())
                names.append(f"{patient:05d}_{number:03d}")
        return SliceIndex(names, targets, units, ())

    def read(self, names: Sequence[str]) -> Iterator[SourceSlice | LeftOut]:
        """Simulate slices by their names, as `00007_012` (patient and slice, from 0)."""
        for name in names:
            patient, _, number = name.partition("_")
            yield self._slice(name, int(patient), int(number))

    def _phantom(self, patient: int) -> HeadPhantom:
        random = np.random.default_rng((self.seed, patient))
        to_left, to_back, up = random.uniform(-8, 8), random.uniform(-20, 15), random.uniform(-8, 8)
        return HeadPhantom(
            n_slices=self.slices,
            spacing_mm=_HEAD_MM / self.slices,
            pixels=self.pixels,
            bleed=patient % 2 == 1,
            seed=int(random.integers(2**31)),
            bleed_shift_mm=(to_left, to_back, up),
            bleed_scale=random.uniform(0.7, 1.2),
        )

    def _slice(self, name: str, patient: int, number: int) -> SourceSlice:
        phantom = self._phantom(patient)
        identifier = f"SIMULATED-{patient:05d}"
        return SourceSlice(
            name=name,
            hu=simulate_slice(phantom, number),
            patient=identifier,
            study=f"{identifier}-study",
            series=f"{identifier}-series",
            z_mm=phantom.position_mm(number)[2],
            number=number + 1,
            pixel_spacing_mm=(phantom.pixel_mm, phantom.pixel_mm),
            slice_thickness_mm=phantom.spacing_mm,
            attributes={"PatientID": identifier, "Modality": "CT", "SyntheticData": "YES"},
        )
