"""What an experiment found: figures over all patients that some rotation held out, and its line."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from model.evaluation.bootstrap import AUC, WEIGHTED_LOG_LOSS, Counts, Rows, draw_counts, estimate
from model.evaluation.metrics import highest_of_groups
from model.labels import LABELS, SUBTYPES

LOGITS: Final = tuple(f"logit_{label}" for label in LABELS)
COLUMNS: Final = ("name", "patient", "study", *LABELS, *LOGITS)
"""Of a table of judged slices."""


def figures_of(judged: pd.DataFrame, draws: int) -> dict[str, Any]:
    """Measure judged slices, with intervals over patients.

    Parameters
    ----------
    judged
        `COLUMNS`; logits are calibrated.
    draws
        Resamples.

    Returns
    -------
    `auc` of any and of each subtype, `auc_subtypes` (their mean), `auc_study`,
    `weighted_log_loss`, each with `value`, `interval` and `reason`; `patients` and `slices`.
    """
    slices, studies = slice_rows(judged), study_rows(judged)
    counts = draw_counts(int(slices.owners.max()) + 1, draws)
    of_label = {label: estimate(AUC, slices.label(i), counts) for i, label in enumerate(LABELS)}
    known = [of_label[name]["value"] for name in SUBTYPES if of_label[name]["value"] is not None]
    return {
        "patients": int(slices.owners.max()) + 1,
        "slices": len(judged),
        "auc": of_label,
        "auc_subtypes": float(np.mean(known)) if known else None,
        "auc_study": estimate(AUC, studies.label(0), counts),
        "weighted_log_loss": estimate(WEIGHTED_LOG_LOSS, slices, counts),
    }


def slice_rows(judged: pd.DataFrame) -> Rows:
    """Slices with their probabilities."""
    targets = judged[list(LABELS)].to_numpy(np.int64)
    probabilities = expit(judged[list(LOGITS)].to_numpy(np.float64))
    return Rows(targets, probabilities, pd.factorize(judged["patient"])[0])


def study_rows(judged: pd.DataFrame) -> Rows:
    """Studies: each scores, and is positive, as its highest slice."""
    slices, studies = slice_rows(judged), pd.factorize(judged["study"])[0]
    return Rows(*(highest_of_groups(part, studies) for part in vars(slices).values()))


def gain(first: pd.DataFrame, second: pd.DataFrame, draws: int) -> dict[str, Any] | None:
    """By how much the second's AUC of any is greater, on the slices that both judged.

    Returns
    -------
    `value` and `interval` over patients, paired; None where they share no positive slice.
    """
    both = first.merge(second[["name", LOGITS[0]]], on="name", suffixes=("", "_second"))
    targets, owners = both["any"].to_numpy(), pd.factorize(both["patient"])[0]
    if not len(both) or targets.min() == targets.max():
        return None
    counts = draw_counts(int(owners.max()) + 1, draws)
    one, other = (
        Rows(targets, both[name].to_numpy(), owners) for name in (LOGITS[0], f"{LOGITS[0]}_second")
    )
    value = AUC.value(targets, other.scores) - AUC.value(targets, one.scores)
    return {"value": value, "interval": _interval(one, other, counts)}


def _interval(one: Rows, other: Rows, counts: Counts) -> list[float]:
    differences: NDArray[np.float64] = AUC.resampled(other, counts) - AUC.resampled(one, counts)
    return [float(edge) for edge in np.nanpercentile(differences, [2.5, 97.5])]


# -------------------------------------------------------------------------------------- table

FIGURE_HEAD: Final = (
    "experiment",
    "patients",
    "AUC any",
    "AUC of epidural, intraparenchymal, intraventricular, subarachnoid, subdural",
    "weighted log loss",
    "AUC study",
    "gain in AUC any",
    "shifted: worst AUC any",
    "simulated: AUC any",
    "ge-head: mean P(any)",
    "min",
)
RECIPE_HEAD: Final = ("experiment", "question", "options of `model.train`", "code")


def line_of(name: str, result: Mapping[str, Any]) -> list[str]:
    """An experiment's line of the table."""
    found = result["figures"]
    by_label = " / ".join(_number(found["auc"][subtype]["value"], 2) for subtype in SUBTYPES)
    return [
        name,
        str(found["patients"]),
        _with_interval(found["auc"]["any"]),
        by_label,
        _with_interval(found["weighted_log_loss"]),
        _with_interval(found["auc_study"]),
        _gained(result.get("gain"), result.get("against", "")),
        _number(min(result["shifted"].values(), default=None), 3),
        _number(result.get("simulated"), 3),
        _number(result.get("negative"), 3),
        f"{result['minutes']:.0f}",
    ]


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table as Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _gained(found: Mapping[str, Any] | None, against: str) -> str:
    if not found:
        return "–"
    low, high = found["interval"]
    return f"{found['value']:+.3f} ({low:+.3f} to {high:+.3f}) on {against}"


def _with_interval(figure: Mapping[str, Any]) -> str:
    interval = figure["interval"]
    shown = f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else ""
    return _number(figure["value"], 3) + shown


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
