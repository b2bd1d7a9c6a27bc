"""Slices and their metadata as figures, for notebooks: by subtype, or of one DICOM file.

    cached = open_cache(Path("cache"))
    display_dicom_image(cached.frame, "intraventricular", 4, 4)
    show_dicom_metadata("stage_2_train/ID_000012eaf.dcm")

Each returns a figure that a notebook shows as the value of its cell.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from model.data.cached import map_pixels
from model.data.dataset import SourceSlice
from model.data.dicom_slices import read_dicom_slice
from model.data.head_crop import square_slice
from model.errors import TrainingError
from model.exploration.tables import spread
from model.labels import LABELS
from model.notice import NOTICE
from model.report.drawing import Drawing, new_figures
from model.windowing import BRAIN, DISPLAY_PRESETS, MODEL_WINDOWS, Window, grey_lookup

PATH_COLUMNS: Final = ("path", "file", "filename")
"""Where a data frame that is no cache's names its DICOM files."""

_TEXT_LINES: Final = 48


def windowed_strip(hu: NDArray[np.int16], windows: Sequence[Window]) -> NDArray[np.uint8]:
    """Show int16[H, W] HU in each window, side by side: uint8[H, W * windows]."""
    levels = np.ascontiguousarray(hu).view(np.uint16)
    return np.hstack([grey_lookup(window)[levels] for window in windows])


def display_dicom_image(
    df: pd.DataFrame,
    sub_type: str,
    column_number: int,
    row_number: int,
    windows: Sequence[Window] = (BRAIN,),
) -> Drawing:
    """Show slices of one subtype, evenly spread over the data frame.

    Parameters
    ----------
    df
        The frame of a cache (or some rows of it), or any data frame with the labels as columns
        and the DICOM files in a column `path`, `file` or `filename`.
    sub_type
        One of `LABELS`.
    column_number, row_number
        Slices in a row, and rows.
    windows
        Each slice is shown in these, side by side; `model.windowing.MODEL_WINDOWS` are the
        network's three.

    Raises
    ------
    TrainingError
        The subtype is unknown, no slice has it, or the data frame does not lead to pixels.
    """
    if sub_type not in LABELS or sub_type not in df.columns:
        raise TrainingError(f"There is no label {sub_type!r} here: {', '.join(LABELS)}.")
    if column_number < 1 or row_number < 1 or not windows:
        raise TrainingError("A gallery needs a column, a row and a window at least.")
    places = spread(df[sub_type].to_numpy() > 0, column_number * row_number)
    if not len(places):
        raise TrainingError(f"No slice of this data frame has {sub_type} bleeding.")
    read = _reader(df)
    figure, axes = new_figures(
        row_number, column_number, 2.2 * column_number * len(windows), 2.5 * row_number
    )
    for one in axes:
        one.set_axis_off()
    for one, place in zip(axes, places, strict=False):
        title, hu = read(int(place))
        _draw_slice(one, windowed_strip(square_slice(hu), windows), title)
    names = ", ".join(window.name for window in windows)
    figure.suptitle(f"{sub_type} ({names})", fontsize=11)
    figure.supxlabel(NOTICE, fontsize=7)
    return figure


def _reader(df: pd.DataFrame) -> Callable[[int], tuple[str, NDArray[np.int16]]]:
    """Find out how to get at the pixels: place in the data frame -> name and HU."""
    if "cache" in df.attrs and "row" in df.columns:
        hu = map_pixels(Path(df.attrs["cache"]))
        rows, names = df["row"].to_numpy(), df["name"].to_numpy()
        return lambda place: (str(names[place]), np.asarray(hu[rows[place]]))
    column = next((name for name in PATH_COLUMNS if name in df.columns), None)
    if column is None:
        raise TrainingError(
            "The data frame is no cache's and has none of the columns "
            f"{', '.join(PATH_COLUMNS)} with DICOM files."
        )
    paths = df[column].to_numpy()

    def read(place: int) -> tuple[str, NDArray[np.int16]]:
        path = Path(str(paths[place]))
        return path.stem, _read_file(path).hu

    return read


def show_dicom_metadata(filename: str | Path) -> Drawing:
    """Show a DICOM file's attributes, and its slice in the display windows.

    Raises
    ------
    TrainingError
        The file is missing or no CT slice that Falx can read.
    """
    path = Path(filename)
    source = _read_file(path)
    figure, axes = new_figures(2, 3, 13.0, 7.5)
    for one in axes:
        one.set_axis_off()
    _write_attributes(axes[0], source)
    square = square_slice(source.hu)
    places = (axes[1], axes[2], axes[4], axes[5])
    for one, window in zip(places, (*MODEL_WINDOWS, DISPLAY_PRESETS[-1]), strict=True):
        title = f"{window.name} {window.center:g}/{window.width:g}"
        _draw_slice(one, windowed_strip(square, (window,)), title)
    figure.suptitle(path.name, fontsize=11)
    figure.supxlabel(NOTICE, fontsize=7)
    return figure


def _read_file(path: Path) -> SourceSlice:
    source = read_dicom_slice(path, path.name, {path.name: "-"})
    if not isinstance(source, SourceSlice):
        raise TrainingError(source.detail)
    return source


def _write_attributes(axes: Axes, source: SourceSlice) -> None:
    lines = [f"{keyword:<26} {value[:34]}" for keyword, value in source.attributes.items()]
    lines += [f"{'HU':<26} {source.hu.min()} to {source.hu.max()}", *source.warnings]
    if len(lines) > _TEXT_LINES:
        lines = [*lines[: _TEXT_LINES - 1], f"… and {len(lines) - _TEXT_LINES + 1} more"]
    text = "\n".join(line[:66] for line in lines)
    # Names in files may hold dollar signs: they are no formulas.
    written = axes.text(0, 1, text, va="top", family="monospace", fontsize=6.5, parse_math=False)
    written.set_in_layout(False)  # it runs on over the empty place below


def _draw_slice(axes: Axes, grey: NDArray[np.uint8], title: str) -> None:
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    axes.set_title(title, fontsize=7, parse_math=False)
