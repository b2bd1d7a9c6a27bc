"""What a data set is made of, as tables: pure functions of a cache's frame, for any number of rows.

`frame` is `CachedSet.frame` everywhere: one row a slice.
"""

import re
from collections import Counter
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.cached import WARNING_SEPARATOR
from model.labels import LABELS

RSNA_PUBLISHED: Final = {
    "any": (97_103, 14.40),
    "epidural": (2_761, 0.41),
    "intraparenchymal": (32_564, 4.82),
    "intraventricular": (23_766, 3.52),
    "subarachnoid": (32_122, 4.76),
    "subdural": (42_496, 6.30),
}
"""Positive slices and their share in percent among the 674,258 of RSNA 2019, stage 1."""

RSNA_STAGE_2_ANY: Final = (107_933, 14.34)
"""The same of `any` among the 752,803 slices of stage 2."""

_NUMBERS: Final = re.compile(r"-?\d[\d,.]*\d|-?\d")


def label_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Count positives by label: slices, their share in percent, studies and patients."""
    positive = frame[list(LABELS)].astype(bool)
    slices = positive.sum()
    return pd.DataFrame(
        {
            "slices": slices,
            "share %": (100 * slices / max(len(frame), 1)).round(2),
            "studies": positive.groupby(frame["study"].to_numpy()).any().sum(),
            "patients": positive.groupby(frame["patient"].to_numpy()).any().sum(),
        }
    )


def cooccurrence(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Count slices with both of two labels: int64[6, 6], the diagonal counts one label."""
    targets = frame[list(LABELS)].to_numpy(np.int64)
    counts: NDArray[np.int64] = targets.T @ targets
    return counts


def study_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Describe each study: patient, slices, positive slices."""
    studies = frame.groupby("study")
    return pd.DataFrame(
        {
            "patient": studies["patient"].first(),
            "slices": studies.size(),
            "positive": studies["any"].sum().astype(int),
        }
    )


def slice_distances(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Distances in mm between neighbours of a series; nan where a position is unknown."""
    same = frame["series"].to_numpy()[1:] == frame["series"].to_numpy()[:-1]
    distances: NDArray[np.float64] = np.diff(frame["z_mm"].to_numpy(np.float64))[same]
    return distances


def size_counts(frame: pd.DataFrame, most: int = 10) -> list[tuple[str, int]]:
    """Count slices by rows and columns, the most frequent first; the rest in one line."""
    sizes = frame["rows"].astype(str) + " x " + frame["columns"].astype(str)
    return _first_ones(sizes, most)


def window_counts(frame: pd.DataFrame, most: int = 10) -> list[tuple[str, int]]:
    """Count slices by the window in their header (center/width), the most frequent first."""
    center, width = (frame[name].map("{:g}".format) for name in ("window_center", "window_width"))
    windows = (center + "/" + width).where(frame["window_width"].notna(), "none")
    return _first_ones(windows, most)


def _first_ones(values: "pd.Series[str]", most: int) -> list[tuple[str, int]]:
    counts = [(str(value), int(n)) for value, n in values.value_counts().items()]
    rest = counts[most:]
    return counts[:most] + ([(f"{len(rest)} others", sum(n for _, n in rest))] if rest else [])


def warning_counts(frame: pd.DataFrame) -> dict[str, int]:
    """Count slices by warning, the most frequent first; warnings may differ in their numbers."""
    warned = frame["warnings"][frame["warnings"] != ""].value_counts()
    counts: Counter[str] = Counter()
    texts: dict[str, set[str]] = {}
    for joined, slices in warned.items():
        each = {_NUMBERS.sub("…", one): one for one in str(joined).split(WARNING_SEPARATOR)}
        for kind, text in each.items():
            counts[kind] += int(slices)
            texts.setdefault(kind, set()).add(text)
    return {
        texts[kind].pop() if len(texts[kind]) == 1 else kind: slices
        for kind, slices in counts.most_common()
    }


def repeated_pixels(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which slices, not blank, have the very pixels of another one: bool[n]."""
    shown = ~frame["blank"].to_numpy(bool)
    repeated = frame["pixel_hash"].duplicated(keep=False).to_numpy(bool)
    result: NDArray[np.bool_] = shown & repeated
    return result


def spread(chosen: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Choose up to `most` of the true places, evenly spread, so that many patients are shown."""
    places = np.flatnonzero(chosen)
    picked = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int))
    result: NDArray[np.int64] = places[picked]
    return result
