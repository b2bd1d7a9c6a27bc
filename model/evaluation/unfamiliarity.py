"""How far series of each kind lie from what was learnt, and what thresholds do to them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from model.architecture.familiarity import Familiarity, channel_statistics
from model.dicom.eligibility import judge_series
from model.evaluation.metrics import auc
from model.evaluation.unfamiliar_examples import ExampleSeries
from model.slice_batches import input_batches
from model.unfamiliar import Examples

if TYPE_CHECKING:
    from model.network import HemorrhageNetwork

Slice = NDArray[np.int16]

_BATCH: Final = 8

BLEEDING: Final = "head of a test patient, bleeding"
NOT_BLEEDING: Final = "head of a test patient, not bleeding"
ELSEWHERE: Final = "head from elsewhere"
FAMILIAR: Final = (BLEEDING, NOT_BLEEDING, ELSEWHERE)
"""Kinds that should be taken for familiar."""


@dataclass(frozen=True)
class Scored:
    """An example's unfamiliarity, and whether it would be refused before any network sees it."""

    kind: str
    unfamiliarity: float
    refused_before: bool


def slice_statistics(network: "HemorrhageNetwork", hu: Sequence[Slice]) -> NDArray[np.float32]:
    """The statistics float32[S, 2 C] of a series' slices that `Familiarity` compares.

    Parameters
    ----------
    network
        In evaluation mode.
    hu
        S >= 1 slices int16[H, W], upward; their shapes may differ.

    Raises
    ------
    TrainingError
        The network has no features of a 16th of the input's side.
    """
    device = next(network.parameters()).device
    found = []
    with torch.inference_mode():
        for batch in input_batches(hu, network.slices_per_input, _BATCH):
            network_input = network.preprocess(torch.from_numpy(batch).to(device))
            _, _, sixteenth, _ = network.encoder.pyramid(network_input)
            found.append(channel_statistics(sixteenth).cpu().numpy())
    return np.concatenate(found)


def series_unfamiliarity(
    network: "HemorrhageNetwork", familiarity: Familiarity, hu: Sequence[Slice]
) -> float:
    """Score a series as service does: the median of its slices' distances.

    Parameters
    ----------
    network, hu
        As of `slice_statistics`.
    familiarity
        Fitted to this network, on the CPU.
    """
    statistics = torch.from_numpy(slice_statistics(network, hu))
    return float(np.median(familiarity.distance(statistics).numpy()))


def score(
    network: "HemorrhageNetwork", familiarity: Familiarity, examples: Iterable[ExampleSeries]
) -> Iterator[Scored]:
    """Score examples, and judge them by their pixels."""
    for one in examples:
        judged = judge_series(one.hu, [one.spacing_mm] * len(one.hu))
        found = series_unfamiliarity(network, familiarity, one.hu)
        yield Scored(one.kind, found, not judged.eligible)


def unfamiliarity_of_heads(scored: Iterable[Scored]) -> list[float]:
    """The unfamiliarity of the heads of test patients among examples."""
    return [one.unfamiliarity for one in scored if one.kind in (BLEEDING, NOT_BLEEDING)]


def measure_examples(
    scored: Sequence[Scored], warn_from: Sequence[float], refused_times: float
) -> list[dict[str, Any]]:
    """Measure each kind, as a card has it (`model.unfamiliar.Examples`).

    Parameters
    ----------
    scored
        Test patients' heads among them: AUC is of telling a kind from these.
    warn_from
        Of each, the unfamiliarity from which on it is warned of.
    refused_times
        What makes of this the one from which on it is refused.
    """
    own = np.array(unfamiliarity_of_heads(scored))
    kinds: Mapping[str, list[tuple[Scored, float]]] = {one.kind: [] for one in scored}
    for one, limit in zip(scored, warn_from, strict=True):
        kinds[one.kind].append((one, limit))
    return [asdict(_measured(kind, some, own, refused_times)) for kind, some in kinds.items()]


def _measured(
    kind: str, some: Sequence[tuple[Scored, float]], own: NDArray[np.float64], refused_times: float
) -> Examples:
    found = np.array([one.unfamiliarity for one, _ in some])
    limits = np.array([limit for _, limit in some])
    targets = np.repeat([0, 1], [len(own), len(found)])
    familiar = kind in FAMILIAR
    return Examples(
        kind=kind,
        familiar=familiar,
        series=len(some),
        median=round(float(np.median(found)), 4),
        auc=None if familiar else round(auc(targets, np.concatenate([own, found])), 4),
        warned=round(float(np.mean(found >= limits)), 4),
        refused=round(float(np.mean(found >= refused_times * limits)), 4),
        refused_before=round(float(np.mean([one.refused_before for one, _ in some])), 4),
    )
