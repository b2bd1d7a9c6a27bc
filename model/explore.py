"""Explore cached data sets: `python -m model.explore --cache C --to FOLDER` writes `report.html`.

Beside it, `slices.parquet` holds all metadata of all slices.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from model.data.cache_parts import write_parquet
from model.data.cached import CachedSet, open_cache, read_left_out
from model.data.duplicates import contradictory, linked_patients
from model.errors import TrainingError
from model.exploration.drawings import (
    balance_bars,
    cooccurrence_map,
    geometry_histograms,
    hu_histograms,
    study_histograms,
)
from model.exploration.gallery import windowed_strip
from model.exploration.tables import (
    RSNA_PUBLISHED,
    RSNA_STAGE_2_ANY,
    cooccurrence,
    label_table,
    repeated_pixels,
    size_counts,
    slice_distances,
    spread,
    study_table,
    warning_counts,
    window_counts,
)
from model.labels import LABELS, SUBTYPES
from model.report import Page, Picture
from model.system.command import run
from model.system.files import write_atomically
from model.windowing import MODEL_WINDOWS

GALLERY: Final = 12
EXAMPLES: Final = 3
PICTURE: Final = 320


def main(arguments: list[str] | None = None) -> None:
    """Write the report and the table."""
    parser = argparse.ArgumentParser(prog="python -m model.explore", description=__doc__)
    parser.add_argument(
        "--cache", type=Path, action="append", required=True, help="may be given several times"
    )
    parser.add_argument("--to", type=Path, required=True, help="the report's folder")
    options = parser.parse_args(arguments)
    sets = [open_cache(folder) for folder in options.cache]
    names = [cached.name for cached in sets]
    if len(set(names)) < len(names):
        raise TrainingError(
            f"Two caches have one name ({', '.join(names)}): make them with another --name each."
        )
    write_parquet(options.to / "slices.parquet", all_slices(sets))
    write_atomically(options.to / "report.html", explore(sets).html().encode())
    print(f"{options.to / 'report.html'} and slices.parquet are written.")


def all_slices(sets: Sequence[CachedSet]) -> pa.Table:
    """Join the frames of all sets, with the set's name as the first column."""
    parts = [cached.frame.assign(data_set=cached.name) for cached in sets]
    frame = pd.concat([part[["data_set", *part.columns[:-1]]] for part in parts])
    frame.attrs = {}
    return pa.Table.from_pandas(frame, preserve_index=False)


def explore(sets: Sequence[CachedSet]) -> Page:
    """Make the report of one or more data sets."""
    page = Page("What the data are", "; ".join(cached.facts.title for cached in sets))
    _overview(page, sets)
    for cached in sets:
        mark = f"{cached.name}: " if len(sets) > 1 else ""
        _labels(page, cached, mark)
        _studies(page, cached, mark)
        _geometry(page, cached, mark)
        _values(page, cached, mark)
        _broken(page, cached, mark)
        _galleries(page, cached, mark)
    return page


def _overview(page: Page, sets: Sequence[CachedSet]) -> None:
    page.section("Overview")
    rows = [
        (
            *(cached.name, len(cached.frame)),
            *(cached.frame[name].nunique() for name in ("patient", "study", "series")),
            100 * float(cached.frame["any"].mean()),
            len(read_left_out(cached.folder)),
            int(cached.frame["blank"].sum()),
        )
        for cached in sets
    ]
    head = (
        "data set",
        "slices",
        "patients",
        "studies",
        "series",
        "any %",
        "left out or corrected",
        "blank",
    )
    page.table(head, rows)
    for cached in sets:
        facts = cached.facts
        page.notes(
            [
                f"{cached.name}: {facts.title}. {facts.authors}. {facts.doi}",
                f"Licence: {facts.licence}.",
                f"Hounsfield units: {facts.hounsfield_units}",
                *facts.limits,
            ]
        )
    groups = linked_patients([cached.frame for cached in sets])
    shared = groups.groupby(groups).size()
    linked, parts = int(shared[shared > 1].sum()), int((shared > 1).sum())
    sentence = f"{linked:,} patients share identical slices with another patient"
    page.notes([f"{sentence}, in {parts:,} groups; folds keep a group together."])


def _labels(page: Page, cached: CachedSet, mark: str) -> None:
    table = label_table(cached.frame)
    page.section(
        f"{mark}Labels",
        "Positive slices, and studies and patients with at least one. A slice may have several "
        "subtypes; any is set wherever one is.",
    )
    if cached.facts.kind == "rsna":
        table["stage 1, published"] = [RSNA_PUBLISHED[label][0] for label in LABELS]
        table["published %"] = [RSNA_PUBLISHED[label][1] for label in LABELS]
    page.frame(table.rename_axis("label"))
    if cached.facts.kind == "rsna":
        count, share = RSNA_STAGE_2_ANY
        page.notes([f"Published for stage 2: any {count:,} slices ({share} %)."])
    ones = int(cached.targets.sum())
    zeros = cached.targets.size - ones
    page.figure(
        balance_bars(table),
        alt="Bars: positive slices by label",
        caption=f"Of {zeros + ones:,} labels {ones:,} are 1 and {zeros:,} are 0: "
        f"{100 * ones / max(zeros, 1):.2g} ones for every 100 zeros.",
    )
    counts = cooccurrence(cached.frame)
    page.figure(
        cooccurrence_map(counts),
        alt="Matrix: of the slices with one label, the share that has another one",
        caption="Of the slices with the label of the row, how many have that of the column "
        "(count, and share by colour).",
    )


def _studies(page: Page, cached: CachedSet, mark: str) -> None:
    studies = study_table(cached.frame)
    positive = studies[studies["positive"] > 0]
    several = studies.groupby("patient").size()
    page.section(f"{mark}Studies and patients")
    rows = [
        ("studies", len(studies)),
        ("studies with bleeding", len(positive)),
        ("slices of a study, median", float(studies["slices"].median())),
        ("slices of a study, least", int(studies["slices"].min())),
        ("slices of a study, most", int(studies["slices"].max())),
        ("positive slices of a study with bleeding, median", float(positive["positive"].median())),
        ("patients", len(several)),
        ("patients with several studies", int((several > 1).sum())),
        ("studies of one patient, most", int(several.max())),
    ]
    page.table(("", "number"), rows)
    page.figure(
        study_histograms(studies),
        alt="Histograms: slices of a study; positive slices of a study with bleeding",
    )


def _geometry(page: Page, cached: CachedSet, mark: str) -> None:
    frame = cached.frame
    page.section(f"{mark}Sizes and spacing")
    page.table(("rows x columns", "slices"), size_counts(frame))
    distances = slice_distances(frame)
    unknown = {
        "pixel spacing": int(frame["spacing_row_mm"].isna().sum()),
        "slice thickness": int(frame["thickness_mm"].isna().sum()),
        "position along the series": int(frame["z_mm"].isna().sum()),
    }
    page.table(("not stated in the file", "slices"), list(unknown.items()))
    page.figure(
        geometry_histograms(frame, distances),
        alt="Histograms: pixel spacing, slice thickness, distance of slices, width of the head box",
    )


def _values(page: Page, cached: CachedSet, mark: str) -> None:
    page.section(
        f"{mark}Hounsfield units and windows",
        "Of the original slices, before they were cropped. Windows of the headers vary; Falx uses "
        "fixed ones (40/80, 80/200, 600/2800).",
    )
    columns = ["hu_min", "hu_max", "hu_mean", "brain_share"]
    described = cached.frame[columns].quantile([0, 0.01, 0.5, 0.99, 1])
    described.index = pd.Index(["least", "1 %", "median", "99 %", "most"], name="of the slices")
    page.frame(described)
    page.figure(
        hu_histograms(cached.frame),
        alt="Histograms: lowest, highest and mean HU of a slice; share of pixels in 0 to 80 HU",
    )
    page.table(("header window, center/width", "slices"), window_counts(cached.frame))


def _broken(page: Page, cached: CachedSet, mark: str) -> None:
    frame = cached.frame
    page.section(f"{mark}What is broken", "Left out, repaired, blank, repeated or contradictory.")
    left_out = read_left_out(cached.folder)
    kinds = left_out["kind"].value_counts()
    rows = [
        (kind, int(count), " ".join(left_out["name"][left_out["kind"] == kind][:EXAMPLES]),
         left_out["detail"][left_out["kind"] == kind].iloc[0])
        for kind, count in kinds.items()
    ]  # fmt: skip
    page.table(("left out or corrected", "number", "for example", "why (the first)"), rows)
    page.table(("repaired or doubtful", "slices"), list(warning_counts(frame).items()))
    repeated, contrary = repeated_pixels(frame), contradictory(frame)
    blank = frame["blank"].to_numpy(bool)
    special = (
        ("near-blank (under 60 grey levels in the 40/80 window)", blank),
        ("near-blank, yet labelled with bleeding", blank & (frame["any"] > 0).to_numpy()),
        ("same pixels as another slice (blank ones aside)", repeated),
        ("same pixels as another slice, but other labels", contrary & ~blank),
    )
    page.table(
        ("slices", "number", "for example"),
        [
            (what, int(chosen.sum()), " ".join(frame["name"].iloc[spread(chosen, EXAMPLES)]))
            for what, chosen in special
        ],
    )
    if (contrary & ~blank).any():
        page.images(
            _pictures(cached, contrary & ~blank, 6), "Same pixels, other labels", width=PICTURE
        )


def _galleries(page: Page, cached: CachedSet, mark: str) -> None:
    page.section(
        f"{mark}Galleries",
        "Slices of each subtype in the brain, subdural and bone window, evenly spread over the "
        "patients.",
    )
    for subtype in SUBTYPES:
        chosen = cached.frame[subtype].to_numpy() > 0
        page.images(
            _pictures(cached, chosen, GALLERY), f"{subtype}: {chosen.sum():,} slices", PICTURE
        )
    without = cached.frame["any"].to_numpy() == 0
    page.images(
        _pictures(cached, without, 6), f"without bleeding: {without.sum():,} slices", PICTURE
    )


def _pictures(cached: CachedSet, chosen: "np.typing.NDArray[np.bool_]", most: int) -> list[Picture]:
    """Show some of the chosen slices, with name and labels."""
    pictures = []
    for place in spread(chosen, most):
        row = cached.frame.iloc[int(place)]
        labels = ", ".join(label for label in SUBTYPES if row[label]) or "none"
        strip = windowed_strip(cached.hu[row["row"]], MODEL_WINDOWS)
        pictures.append(Picture(strip, f"{row['name']}: {labels}"))
    return pictures


if __name__ == "__main__":
    run(main)
