"""How large simulated bleeding must be to be found, and what is taken for bleeding."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from model.data.augment import network_input
from model.data.batches import read_batches
from model.data.cached import CachedSet
from model.data.cells import COVERED, SIDE
from model.data.simulated_bank import Bank, read_bank_table
from model.evaluation.bootstrap import MEAN, Counts, Rows, draw_counts, estimate
from model.evaluation.localisation import crop_millimetres
from model.finding import calibrated
from model.labels import SUBTYPES

if TYPE_CHECKING:
    from model.network import HemorrhageNetwork

SIZES_MM2: Final = (0.0, 50.0, 150.0, 500.0, math.inf)
"""Limits of the classes by visible blood in a slice: discs 8, 14 and 25 mm across.

An area, not a volume: each slice is judged by what it shows itself.
"""
UNTOUCHED: Final = "nothing put in"
LOOK_ALIKES: Final = "look-alikes put in"
BLEEDING_BESIDE: Final = "bleeding put in that the slice does not show"
ALL: Final = "all"

_BATCH: Final = 64


@dataclass(frozen=True)
class Judged:
    """What was said of S simulated slices, each judged alone.

    Parameters
    ----------
    patients
        str[S], whose slice it was.
    areas_mm2
        float64[S, 5], visible blood in `SUBTYPES` order.
    kinds
        str[S], what was put into a head whose slice shows no blood; empty where it does.
    probabilities
        float64[S], of any hemorrhage.
    """

    patients: NDArray[np.str_]
    areas_mm2: NDArray[np.float64]
    kinds: NDArray[np.str_]
    probabilities: NDArray[np.float64]


def judge_alone(
    network: "HemorrhageNetwork",
    temperature: Mapping[str, float],
    bank: Bank,
    cached: CachedSet,
) -> Judged:
    """Show a network the slices of a bank, one by one.

    Parameters
    ----------
    network
        In evaluation mode, on its device, with the series head that it is served with: for a slice
        alone there are no neighbours to average with.
    temperature
        Of the calibration.
    bank
        Slices of patients from whom `network` did not learn.
    cached
        The cache that lent them.
    """
    hosts = read_bank_table(bank.folder).iloc[bank.rows]
    mm = crop_millimetres(cached, set(hosts["patient"]))
    side_mm = np.array([mm[row][0] for row in hosts["host_row"]])
    shares = bank.cells[bank.rows].sum(axis=(2, 3), dtype=np.int64) / COVERED / SIDE**2
    logits = _logits(network, bank)
    kinds = [
        "" if bleeds else _without_blood(drawn)
        for bleeds, drawn in zip(bank.targets[:, 0], hosts["drawn"], strict=True)
    ]
    return Judged(
        hosts["patient"].to_numpy(np.str_),
        shares * side_mm[:, None] ** 2,
        np.array(kinds, np.str_),
        calibrated(logits, temperature)[:, 0].astype(np.float64),
    )


@torch.inference_mode()
def _logits(network: "HemorrhageNetwork", bank: Bank) -> NDArray[np.float32]:
    """Logits float32[S, 6], as of S series of one slice."""
    device = network.head.weight.device
    batches = [np.arange(i, min(i + _BATCH, len(bank))) for i in range(0, len(bank), _BATCH)]
    alone = torch.zeros(1, device=device)
    found = []
    for batch in read_batches(bank, batches, device):
        inputs = network_input(batch.hu, batch.placement, network.spec.input_size)
        embeddings = network.pooling(network.encoder(inputs))
        pairs = zip(embeddings[:, None], network.head(embeddings)[:, None], strict=True)
        found += [network.combine(embedding, logits, alone) for embedding, logits in pairs]
    return torch.cat(found).cpu().numpy()


def _without_blood(drawn: str) -> str:
    """Kind of a slice that shows no blood, by what was put into its head."""
    if not drawn:
        return UNTOUCHED
    bleeding = any(one.split(",")[0] in SUBTYPES for one in drawn.split("; "))
    return BLEEDING_BESIDE if bleeding else LOOK_ALIKES


def measure_sensitivity(
    parts: Sequence[Judged], thresholds: Mapping[str, float], draws: int
) -> dict[str, Any]:
    """All figures with their intervals, as `model.detected.SensitivityBySize` has them.

    Parameters
    ----------
    parts
        Of different patients.
    thresholds
        Of any hemorrhage, by `screen` and `alert`.
    draws
        Resamples of patients.
    """
    names, areas, kinds, probabilities = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("patients", "areas_mm2", "kinds", "probabilities")
    )
    owners = np.unique(names, return_inverse=True)[1].astype(np.int64)
    counts = draw_counts(int(owners.max()) + 1, draws)
    total, bleeds = areas.sum(axis=1), kinds == ""

    def found_in(these: NDArray[np.bool_]) -> dict[str, Any]:
        return _found(probabilities[these], owners[these], thresholds, counts)

    def by_size(these: NDArray[np.bool_]) -> list[dict[str, Any]]:
        classes = []
        for above, to in pairwise(SIZES_MM2):
            of_class = these & (total > above) & (total <= to)
            if of_class.any():
                limits = {"above_mm2": above, "to_mm2": None if math.isinf(to) else to}
                classes.append(limits | found_in(of_class))
        return classes

    alone = (areas > 0).sum(axis=1) == 1
    of_subtypes = {
        subtype: by_size(bleeds & alone & (areas[:, i] > 0)) for i, subtype in enumerate(SUBTYPES)
    }
    return {
        "patients": len(counts[0]),
        "slices": len(owners),
        "by_size": {"any": by_size(bleeds)} | {k: v for k, v in of_subtypes.items() if v},
        "without_blood": [
            {"kind": kind} | found_in(these)
            for kind, these in (
                (ALL, ~bleeds),
                *((kind, kinds == kind) for kind in (UNTOUCHED, LOOK_ALIKES, BLEEDING_BESIDE)),
            )
            if these.any()
        ],
    }


def _found(
    probabilities: NDArray[np.float64],
    owners: NDArray[np.int64],
    thresholds: Mapping[str, float],
    counts: Counts,
) -> dict[str, Any]:
    """How many slices there are, and the share of them that reaches each threshold."""
    every = np.ones(len(owners), np.int64)
    return {"slices": len(owners), "patients": len(np.unique(owners))} | {
        point: estimate(
            MEAN, Rows(every, (probabilities >= threshold).astype(float), owners), counts
        )
        for point, threshold in thresholds.items()
    }
