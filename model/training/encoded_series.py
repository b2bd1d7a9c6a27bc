"""Series as a trained encoder sees them: what a head over a series is fitted to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import TrainingError
from model.evaluation.predictions import Predictions


@dataclass(frozen=True)
class EncodedSeries:
    """One series of S slices as the encoder sees it, in order along the head.

    Parameters
    ----------
    embeddings, logits, z_mm
        float16[S, D], float32[S, 6] and float32[S].
    targets
        float32[S, 6], 0 or 1.
    patient
        Whose it is.
    """

    embeddings: Tensor
    logits: Tensor
    z_mm: Tensor
    targets: Tensor
    patient: str

    def inputs(self, device: str) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings in single precision, logits and positions."""
        return self.embeddings.to(device).float(), self.logits.to(device), self.z_mm.to(device)


def encoded_series(predictions: Predictions) -> list[EncodedSeries]:
    """Take predictions apart into series.

    Raises
    ------
    TrainingError
        They have no embeddings, or some are no finite numbers.
    """
    if predictions.embeddings is None:
        raise TrainingError("A series head needs the slices' embeddings.")
    if not (np.isfinite(predictions.embeddings).all() and np.isfinite(predictions.logits).all()):
        raise TrainingError(
            "Some embeddings of the tune patients are no finite numbers: the encoder's weights are "
            "damaged or diverged; train it again."
        )
    frame = predictions.frame
    z_mm = frame["z_mm"].to_numpy(np.float32)
    targets = predictions.targets.astype(np.float32)
    groups = frame.groupby(["data_set", "patient", "study", "series"], sort=False)
    return [
        EncodedSeries(
            torch.from_numpy(predictions.embeddings[rows]),
            torch.from_numpy(predictions.slice_logits[rows]),
            torch.from_numpy(z_mm[rows]),
            torch.from_numpy(targets[rows]),
            str(frame["patient"].iloc[rows[0]]),
        )
        for rows in groups.indices.values()
    ]


def deal_patients(series: Sequence[EncodedSeries], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each series, int[N]: patients with hemorrhage are dealt first, then the others."""
    positive = {one.patient: False for one in series}
    for one in series:
        positive[one.patient] |= bool(one.targets[:, 0].any())
    generator = np.random.default_rng(seed)
    patients = [list(positive)[i] for i in generator.permutation(len(positive))]
    patients.sort(key=lambda patient: not positive[patient])
    fold_of = {patient: place % folds for place, patient in enumerate(patients)}
    return np.array([fold_of[one.patient] for one in series])
