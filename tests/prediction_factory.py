"""Predictions of a fair network that was never trained: truth, and noise."""

import numpy as np
import pandas as pd

from model.evaluation.predictions import Predictions
from model.labels import LABELS


def some_predictions(
    patients: int = 40, slices: int = 10, *, seed: int = 0, noise: float = 1.5
) -> Predictions:
    """Every second patient bleeds, in the upper half of the slices and in all labels.

    The first four patients have two studies of `slices` each. The series head (less noise) is
    better than the slices alone.
    """
    truth, generator = np.random.default_rng(0), np.random.default_rng(seed)
    rows = [
        (patient, study, number)
        for patient in range(patients)
        for study in range(2 if patient < 4 else 1)
        for number in range(slices)
    ]
    patient, study, number = (np.array(column) for column in zip(*rows, strict=True))
    bleeding = (patient % 2 == 0) & (number >= slices // 2)
    targets = np.repeat(bleeding[:, None], len(LABELS), axis=1)
    targets[:, 1:] &= truth.random((len(rows), len(LABELS) - 1)) < 0.8
    frame = pd.DataFrame(
        {
            "data_set": "some",
            "name": [f"{p:03d}_{s}_{n:02d}" for p, s, n in rows],
            "patient": [f"some:{p}" for p in patient],
            "study": [f"some:{p}.{s}" for p, s in zip(patient, study, strict=True)],
            "series": [f"some:{p}.{s}.1" for p, s in zip(patient, study, strict=True)],
            "z_mm": 5.0 * number,
            **{label: targets[:, i].astype(np.int8) for i, label in enumerate(LABELS)},
        }
    )
    # What misleads the network about one label mostly misleads it about the others.
    error = generator.normal(0, noise, (len(rows), 1)) + generator.normal(0, 0.3, targets.shape)
    slice_logits, logits = (
        (2.0 * targets - 1 + part * error).astype(np.float32) for part in (1.0, 0.7)
    )
    return Predictions(frame, slice_logits, logits)
