"""The drawings of the exploration report."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from model.labels import LABELS
from model.report import BLUE, ORANGE
from model.report.drawing import Drawing, new_figure, new_figures

_BARS: Final = 40
_MOST_BARS: Final = 60


def balance_bars(table: pd.DataFrame) -> Drawing:
    """Draw positive slices by label, from `label_table`."""
    figure, axes = new_figure(7.0, 2.6)
    bars = axes.barh(list(LABELS), table["slices"], color=[ORANGE, *[BLUE] * 5], height=0.7)
    texts = [
        f"{n:,} ({share:.2f} %)" for n, share in zip(table["slices"], table["share %"], strict=True)
    ]
    axes.bar_label(bars, texts, fontsize=8, padding=2)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.set_xlabel("positive slices")
    axes.grid(visible=False, axis="y")
    return figure


def cooccurrence_map(counts: NDArray[np.int64]) -> Drawing:
    """Draw `cooccurrence`: the count in each cell, its share of the row's label as colour."""
    shares = counts / np.maximum(np.diag(counts), 1)[:, None]
    figure, axes = new_figure(6.4, 4.2)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.grid(visible=False)
    axes.set_xticks(range(len(LABELS)), LABELS, rotation=30, ha="right")
    axes.set_yticks(range(len(LABELS)), LABELS)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.6 else "black"
        text = f"{counts[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, ax=axes, label="share of the row's slices")
    return figure


def study_histograms(studies: pd.DataFrame) -> Drawing:
    """Draw slices, and positive slices where there are any, of each study."""
    figure, axes = new_figures(1, 2, 9.0, 2.8)
    _histogram(axes[0], studies["slices"].to_numpy(), "slices of a study", "studies")
    positive = studies["positive"][studies["positive"] > 0].to_numpy()
    _histogram(axes[1], positive, "positive slices of a study with bleeding", "studies")
    return figure


def geometry_histograms(frame: pd.DataFrame, distances: NDArray[np.float64]) -> Drawing:
    """Draw pixel spacing, thickness, slice distance and the head box's share of the field."""
    figure, axes = new_figures(2, 2, 9.0, 5.0)
    share = frame["box_side"] / frame[["rows", "columns"]].max(axis=1)
    for one, values, what in zip(
        axes,
        (frame["spacing_row_mm"], frame["thickness_mm"], distances, share),
        ("pixel spacing, mm", "slice thickness, mm", "distance of slices, mm", "head box / field"),
        strict=True,
    ):
        _histogram(one, np.asarray(values, np.float64), what)
    return figure


def hu_histograms(frame: pd.DataFrame) -> Drawing:
    """Draw lowest, highest and mean HU, and the share of pixels in 0 to 80 HU."""
    figure, axes = new_figures(2, 2, 9.0, 5.0)
    for one, column, what in zip(
        axes,
        ("hu_min", "hu_max", "hu_mean", "brain_share"),
        ("lowest HU", "highest HU", "mean HU", "share of pixels in 0 to 80 HU"),
        strict=True,
    ):
        _histogram(one, frame[column].to_numpy(np.float64), what)
    return figure


def _histogram(axes: Axes, values: NDArray[np.generic], what: str, of: str = "slices") -> None:
    """Draw a histogram; far outliers are left out, and said to be."""
    finite = values.astype(np.float64)
    finite = finite[np.isfinite(finite)]
    axes.set_xlabel(what)
    axes.set_ylabel(of)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    if not len(finite) or finite.min() == finite.max():
        text = f"all {len(finite):,} are {finite[0]:,.4g}" if len(finite) else "not known"
        axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    low, high = _range_to_show(finite)
    inside = finite[(finite >= low) & (finite <= high)]
    whole = bool((inside == inside.round()).all()) and high - low < _MOST_BARS
    bins = np.arange(np.floor(low) - 0.5, high + 1) if whole else _BARS
    axes.stairs(*np.histogram(inside, bins), fill=True, color=BLUE)
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    if len(inside) < len(finite):
        note = f"{len(finite) - len(inside):,} beyond {low:,.4g} to {high:,.4g}"
        axes.set_title(note, fontsize=7, loc="right")


def _range_to_show(values: NDArray[np.float64]) -> tuple[float, float]:
    """All values, unless a thousandth of them at either end would take up half of the drawing."""
    low, most_low, most_high, high = np.percentile(values, [0, 0.1, 99.9, 100])
    if 0 < most_high - most_low < (high - low) / 2:
        return float(most_low), float(most_high)
    return float(low), float(high)
