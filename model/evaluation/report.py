"""The report of an evaluation: figures with intervals, curves, worst errors, other runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.data.cached import CachedSet
from model.evaluation.bootstrap import OF_LABEL
from model.evaluation.curves import precision_figure, reliability_figure, roc_figure
from model.evaluation.measurement import POINTS, EvaluatedRun
from model.evaluation.worst_errors import add_worst_errors
from model.labels import LABELS
from model.report import Page

_NAMES: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "calibration error",
}
_PARTS: Final = {
    "train": "weights",
    "tune": "checkpoint, series head",
    "calibrate": "temperatures, thresholds",
    "test": "this report",
}


def evaluation_page(
    run: EvaluatedRun, evaluation: Mapping[str, Any], sets: Sequence[CachedSet]
) -> Page:
    """Make the report.

    Parameters
    ----------
    run
        With the predictions of the test patients.
    evaluation
        What `evaluation.json` will hold.
    sets
        The caches, for the pictures of the worst errors.
    """
    slices = run.predictions.slice_rows(run.probabilities)
    studies = run.predictions.study_rows(run.probabilities)
    page = Page(f"Evaluation of {run.name}", _subtitle(evaluation))
    _summary(page, evaluation)
    _figures(page, evaluation)
    page.section("ROC", "Circles mark the screen threshold, squares the alert threshold.")
    page.figure(
        roc_figure(slices, studies, evaluation),
        "Sensitivity against 1 - specificity of each label, per slice and per study",
    )
    page.section("Precision and recall", "The dotted lines are the shares of positives.")
    page.figure(
        precision_figure(slices, studies),
        "Precision against recall of each label, per slice and per study",
    )
    page.section(
        "Reliability",
        "Where the line lies on the dotted one, 30 of 100 slices with probability 0.3 are "
        "positive. Bars count the slices of each bin (scale on the right, logarithmic).",
    )
    page.figure(reliability_figure(slices), "Observed share against probability, of each label")
    _thresholds(page, evaluation)
    _series_head(page, evaluation)
    _comparisons(page, run.name, evaluation)
    add_worst_errors(page, run, sets)
    return page


# ---------------------------------------------------------------------------------------- sections


def _subtitle(evaluation: Mapping[str, Any]) -> str:
    return (
        f"{evaluation['checkpoint']} checkpoint, epoch {evaluation['epoch']}, step "
        f"{evaluation['step']:,}; weights {evaluation['weights'][:12]}; "
        f"{evaluation['evaluations'][-1]['at'].replace('T', ' ').replace('+00:00', ' UTC')}"
    )


def _summary(page: Page, evaluation: Mapping[str, Any]) -> None:
    metrics = evaluation["metrics"]
    page.section(
        "Summary",
        f"Weighted log loss {_estimate(metrics['weighted_log_loss'])} on the test patients. Always "
        f"predicting the prevalence of the training slices scores "
        f"{metrics['prevalence_only_log_loss']:.4f}: that is the yardstick that a model must beat."
        f"\n\n{_uses(evaluation['evaluations'])}"
        "\n\nBrackets hold 95 % intervals, from "
        f"{evaluation['draws']:,} resamples of the test patients: slices of one patient are not "
        "independent. A study scores as its highest slice.",
    )
    page.table(
        ["part", "used for", "patients", "slices", *(f"{label}*" for label in LABELS)],
        [
            [
                part,
                _PARTS.get(part, ""),
                facts["patients"],
                facts["slices"],
                *(
                    f"{facts['patients_with'][label]:,}\N{NO-BREAK SPACE}/\N{NO-BREAK SPACE}"
                    f"{facts['slices_with'][label]:,}"
                    for label in LABELS
                ),
            ]
            for part, facts in evaluation["parts"].items()
        ],
        caption="Patients of the parts (* patients / slices with the label)",
    )


def _uses(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """Say how often the test patients were looked at: choosing by them makes figures too good."""
    same = sum(one["weights"] == evaluations[-1]["weights"] for one in evaluations)
    if len(evaluations) == 1:
        return "The test patients were used for the first time in this run's folder."
    return (
        f"The test patients have been used {len(evaluations)} times in this run's folder, "
        f"{same} of them with these weights. Whatever was chosen by an earlier look makes these "
        "figures too good."
    )


def _figures(page: Page, evaluation: Mapping[str, Any]) -> None:
    metrics = evaluation["metrics"]
    page.section("Figures")
    page.table(
        ["label", *_NAMES.values()],
        [
            [label, *(_estimate(metrics["per_slice"][label][name]) for name in OF_LABEL)]
            for label in LABELS
        ],
        caption="Per slice",
    )
    page.table(
        ["label", "AUC"],
        [[label, _estimate(metrics["study"][f"auc_{label}"])] for label in LABELS],
        caption="Per study",
    )
    page.notes(_reasons(metrics))


def _thresholds(page: Page, evaluation: Mapping[str, Any]) -> None:
    page.section(
        "Thresholds",
        "Chosen on the calibration patients' studies. From the alert threshold on a finding is "
        "flagged, below the screen threshold it is not flagged, between them it is indeterminate.",
    )
    kinds = ("sensitivity", "specificity", "study_sensitivity", "study_specificity")
    page.table(
        ["label", "point", "threshold", *(name.replace("_", " ") for name in kinds)],
        [
            [
                label,
                point,
                f"{chosen['threshold']:.4f}",
                *(_estimate(chosen[kind]) for kind in kinds),
            ]
            for label, points in evaluation["thresholds"].items()
            for point, chosen in points.items()
        ],
        caption="Sensitivity and specificity, per slice and per study",
    )
    page.table(
        [
            "label",
            "point",
            *(f"{level}: {cell}" for level in ("slices", "studies") for cell in _CELLS),
        ],
        [
            [
                label,
                point,
                *(
                    evaluation["confusion"][label][point][level][cell]
                    for level in ("slices", "studies")
                    for cell in _CELLS.values()
                ),
            ]
            for label in LABELS
            for point in POINTS
        ],
        caption="Confusion: found (TP), missed (FN), wrongly named (FP), rightly left (TN)",
    )


_CELLS: Final = {
    "TP": "true_positive",
    "FN": "false_negative",
    "FP": "false_positive",
    "TN": "true_negative",
}


def _series_head(page: Page, evaluation: Mapping[str, Any]) -> None:
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
            _estimate(alone["weighted_log_loss"]),
            _estimate(metrics["weighted_log_loss"]),
            _signed(change["weighted_log_loss"]),
        ]
    ]
    rows += [
        [
            f"{_NAMES[name]}, {label}",
            _estimate(alone["per_slice"][label][name]),
            _estimate(metrics["per_slice"][label][name]),
            _signed(change["per_slice"][label][name]),
        ]
        for name in ("log_loss", "auc")
        for label in LABELS
    ]
    page.table(["figure", "slices alone", "with the head", "difference"], rows)


def _comparisons(page: Page, name: str, evaluation: Mapping[str, Any]) -> None:
    compared = evaluation["compared"]
    if not compared:
        return
    page.section(
        "Other runs on the same patients",
        f"Each difference is the other run's figure less that of {name}, measured in the same "
        "resamples of the same patients. An interval that holds 0 shows no difference.",
    )
    losses = [[name, _estimate(evaluation["metrics"]["weighted_log_loss"]), None]]
    losses += [
        [
            other["run"],
            _estimate(other["weighted_log_loss"]),
            _signed(other["difference"]["weighted_log_loss"]),
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
                        _signed(per_slice[label][figure])
                        for figure in ("log_loss", "auc", "average_precision")
                    ),
                    _signed(study[f"auc_{label}"]),
                ]
                for label in LABELS
            ],
            caption=f"{other['run']} less {name}",
        )


# ------------------------------------------------------------------------------------------- cells


def _estimate(figure: Mapping[str, Any]) -> str | None:
    return _with_interval(figure, ".3f")


def _signed(figure: Mapping[str, Any]) -> str | None:
    return _with_interval(figure, "+.4f")


def _with_interval(figure: Mapping[str, Any], form: str) -> str | None:
    if figure["value"] is None:
        return None
    value = format(figure["value"], form)
    if not figure["interval"]:
        return value
    low, high = (format(end, form) for end in figure["interval"])
    return f"{value} [{low}, {high}]"


def _reasons(metrics: Mapping[str, Any]) -> list[str]:
    """Say for which labels there are no intervals, and why."""
    labels_of: dict[str, list[str]] = {}
    for label in LABELS:
        figures = [*metrics["per_slice"][label].values(), metrics["study"][f"auc_{label}"]]
        for reason in sorted({figure["reason"] for figure in figures if figure["reason"]}):
            labels_of.setdefault(reason, []).append(label)
    return [f"No interval for {', '.join(them)}: {why}." for why, them in labels_of.items()]
