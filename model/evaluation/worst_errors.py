"""The slices that an evaluated run errs on most, with their pictures."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.cached import CachedSet
from model.evaluation.bootstrap import Rows
from model.evaluation.measurement import EvaluatedRun
from model.labels import LABELS
from model.report import Page, Picture
from model.windowing import MODEL_WINDOWS, grey_lookup

_SHOWN: Final = 4


def add_worst_errors(page: Page, run: EvaluatedRun, sets: Sequence[CachedSet]) -> None:
    """Add a section with pictures of what each label's probabilities err on most."""
    page.section(
        "Worst errors",
        "The negatives with the highest and the positives with the lowest probability, one slice a "
        "study, in the brain, subdural and bone window, as cropped in the cache. Not only the "
        "network errs: labels do, too. The pictures are the data set's: its licence holds for "
        "this file.",
    )
    slices = run.predictions.slice_rows(run.probabilities)
    for i, label in enumerate(LABELS):
        for kind, rows in (
            ("Negatives, highest", worst_rows(run, slices.label(i), of_class=0)),
            ("Positives, lowest", worst_rows(run, slices.label(i), of_class=1)),
        ):
            page.images(
                list(_pictures(run, sets, rows, slices.scores[:, i])),
                caption=f"{label}: {kind.lower()} probability",
                width=490,
            )


def worst_rows(run: EvaluatedRun, slices: Rows, *, of_class: int) -> list[int]:
    """Rows of the slices of a class that one label's scores err on most, one a study."""
    rows = np.flatnonzero(slices.targets == of_class)
    sign = -1 if of_class == 0 else 1
    rows = rows[np.argsort(sign * slices.scores[rows], kind="stable")]
    studies = run.predictions.frame["study"].iloc[rows]
    return [int(row) for row in rows[~studies.duplicated().to_numpy()][:_SHOWN]]


def _pictures(
    run: EvaluatedRun, sets: Sequence[CachedSet], rows: list[int], scores: NDArray[np.floating]
) -> Iterator[Picture]:
    cached_of = {cached.name: cached for cached in sets}
    for row in rows:
        about = run.predictions.frame.iloc[row]
        cached = cached_of[about["data_set"]]
        place = cached.frame.loc[cached.frame["name"] == about["name"], "row"].iloc[0]
        labels = [label for label in LABELS if about[label]]
        yield Picture(
            in_three_windows(cached.hu[place]),
            f"{about['name']}: probability {scores[row]:.3f}; labelled "
            f"{', '.join(labels) or 'no hemorrhage'}",
        )


def in_three_windows(hu: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Render int16[H, W] in the model's windows, uint8[H, 3 W + 8], side by side."""
    index = np.ascontiguousarray(hu).view(np.uint16)
    gap = np.full((len(hu), 4), 255, np.uint8)
    parts = [gap, *(grey_lookup(window)[index] for window in MODEL_WINDOWS)]
    return np.hstack([parts[1], gap, parts[2], gap, parts[3]])
