"""Identical pixels under two patients or with two sets of labels: links and contradictions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.labels import LABELS


def linked_patients(frames: Sequence[pd.DataFrame]) -> "pd.Series[int]":
    """Group patients that share a slice of identical pixels, directly or through others.

    Near-blank slices link nobody: air looks the same in everyone.

    Parameters
    ----------
    frames
        Tables of slices with `patient`, `pixel_hash` and `blank`.

    Returns
    -------
    Group number, ascending from 0, by patient; the patients are sorted.
    """
    slices = pd.concat([frame[["patient", "pixel_hash", "blank"]] for frame in frames])
    patients, names = pd.factorize(slices["patient"], sort=True)
    shown = ~slices["blank"].to_numpy(bool)
    pixels, _ = pd.factorize(slices["pixel_hash"][shown])
    # A graph of patients and images, with an edge where a patient has an image.
    size = len(names) + len(slices)
    edges = (np.ones(len(pixels), np.int8), (patients[shown], len(names) + pixels))
    _, part = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    groups = pd.factorize(part[: len(names)])[0].astype(np.int64)
    return pd.Series(groups, index=pd.Index(names, name="patient"), name="group")


def contradictory(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which slices have the pixels of another one but not its labels: bool[n]."""
    labels = pd.Series(frame[list(LABELS)].to_numpy(np.int64) @ (1 << np.arange(len(LABELS))))
    same_pixels = labels.groupby(frame["pixel_hash"].to_numpy())
    return (same_pixels.transform("min") != same_pixels.transform("max")).to_numpy(bool)
