"""Predictions of whole series, read from the originals again as service reads them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.cached import CachedSet
from model.data.dataset import DataSet, LeftOut
from model.errors import TrainingError
from model.evaluation.bootstrap import Rows
from model.evaluation.metrics import highest_of_groups
from model.labels import LABELS
from model.slice_batches import input_batches
from model.system.progress import progress_bar
from model.system.read_ahead import read_ahead

if TYPE_CHECKING:
    # Reading processes import this module, and do without torch.
    from model.network import HemorrhageNetwork

FRAME_COLUMNS: Final = ("data_set", "name", "patient", "study", "series", "z_mm", *LABELS)
_ASSUMED_SPACING_MM: Final = 5.0
_BATCH: Final = {"cpu": 8, "cuda": 64}


@dataclass(frozen=True)
class Predictions:
    """What a network says of S slices.

    Parameters
    ----------
    frame
        S rows, with `FRAME_COLUMNS`; the slices of a series stand together, upward.
    slice_logits
        float32[S, 6], each slice judged alone.
    logits
        float32[S, 6], after the series head; the same where there is none.
    embeddings
        float16[S, D], where they were asked for.
    """

    frame: pd.DataFrame
    slice_logits: NDArray[np.float32]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.float16] | None = None

    @property
    def targets(self) -> NDArray[np.int64]:
        """int64[S, 6], 0 or 1."""
        return self.frame[list(LABELS)].to_numpy(np.int64)

    def slice_rows(self, scores: NDArray[np.floating]) -> Rows:
        """The slices with scores [S, 6], for figures and intervals."""
        return Rows(self.targets, scores, pd.factorize(self.frame["patient"])[0])

    def study_rows(self, scores: NDArray[np.floating]) -> Rows:
        """The studies: each scores, and is positive, as its highest slice."""
        studies = pd.factorize(self.frame["study"])[0]
        slices = self.slice_rows(scores)
        return Rows(*(highest_of_groups(part, studies) for part in vars(slices).values()))


# ----------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class SeriesJob:
    """A series to read: its slices' names, in the order of their positions."""

    data_set: DataSet
    names: Sequence[str]


def read_series(job: SeriesJob) -> list[NDArray[np.int16]]:
    """Read the slices of a series, int16[H, W] each; it runs in a reading process.

    Raises
    ------
    TrainingError
        A slice cannot be read, though it could when the cache was made.
    """
    slices = []
    for result in job.data_set.read(job.names):
        if isinstance(result, LeftOut):
            raise TrainingError(
                f"The original of {result.name} cannot be read any more: {result.detail} "
                "The cache was made from other files: put them back, or make the cache anew."
            )
        slices.append(result.hu)
    return slices


def order_in_series(z_mm: NDArray[np.float64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row numbers of a series upward: by position, or by number where a position is unknown."""
    if np.isnan(z_mm).any():
        return np.argsort(number, kind="stable")
    return np.lexsort((number, z_mm))


def served_positions(
    z_mm: NDArray[np.float64], thickness_mm: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Positions float32[S] from zero as service finds them (`model.dicom.series.order_slices`).

    Where one is unknown (nan), the slices lie at the distance of their thickness, or 5 mm.
    """
    if not np.isnan(z_mm).any():
        from_zero: NDArray[np.float32] = (z_mm - z_mm[0]).astype(np.float32)
        return from_zero
    known = thickness_mm[~np.isnan(thickness_mm)]
    spacing = float(np.median(known)) if len(known) else _ASSUMED_SPACING_MM
    return (np.arange(len(z_mm)) * spacing).astype(np.float32)


def series_of(cached: CachedSet, patients: Sequence[str]) -> list[pd.DataFrame]:
    """The slices of each series of these patients, upward."""
    frame = cached.frame[cached.frame["patient"].isin(patients)]
    groups = frame.groupby(["patient", "study", "series"], sort=False)
    return [
        rows.iloc[order_in_series(rows["z_mm"].to_numpy(np.float64), rows["number"].to_numpy())]
        for _, rows in groups
    ]


def read_patients(
    sets: Sequence[CachedSet], patients: Sequence[str], workers: int = 1
) -> Iterator[tuple[pd.DataFrame, list[NDArray[np.int16]], NDArray[np.float32]]]:
    """Read the series of patients from the originals, and show how far it has come.

    Yields
    ------
    Of each series its rows with `FRAME_COLUMNS`, its slices int16[H, W] upward, and their positions
    float32[S] as service finds them.

    Raises
    ------
    TrainingError
        No set has any of these patients, or an original cannot be read any more.
    """
    series = [(cached, rows) for cached in sets for rows in series_of(cached, patients)]
    if not series:
        raise TrainingError(
            f"None of the {len(patients)} patients to predict is in the caches "
            f"{', '.join(str(cached.folder) for cached in sets)}."
        )
    jobs = (SeriesJob(cached.data_set, rows["name"].tolist()) for cached, rows in series)
    with progress_bar() as progress:
        task = progress.add_task("predicting", total=sum(len(rows) for _, rows in series))
        read = read_ahead(read_series, jobs, workers)
        for (cached, rows), hu in zip(series, read, strict=True):
            z_mm = served_positions(
                rows["z_mm"].to_numpy(np.float64), rows["thickness_mm"].to_numpy()
            )
            yield rows.assign(data_set=cached.name)[list(FRAME_COLUMNS)], hu, z_mm
            progress.advance(task, len(rows))


# -------------------------------------------------------------------------------------- predicting


def predict_patients(
    network: "HemorrhageNetwork",
    sets: Sequence[CachedSet],
    patients: Sequence[str],
    *,
    workers: int = 1,
    embeddings: bool = False,
) -> Predictions:
    """Predict patients' slices at full resolution, through the serving path.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    sets
        The caches; their originals are read.
    patients
        As the caches' frames name them.
    workers
        Reading processes; 1 reads in this process.
    embeddings
        Whether to keep them, in half precision.

    Raises
    ------
    TrainingError
        No set has any of these patients, or an original cannot be read any more.
    """
    return predict_with_each([network], sets, patients, workers=workers, embeddings=embeddings)[0]


def predict_with_each(
    networks: Sequence["HemorrhageNetwork"],
    sets: Sequence[CachedSet],
    patients: Sequence[str],
    *,
    workers: int = 1,
    embeddings: bool = False,
) -> list[Predictions]:
    """Predict with several networks while reading once; otherwise as `predict_patients`."""
    frames: list[pd.DataFrame] = []
    outputs: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in networks]
    for rows, hu, z_mm in read_patients(sets, patients, workers):
        frames.append(rows)
        for network, mine in zip(networks, outputs, strict=True):
            predicted = predict_series(network, hu, z_mm)
            mine.append(predicted if embeddings else predicted[:2])
    frame = pd.concat(frames, ignore_index=True)
    return [
        Predictions(frame, *(np.concatenate(parts) for parts in zip(*mine, strict=True)))
        for mine in outputs
    ]


def predict_series(
    network: "HemorrhageNetwork", hu: Sequence[NDArray[np.int16]], z_mm: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float16]]:
    """Predict one series.

    Parameters
    ----------
    network
        In evaluation mode.
    hu
        S slices int16[H, W], upward; their shapes may differ.
    z_mm
        float32[S].

    Returns
    -------
    Slice logits float32[S, 6], logits float32[S, 6] and embeddings float16[S, D].
    """
    import torch

    device = next(network.parameters()).device
    embeddings, logits = [], []
    with torch.inference_mode():
        for batch in input_batches(hu, network.slices_per_input, _BATCH.get(device.type, 8)):
            encoded = network.encode(torch.from_numpy(batch).to(device))
            embeddings.append(encoded[0])
            logits.append(encoded[1])
        all_embeddings, slice_logits = torch.cat(embeddings), torch.cat(logits)
        combined = network.combine(all_embeddings, slice_logits, torch.from_numpy(z_mm).to(device))
    return (
        slice_logits.float().cpu().numpy(),
        combined.float().cpu().numpy(),
        all_embeddings.half().cpu().numpy(),
    )
