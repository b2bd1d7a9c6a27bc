"""Drawings of an evaluation: ROC, precision against recall, and reliability, label by label."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from model.evaluation.bootstrap import Rows
from model.evaluation.measurement import POINTS
from model.evaluation.metrics import CALIBRATION_BINS, reliability_bins
from model.labels import LABELS
from model.report import BLUE, GREY, ORANGE, new_figures

_MOST_POINTS: Final = 400
"""Of a curve: more cannot be seen, and 150,000 slices would make a report of many megabytes."""
_MARKERS: Final = dict(zip(POINTS, ("o", "s"), strict=True))
_LEVELS: Final = (("slices", BLUE), ("studies", ORANGE))


def roc_figure(slices: Rows, studies: Rows, evaluation: Mapping[str, Any]) -> Figure:
    """Draw each label's ROC per slice and per study, with the two thresholds marked."""
    figure, all_axes = new_figures(2, 3, 9.0, 6.0)
    for i, (label, axes) in enumerate(zip(LABELS, all_axes, strict=True)):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        for (level, colour), rows in zip(_LEVELS, (slices, studies), strict=True):
            truth, score = rows.targets[:, i], rows.scores[:, i]
            if truth.min() == truth.max():
                continue
            false_rate, true_rate, _ = roc_curve(truth, score)
            axes.plot(*_thinned(false_rate, true_rate), color=colour)
            for point, marker in _MARKERS.items():
                cells = evaluation["confusion"][label][point][level]
                axes.plot(
                    *_operating_point(cells), marker=marker, color=colour, markersize=5, mec="white"
                )
        _frame(axes, label, "1 - specificity", "sensitivity")
    _legend(figure)
    return figure


def precision_figure(slices: Rows, studies: Rows) -> Figure:
    """Draw each label's precision against recall; a dotted line is the prevalence."""
    figure, all_axes = new_figures(2, 3, 9.0, 6.0)
    for i, (label, axes) in enumerate(zip(LABELS, all_axes, strict=True)):
        for (_, colour), rows in zip(_LEVELS, (slices, studies), strict=True):
            truth, score = rows.targets[:, i], rows.scores[:, i]
            if truth.min() == truth.max():
                continue
            precision, recall, _ = precision_recall_curve(truth, score)
            # scikit-learn ends at precision 1, recall 0, which is no threshold's.
            precision[-1] = precision[-2]
            axes.step(*_thinned(recall, precision), where="post", color=colour)
            axes.axhline(truth.mean(), color=colour, linewidth=0.8, linestyle=":")
        _frame(axes, label, "recall (sensitivity)", "precision")
    _legend(figure)
    return figure


def reliability_figure(slices: Rows) -> Figure:
    """Draw observed shares against probabilities in ten bins, and how many slices are in each."""
    figure, all_axes = new_figures(2, 3, 9.0, 6.0)
    for i, (label, axes) in enumerate(zip(LABELS, all_axes, strict=True)):
        mean, share, count = reliability_bins(slices.targets[:, i], slices.scores[:, i])
        counts = axes.twinx()
        centers = (np.arange(CALIBRATION_BINS) + 0.5) / CALIBRATION_BINS
        counts.bar(centers, count, width=0.09, color="#e3e7ea", zorder=0)
        counts.set_yscale("symlog")
        counts.tick_params(labelsize=7, colors=GREY)
        counts.grid(visible=False)
        counts.spines[:].set_visible(False)
        axes.set_zorder(counts.get_zorder() + 1)
        axes.patch.set_visible(False)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        axes.plot(mean, share, color=BLUE, marker="o", markersize=4)
        _frame(axes, label, "probability", "observed share")
    return figure


def _operating_point(cells: Mapping[str, int]) -> tuple[float, float]:
    negative = cells["false_positive"] + cells["true_negative"]
    positive = cells["true_positive"] + cells["false_negative"]
    return cells["false_positive"] / negative, cells["true_positive"] / positive


def _thinned(
    across: NDArray[np.float64], up: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keep points of a curve at even steps along its length."""
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(up)))])
    steps = np.linspace(0, length[-1], _MOST_POINTS)
    kept = np.unique(np.searchsorted(length, steps).clip(0, len(across) - 1))
    return across[kept], up[kept]


def _frame(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set(xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_title(title, loc="left", fontweight="bold")


def _legend(figure: Figure) -> None:
    """One legend for all labels, above them."""
    handles = [Line2D([], [], color=colour, label=level) for level, colour in _LEVELS]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
