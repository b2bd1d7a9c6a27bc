"""The table of a benchmark, as CSV, as Markdown and as a page, beside what others published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from model.evaluation.cost import CONVENTION
from model.report.drawing import BLUE, ORANGE, Drawing, new_figure
from model.report.page import Page
from model.system.files import write_atomically

NOT_COMPARABLE: Final = (
    "The published numbers were measured on another set of patients than ours, with another budget "
    "and mostly with pre-trained weights: they show the order of magnitude and are not comparable "
    "with the measured ones."
)

PROPOSAL: Final = "project proposal of 2019-10-30, from the competition so far"
COMPETITION: Final = "RSNA 2019 competition"
PUBLISHED_FOR: Final = {
    "resnext101_32x16d": (256, 0.086),
    "efficientnet_b0": (256, 0.077),
    "efficientnet_b1": (224, 0.073),
    "vgg19": (224, 0.073),
    "resnet50": (256, 0.089),
    "inception_v3": (224, 0.079),
}
"""Input size in pixels and weighted log loss in the proposal's table."""

PUBLISHED_SYSTEMS: Final = (
    (
        "the proposal's author, final ResNet50 at 224 pixels",
        0.07895,
        f"{COMPETITION}, private score",
    ),
    ("16th place, 2D alone", 0.05425, COMPETITION),
    ("16th place, with a small convolution over slices", 0.04793, COMPETITION),
    ("2nd place, one ResNeXt101-32x8d with an LSTM over slices", 0.04607, COMPETITION),
    ("1st place, ensemble", 0.04383, COMPETITION),
    ("always the prevalence", 0.232, "of the RSNA 2019 set"),
)

_FIGURES: Final = ("weighted_log_loss", "auc_any", "auc_macro")
_HEAD: Final = (
    "network",
    "pixels",
    "weighted log loss",
    "AUC any",
    "AUC macro",
    "published log loss",
    "slices trained",
    "minutes",
    "GFLOP a slice",
    "million weights",
    "ms a slice on CPU",
    "MB resident",
)


def write_tables(
    folder: Path, results: Sequence[Mapping[str, Any]], failures: Mapping[str, str], budget: str
) -> None:
    """Write `table.csv`, `table.md` and `report.html`.

    Parameters
    ----------
    folder
        Where to.
    results
        Of `model.benchmark`, one a network.
    failures
        Network to the reason why it is not among them.
    budget
        What each network was given, in words.
    """
    rows = [[str(cell) for cell in row_of(result)] for result in results]
    write_atomically(folder / "table.csv", csv_of(results).encode())
    write_atomically(folder / "table.md", markdown_of(rows, results, failures, budget).encode())
    page = page_of(rows, results, failures, budget)
    write_atomically(folder / "report.html", page.html().encode())


def row_of(result: Mapping[str, Any]) -> list[object]:
    """A line of the table, as it is read."""
    size, published = PUBLISHED_FOR.get(result["architecture"], (0, 0.0))
    return [
        result["architecture"],
        result["size"],
        *(_with_interval(result[name]) for name in _FIGURES),
        f"{published:.3f} at {size}" if published else "–",
        f"{result['asked']['slices']:,}",
        f"{result['training_minutes']:.1f}",
        f"{result['gflop']:.2f}",
        f"{result['parameters_million']:.1f}",
        f"{result['ms_a_slice']:.0f}",
        f"{result['memory_mb']:.0f}",
    ]


def csv_of(results: Sequence[Mapping[str, Any]]) -> str:
    """The table for programs: a column a number, empty where there is none."""
    lines = []
    for result in results:
        line = {"architecture": result["architecture"], "size": result["size"]}
        for name in _FIGURES:
            low, high = result[name]["interval"] or (None, None)
            line |= {name: result[name]["value"], f"{name}_low": low, f"{name}_high": high}
        size, published = PUBLISHED_FOR.get(result["architecture"], (None, None))
        line |= {
            "published_log_loss": published,
            "published_size": size,
            "published_source": PROPOSAL if published else None,
            "slices": result["asked"]["slices"],
        }
        numbers = ("training_minutes", "gflop", "parameters_million", "ms_a_slice", "memory_mb")
        lines.append(line | {name: result[name] for name in numbers})
    return pd.DataFrame(lines).to_csv(index=False, lineterminator="\n")


def sentences(
    results: Sequence[Mapping[str, Any]], failures: Mapping[str, str], budget: str
) -> list[str]:
    """What must be known to read the table."""
    counted = [f"{one['test_slices']:,} slices of {one['test_patients']:,}" for one in results[:1]]
    return [
        f"Each network had {budget}, on the same patients and with the same other options.",
        *(f"Measured on the test part, {count} patients, after calibration." for count in counted),
        "In brackets: 95 % intervals by bootstrap over patients.",
        "AUC macro is the mean of the AUC of the labels that occur.",
        f"GFLOP: thousand million operations; {CONVENTION}.",
        "Milliseconds and memory are of serving on this machine's CPU.",
        NOT_COMPARABLE,
        *(f"{name} is not in the table: {reason}" for name, reason in failures.items()),
    ]


def markdown_of(
    rows: Sequence[Sequence[str]],
    results: Sequence[Mapping[str, Any]],
    failures: Mapping[str, str],
    budget: str,
) -> str:
    """Tables and sentences in Markdown."""
    published = [[name, f"{loss:g}", source] for name, loss, source in _published()]
    return "\n".join(
        [
            "# Benchmark\n",
            *_markdown_table(_HEAD, rows),
            "",
            *(f"- {sentence}" for sentence in sentences(results, failures, budget)),
            "\n## Published\n",
            *_markdown_table(("system", "weighted log loss", "source"), published),
            "",
        ]
    )


def page_of(
    rows: Sequence[Sequence[str]],
    results: Sequence[Mapping[str, Any]],
    failures: Mapping[str, str],
    budget: str,
) -> Page:
    """The same as a page, with a drawing of what accuracy costs."""
    page = Page("Benchmark", f"{len(results)} networks under one budget")
    page.section("Measured").table(_HEAD, rows).notes(sentences(results, failures, budget))
    if results:
        alt = "Weighted log loss of each network over its operations a slice."
        page.figure(cost_drawing(results), alt, "Lower and further left is better.")
    page.section("Published", NOT_COMPARABLE)
    page.table(("system", "weighted log loss", "source"), _published())
    return page


def cost_drawing(results: Sequence[Mapping[str, Any]]) -> Drawing:
    """Log loss with its interval over the cost of each network."""
    figure, axes = new_figure(7, 4)
    for result in results:
        loss, gflop = result["weighted_log_loss"], result["gflop"]
        colour = BLUE if result["architecture"] in PUBLISHED_FOR else ORANGE
        axes.plot(gflop, loss["value"], "o", color=colour)
        if loss["interval"]:
            axes.vlines(gflop, *loss["interval"], color=colour, linewidth=1)
        axes.annotate(
            result["architecture"],
            (gflop, loss["value"]),
            xytext=(5, 4),
            textcoords="offset points",
        )
    axes.set_xscale("log")
    axes.set_xlabel("GFLOP a slice")
    axes.set_ylabel("weighted log loss")
    return figure


def _published() -> list[tuple[str, float, str]]:
    proposal = [
        (f"{name} at {size} pixels", loss, PROPOSAL) for name, (size, loss) in PUBLISHED_FOR.items()
    ]
    return [*proposal, *PUBLISHED_SYSTEMS]


def _with_interval(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "–"
    interval = figure["interval"]
    shown = f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else ""
    return f"{figure['value']:.4f}{shown}"


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(head), ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
