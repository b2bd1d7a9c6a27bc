"""Fit the head over a series, and decide on patients that it did not see whether it helps."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from model.architecture.series_head import FittedHead, SeriesHead, neighbour_average
from model.evaluation.neighbour_widths import WIDTHS_MM, choose_widths
from model.labels import LABELS, METRIC_WEIGHTS
from model.training.encoded_series import EncodedSeries, deal_patients

BLENDS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEAST_POSITIVE: Final = 3
"""Patients with a label, so that each of three folds can have one."""


@dataclass(frozen=True)
class Fitting:
    """How a series head is fitted; `epochs` are tried in turn, each with its own schedule."""

    epochs: tuple[int, ...] = (3, 6, 12)
    folds: int = 5
    hidden: int = 64
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0


def label_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of each slice and label, float[S, 6]."""
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def average_over_neighbours(
    series: Sequence[EncodedSeries],
) -> tuple[list[float], list[EncodedSeries]]:
    """Choose each label's width (`choose_widths`, a series for a study), and average by it."""
    studies = np.repeat(np.arange(len(series)), [len(one.logits) for one in series])
    targets = torch.cat([one.targets for one in series]).numpy().astype(np.int64)
    logits_of = {
        width: torch.cat([one.logits for one in _averaged(series, [width] * len(LABELS))]).numpy()
        for width in WIDTHS_MM
    }
    widths = choose_widths(logits_of, targets, studies)
    return widths, _averaged(series, widths)


def _averaged(series: Sequence[EncodedSeries], widths_mm: Sequence[float]) -> list[EncodedSeries]:
    widths = torch.tensor(widths_mm)
    return [replace(one, logits=neighbour_average(one.logits, one.z_mm, widths)) for one in series]


def mean_losses(series: Sequence[EncodedSeries]) -> list[float]:
    """The labels' log losses."""
    logits, targets = (
        torch.cat(parts)
        for parts in zip(*((one.logits, one.targets) for one in series), strict=True)
    )
    losses: list[float] = label_losses(logits, targets).mean(dim=0).tolist()
    return losses


def fit_head(
    series: Sequence[EncodedSeries], fitting: Fitting, epochs: int, device: str
) -> SeriesHead:
    """Fit a head from scratch with AdamW, a short warm-up and cosine decay."""
    torch.manual_seed(fitting.seed)
    head = SeriesHead(series[0].embeddings.shape[1], fitting.hidden).to(device).train()
    weights = torch.tensor(METRIC_WEIGHTS, device=device) / sum(METRIC_WEIGHTS)
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=fitting.learning_rate, weight_decay=fitting.weight_decay
    )
    steps = epochs * math.ceil(len(series) / fitting.batch_size)
    warm_up = max(1, steps // 10)
    schedule = LambdaLR(
        optimiser,
        lambda step: min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    generator = torch.Generator().manual_seed(fitting.seed)
    for _ in range(epochs):
        for rows in torch.split(
            torch.randperm(len(series), generator=generator), fitting.batch_size
        ):
            batch = [series[row] for row in rows.tolist()]
            alone = torch.cat([one.logits for one in batch]).to(device)
            targets = torch.cat([one.targets for one in batch]).to(device)
            corrected = alone + head.corrections([one.inputs(device) for one in batch])
            loss = label_losses(corrected, targets).mean(dim=0) @ weights
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    return head.eval()


def corrections_of(head: SeriesHead, series: Sequence[EncodedSeries], device: str) -> list[Tensor]:
    """What the head would add to each series, float32[S, 6]."""
    with torch.inference_mode():
        return [head.corrections([one.inputs(device)]).cpu() for one in series]


def out_of_fold(
    series: Sequence[EncodedSeries], fold_of: NDArray[np.int64], fitting: Fitting, device: str
) -> Iterator[tuple[int, Tensor]]:
    """Yield for each number of epochs the corrections of slices by heads that never saw them.

    Yields
    ------
    Epochs, and float32[all S, 6] in the order of `series`.
    """
    folds = range(int(fold_of.max()) + 1)
    for epochs in fitting.epochs:
        found: dict[int, Tensor] = {}
        for fold in track(folds, f"series head, {epochs} epochs", transient=True):
            inside = np.flatnonzero(fold_of != fold).tolist()
            outside = np.flatnonzero(fold_of == fold).tolist()
            head = fit_head([series[i] for i in inside], fitting, epochs, device)
            corrections = corrections_of(head, [series[i] for i in outside], device)
            found |= dict(zip(outside, corrections, strict=True))
        yield epochs, torch.cat([found[i] for i in range(len(series))])


def choose(
    alone: Tensor,
    targets: Tensor,
    patients: Tensor,
    corrections: Mapping[int, Tensor],
    may_blend: Sequence[bool],
) -> tuple[int, list[float], dict[str, list[float]]]:
    """Choose epochs, and how much of the correction counts for each label.

    A correction counts only where what it gains is more than the standard error of the gain over
    patients: with few patients less than that is chance.

    Parameters
    ----------
    alone, targets
        Logits and truth float32[S, 6].
    patients
        int64[S], from 0.
    corrections
        Epochs to corrections float32[S, 6], out of fold.
    may_blend
        Whether a label has patients enough to be judged; otherwise its logits stay.

    Returns
    -------
    Epochs, six blends, and the labels' log losses `alone` and `with_head`.
    """
    weights = torch.tensor(METRIC_WEIGHTS)
    alone_losses = label_losses(alone, targets)
    count = int(patients.max()) + 1
    tried = []
    for epochs, correction in corrections.items():
        losses = alone_losses.mean(dim=0).repeat(len(BLENDS), 1)
        for i, blend in enumerate(BLENDS[1:], start=1):
            blended = label_losses(alone + blend * correction, targets)
            gains = torch.zeros(count, len(LABELS)).index_add(0, patients, alone_losses - blended)
            counts = gains.sum(dim=0) > gains.std(dim=0) * math.sqrt(count)
            counts &= torch.tensor(may_blend)
            losses[i] = torch.where(counts, blended.mean(dim=0), torch.inf)
        least = losses.min(dim=0)
        chosen = [BLENDS[i] for i in least.indices.tolist()]
        tried.append((float(least.values @ weights), epochs, chosen, least.values.tolist()))
    _, epochs, blends, with_head = min(tried)
    return epochs, blends, {"alone": losses[0].tolist(), "with_head": with_head}


def cross_validate(
    series: Sequence[EncodedSeries],
    folds: int,
    may_blend: Sequence[bool],
    fitting: Fitting,
    device: str,
) -> tuple[int, list[float], dict[str, list[float]]]:
    """Choose, as `choose` does, by heads each of which never saw the patients it corrects."""
    fold_of = deal_patients(series, folds, fitting.seed)
    corrections = dict(out_of_fold(series, fold_of, fitting, device))
    alone = torch.cat([one.logits for one in series])
    targets = torch.cat([one.targets for one in series])
    patients = sorted({one.patient for one in series})
    numbers = {patient: number for number, patient in enumerate(patients)}
    owners = torch.tensor([numbers[one.patient] for one in series for _ in one.logits])
    return choose(alone, targets, owners, corrections, may_blend)


def fit_series_head(
    series: Sequence[EncodedSeries], fitting: Fitting, encoder: str, device: str = "cpu"
) -> FittedHead | str:
    """Fit a head, and decide on patients that it did not see whether it helps.

    Parameters
    ----------
    series
        Of the tune patients.
    fitting
        How.
    encoder
        What identifies the weights of the embeddings.
    device
        Where, as torch names it.

    Returns
    -------
    The head, or a sentence that says why there is none.
    """
    having = [
        {one.patient for one in series if bool(one.targets[:, i].any())} for i in range(len(LABELS))
    ]
    patients = {one.patient for one in series}
    clear = patients - having[0]
    if min(len(having[0]), len(clear)) < _LEAST_POSITIVE:
        return (
            f"No series head: of {len(patients)} tune patients {len(having[0])} have hemorrhage "
            f"and {len(clear)} have none; {_LEAST_POSITIVE} of each are the least to judge it by."
        )
    folds = min(fitting.folds, len(having[0]), len(clear))
    alone = mean_losses(series)
    widths, series = average_over_neighbours(series)
    averaged = mean_losses(series)
    may_blend = [len(those) >= _LEAST_POSITIVE for those in having]
    epochs, blend, losses = cross_validate(series, folds, may_blend, fitting, device)
    figures = {
        "patients": len(patients),
        "role": "tune",
        "patients_with": [len(one) for one in having],
        "series": len(series),
        "slices": sum(len(one.logits) for one in series),
        "folds": folds,
        "epochs": epochs,
        "seed": fitting.seed,
        "widths_mm": widths,
        "offset": [0.0] * len(LABELS),
        "blend": blend,
        "log_loss_alone": alone,
        "log_loss_averaged": averaged,
        "log_loss_with_head": losses["with_head"],
        "weighted_alone": _weighted(alone),
        "weighted_averaged": _weighted(averaged),
        "weighted_with_head": _weighted(losses["with_head"]),
    }
    if not any(blend) and not any(widths):
        return (
            "No series head: on patients that it did not see it made no label better than the "
            f"slices alone (weighted log loss {figures['weighted_alone']:.4f})."
        )
    head = fit_head(series, fitting, epochs, device).cpu()
    head.blend.copy_(torch.tensor(blend))
    head.widths_mm.copy_(torch.tensor(widths))
    return FittedHead(head.state_dict(), head.embedding_size, head.hidden, encoder, figures)


def _weighted(losses: Sequence[float]) -> float:
    return float(np.average(losses, weights=METRIC_WEIGHTS))
