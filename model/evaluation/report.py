"""The report of an evaluation: figures with intervals, curves, worst errors, other runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.data.cached import CachedSet
from model.evaluation.comparison_sections import add_comparisons, add_series_head
from model.evaluation.curves import precision_figure, reliability_figure, roc_figure
from model.evaluation.figure_cells import estimate_cell
from model.evaluation.measurement import POINTS, EvaluatedRun
from model.evaluation.worst_errors import add_worst_errors
from model.labels import LABELS
from model.measured import FIGURE_NAMES
from model.report import Page

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
    add_series_head(page, evaluation)
    add_comparisons(page, run.name, evaluation)
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
        f"Weighted log loss {estimate_cell(metrics['weighted_log_loss'])} on the test patients. "
        f"Always predicting the prevalence of the training slices scores "
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
    for level in ("per_slice", "per_study"):
        page.table(
            ["label", *FIGURE_NAMES.values()],
            [
                [label, *(estimate_cell(metrics[level][label][name]) for name in FIGURE_NAMES)]
                for label in LABELS
            ],
            caption=level.capitalize().replace("_", " "),
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
                *(estimate_cell(chosen[kind]) for kind in kinds),
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


def _reasons(metrics: Mapping[str, Any]) -> list[str]:
    """Say for which labels there are no intervals, and why."""
    labels_of: dict[str, list[str]] = {}
    for label in LABELS:
        figures = [*metrics["per_slice"][label].values(), *metrics["per_study"][label].values()]
        for reason in sorted({figure["reason"] for figure in figures if figure["reason"]}):
            labels_of.setdefault(reason, []).append(label)
    return [f"No interval for {', '.join(them)}: {why}." for why, them in labels_of.items()]
