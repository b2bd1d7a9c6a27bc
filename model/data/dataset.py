"""The one interface of all data sets: an index of labelled slices, and their Hounsfield units."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DataSetFacts:
    """What a model card must say of a data set that weights were made from.

    Parameters
    ----------
    kind
        `rsna`, `ct-ich`, `folder` or `simulated`.
    title, authors, doi, licence
        Where it comes from and what may be done with it; `doi` may be empty.
    hounsfield_units
        How its Hounsfield units came about, as a sentence.
    limits
        What weights made from it cannot be expected to do, as sentences.
    """

    kind: str
    title: str
    authors: str
    doi: str
    licence: str
    hounsfield_units: str
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A slice (or row) that is not used; `kind` is counted and reported, `detail` a sentence."""

    name: str
    kind: str
    detail: str


@dataclass(frozen=True)
class SourceSlice:
    """One slice of a data set.

    Parameters
    ----------
    name
        Unique in the data set.
    hu
        int16[H, W], Hounsfield units from -1024.
    patient, study, series
        Identifiers in the data set; never empty.
    z_mm
        Position along the slice normal in mm, ascending to the vertex; nan where unknown.
    number
        Instance number, which orders the series where `z_mm` is nan.
    pixel_spacing_mm
        Row and column spacing, or None.
    slice_thickness_mm
        Or None.
    warnings
        Repairs and doubts, as sentences.
    attributes
        DICOM keyword to text, empty for what was no DICOM.
    """

    name: str
    hu: NDArray[np.int16]
    patient: str
    study: str
    series: str
    z_mm: float
    number: int
    pixel_spacing_mm: tuple[float, float] | None = None
    slice_thickness_mm: float | None = None
    warnings: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SliceIndex:
    """The labelled slices of a data set, before any pixel is read.

    Parameters
    ----------
    names
        Of N slices, in a fixed order.
    targets
        int8[N, 6], 0 or 1, in `LABELS` order; `any` is 1 wherever a subtype is.
    units
        The same slices as row numbers, in runs that are read together (a patient, or some files).
    left_out
        What the labels name and what cannot be used.
    """

    names: Sequence[str]
    targets: NDArray[np.int8]
    units: Sequence[NDArray[np.int64]]
    left_out: Sequence[LeftOut]


class DataSet(Protocol):
    """A source of labelled slices. It is pickled into reading processes: plain data only."""

    @property
    def facts(self) -> DataSetFacts:
        """Title, authors, licence and limits."""
        ...

    def index(self) -> SliceIndex:
        """List the labelled slices.

        Raises
        ------
        TrainingError
            The labels are missing or not in the data set's form.
        """
        ...

    def read(self, names: Sequence[str]) -> Iterator[SourceSlice | LeftOut]:
        """Read slices, one result a name and in their order; a bad one never stops the rest."""
        ...


def count_kinds(left_out: Iterable[LeftOut]) -> dict[str, int]:
    """Count what was left out by kind, the most frequent first."""
    return dict(Counter(item.kind for item in left_out).most_common())
