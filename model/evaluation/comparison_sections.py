"""Sections of a report that hold two predictions of the same patients against each other."""

from collections.abc import Mapping
from typing import Any

from model.evaluation.figure_cells import change_cell, estimate_cell
from model.labels import LABELS
from model.measured import FIGURE_NAMES
from model.report import Page


def add_series_head(page: Page, evaluation: Mapping[str, Any]) -> None:
    """Add what the series head changes, of slices and of studies."""
    alone, metrics = evaluation["slices_alone"], evaluation["metrics"]
    change = alone["change_by_series_head"]
    page.section(
        "Slices alone and the series head",
        "Each slice judged alone, with temperatures of its own, and after the head that looks "
        "along the series. Differences with paired intervals, in the same resamples; a log loss "
        "that falls is better. Without a series head the two are the same.",
    )
    rows: list[list[object]] = [
        [
            "weighted log loss",
            estimate_cell(alone["weighted_log_loss"]),
            estimate_cell(metrics["weighted_log_loss"]),
            change_cell(change["weighted_log_loss"]),
        ]
    ]
    rows += [
        [
            f"{FIGURE_NAMES[name]}, {label}",
            estimate_cell(alone["per_slice"][label][name]),
            estimate_cell(metrics["per_slice"][label][name]),
            change_cell(change["per_slice"][label][name]),
        ]
        for name in ("log_loss", "auc")
        for label in LABELS
    ]
    head = ["figure", "slices alone", "with the head", "difference"]
    page.table(head, rows, caption="Per slice")
    studies = metrics["studies_by_slices_alone"]
    if studies is None:
        return
    page.table(
        head,
        [
            [
                f"{FIGURE_NAMES[name]}, {label}",
                estimate_cell(studies["figures"][label][name]),
                estimate_cell(metrics["per_study"][label][name]),
                change_cell(studies["change_by_series_head"][label][name]),
            ]
            for name in FIGURE_NAMES
            for label in LABELS
        ],
        caption="Per study",
    )


def add_comparisons(page: Page, name: str, evaluation: Mapping[str, Any]) -> None:
    """Add the other runs, if there are any, held against the one of this name."""
    compared = evaluation["compared"]
    if not compared:
        return
    page.section(
        "Other runs on the same patients",
        f"Each difference is the other run's figure less that of {name}, measured in the same "
        "resamples of the same patients. An interval that holds 0 shows no difference.",
    )
    losses = [[name, estimate_cell(evaluation["metrics"]["weighted_log_loss"]), None]]
    losses += [
        [
            other["run"],
            estimate_cell(other["weighted_log_loss"]),
            change_cell(other["difference"]["weighted_log_loss"]),
        ]
        for other in compared
    ]
    page.table(["run", "weighted log loss", "difference"], losses)
    for other in compared:
        per_slice, study = other["difference"]["per_slice"], other["difference"]["study"]
        page.table(
            ["label", "log loss", "AUC", "average precision", "AUC per study"],
            [
                [
                    label,
                    *(
                        change_cell(per_slice[label][figure])
                        for figure in ("log_loss", "auc", "average_precision")
                    ),
                    change_cell(study[f"auc_{label}"]),
                ]
                for label in LABELS
            ],
            caption=f"{other['run']} less {name}",
        )
