"""Folds that hold out the patients whose images look alike: how does a recipe do on another look?

``python -m model.experiments.looks --cache C --to FOLDER`` writes one `folds-<look>.csv` for each
look, for `model.train --folds`: in rotation 0 its fifth of the patients is the test part.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from model.data.cached import CachedSet, open_cache
from model.data.duplicates import linked_patients
from model.data.folds import MOST_FOLDS, ROTATIONS, make_folds
from model.system.files import write_atomically

LOOKS: Final = {
    "quiet": ("noise_hu", True),
    "noisy": ("noise_hu", False),
    "wide": ("head_share", True),
    "thin-skull": ("skull_hu", True),
}
"""Name to the measure, and whether the lowest of it are held out, or the highest."""

_TISSUE_HU: Final = (10, 60)
_BONE_HU: Final = 300


def measure_looks(cached: CachedSet) -> pd.DataFrame:
    """Measure how the middle third of each patient's slices looks, as medians.

    Returns
    -------
    By patient: `noise_hu`, what a median filter of 3 x 3 removes from the brain; `head_share`,
    the head's part of the field's width; `skull_hu`, the 95th percentile of bone.
    """
    measured = {}
    for patient, frame in cached.frame.groupby("patient", sort=True):
        middle = frame.iloc[len(frame) // 3 : max(2 * len(frame) // 3, len(frame) // 3 + 1)]
        slices = [_measured(np.array(cached.hu[row], np.float32)) for row in middle["row"]]
        noise, skull = np.nanmedian(slices, axis=0)
        field = middle[["rows", "columns"]].max(axis=1)
        measured[patient] = {
            "noise_hu": noise,
            "head_share": float((middle["box_side"] / field).median()),
            "skull_hu": skull,
        }
    return pd.DataFrame(measured).T


def _measured(hu: NDArray[np.float32]) -> tuple[float, float]:
    low, high = _TISSUE_HU
    tissue = ndimage.binary_erosion((hu > low) & (hu < high), iterations=2)
    rest = hu - ndimage.median_filter(hu, 3)
    bone = hu[hu > _BONE_HU]
    noise = float(rest[tissue].std()) if tissue.any() else np.nan
    return noise, float(np.percentile(bone, 95)) if len(bone) else np.nan


def folds_of_look(cached: CachedSet, looks: pd.DataFrame, name: str) -> "pd.Series[int]":
    """Put the fifth of the patients that show a look most into folds 0 and 1, the rest as usual.

    Parameters
    ----------
    looks
        Of `measure_looks`.
    name
        One of `LOOKS`.
    """
    measure, lowest = LOOKS[name]
    order = looks[measure].sort_values(ascending=lowest, kind="stable").index
    groups = linked_patients([cached.frame])
    # Who shares a slice with them goes with them.
    held_out = groups.isin(groups.loc[order[: max(2, len(order) // ROTATIONS)]])
    n_test = MOST_FOLDS // ROTATIONS
    kept = groups[~held_out]
    rest = cached.frame[cached.frame["patient"].isin(kept.index)]
    renumbered = pd.Series(pd.factorize(kept)[0], kept.index)
    folds = n_test + make_folds([rest], renumbered, MOST_FOLDS - n_test, seed=0)
    numbers = pd.factorize(groups[held_out])[0] % n_test
    tested = pd.Series(numbers, groups.index[held_out], name="fold")
    numbered: pd.Series[int] = pd.concat([tested, folds]).sort_index().rename_axis("patient")
    return numbered


def main(arguments: list[str] | None = None) -> None:
    """Write the folds of every look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True, help="folder of the files")
    options = parser.parse_args(arguments)
    cached = open_cache(options.cache)
    looks = measure_looks(cached)
    options.to.mkdir(parents=True, exist_ok=True)
    for name, (measure, _) in LOOKS.items():
        folds = folds_of_look(cached, looks, name)
        path = options.to / f"folds-{name}.csv"
        write_atomically(path, folds.to_csv(lineterminator="\n").encode())
        tested = folds.index[folds < MOST_FOLDS // ROTATIONS]
        of_tested, of_rest = looks.loc[tested, measure], looks[measure].drop(tested)
        print(
            f"{path}: {len(tested)} patients with {measure} of {of_tested.median():.3g} "
            f"in the median, the others {of_rest.median():.3g}"
        )


if __name__ == "__main__":
    from model.system.command import run

    run(main)
