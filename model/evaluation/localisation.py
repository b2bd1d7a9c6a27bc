"""Whether a network's maps show simulated blood where it is, and how much of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.artifact import BLOOD_MAP, CLASS_ACTIVATION_MAP
from model.data.augment import network_input
from model.data.batches import read_batches
from model.data.cached import CachedSet
from model.data.cells import COVERED, cells_in_field
from model.data.field import compose
from model.data.resident import Batch
from model.data.simulate.store import list_store
from model.data.simulated_bank import Bank, read_bank_table
from model.evaluation.bootstrap import MEAN, Counts, Rows, difference, draw_counts, estimate
from model.labels import LABELS

if TYPE_CHECKING:
    from model.network import HemorrhageNetwork

SIZES_ML: Final = (0.0, 1.0, 3.0, 10.0, math.inf)
"""Upper limits of the classes by blood in a slice; the first is of slices without any."""

_BATCH: Final = 64
_LEAST_FOR_LIMITS: Final = 40
"""Slices: with fewer, the outermost fortieth on either side is not even one of them."""
_LEAST_SHARE: Final = 0.01
"""Of a cell that counts as having blood: sampling leaves traces in the cells beside."""


@dataclass(frozen=True)
class Found:
    """What maps said of S slices.

    Parameters
    ----------
    owners
        int64[S], the patient of each slice, 0..P - 1.
    present
        bool[S, 6], whether a slice has blood of a label.
    hits
        Kind of map to bool[S, 6]: its highest place lies in such blood, or a cell beside it.
    dice
        float32[S, 6], of cells that are at least half blood; nan where none is, or without a map.
    true_ml, said_ml
        float64[S], blood of all kinds in a slice; the second nan without a blood map.
    """

    owners: NDArray[np.int64]
    present: NDArray[np.bool_]
    hits: Mapping[str, NDArray[np.bool_]]
    dice: NDArray[np.float32]
    true_ml: NDArray[np.float64]
    said_ml: NDArray[np.float64]


@torch.inference_mode()
def locate(network: "HemorrhageNetwork", bank: Bank, cached: CachedSet) -> Found:
    """Show a network the slices of a bank.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    bank
        Slices of patients whom it never saw.
    cached
        The cache that lent them.
    """
    hosts = read_bank_table(bank.folder).iloc[bank.rows]
    mm = crop_millimetres(cached, set(hosts["patient"]))
    side_mm, thick_mm = np.array([mm[row] for row in hosts["host_row"]]).T
    # From shares of a crop, and of the network's field, to millilitres.
    of_crop = side_mm**2 * thick_mm / 1000
    of_field = of_crop * bank.placement[:, 0, 0].astype(np.float64) ** 2
    batches = [np.arange(i, min(i + _BATCH, len(bank))) for i in range(0, len(bank), _BATCH)]
    device = network.head.weight.device
    parts = [_look(network, batch) for batch in read_batches(bank, batches, device)]
    crop, field = (np.concatenate([part[name] for part in parts]) for name in ("crop", "field"))
    kinds = [kind for kind in (CLASS_ACTIVATION_MAP, BLOOD_MAP) if kind in parts[0]]
    return Found(
        owners=np.unique(hosts["patient"], return_inverse=True)[1].astype(np.int64),
        present=bank.targets.astype(bool),
        hits={kind: np.concatenate([part[kind] for part in parts]) for kind in kinds},
        dice=np.concatenate([part["dice"] for part in parts]),
        true_ml=crop * of_crop,
        said_ml=field * of_field,
    )


def join_found(parts: Sequence[Found]) -> Found:
    """What maps of several networks said of slices of different patients, as one."""
    patients = [int(part.owners.max()) + 1 for part in parts]
    owners = [
        part.owners + before
        for part, before in zip(parts, np.cumsum([0, *patients[:-1]]), strict=True)
    ]
    return Found(
        owners=np.concatenate(owners),
        present=np.concatenate([part.present for part in parts]),
        hits={kind: np.concatenate([part.hits[kind] for part in parts]) for kind in parts[0].hits},
        dice=np.concatenate([part.dice for part in parts]),
        true_ml=np.concatenate([part.true_ml for part in parts]),
        said_ml=np.concatenate([part.said_ml for part in parts]),
    )


def crop_millimetres(cached: CachedSet, patients: set[str]) -> dict[int, tuple[float, float]]:
    """Cached row to side of its crop and thickness, as the simulator takes them, in mm."""
    return {
        int(row): (cached.size * grid.pixel_mm, series.thickness_mm)
        for series in list_store(cached, patients)
        for row, grid in zip(series.rows, series.anatomy.grids, strict=True)
    }


def _look(network: "HemorrhageNetwork", batch: Batch) -> dict[str, NDArray[Any]]:
    """Hits of each kind of map, Dice, and shares of crop and field that are blood."""
    size = network.spec.input_size
    inputs = network_input(batch.hu, batch.placement, size)
    maps = heat_maps(network, inputs)
    same = torch.eye(2, 3, device=inputs.device).expand(len(inputs), 2, 3)
    side = maps[BLOOD_MAP].shape[-1] if BLOOD_MAP in maps else math.ceil(size / 8)
    blood = cells_in_field(batch.cells, compose(same, batch.placement)[:, 0], side)
    seen: dict[str, Tensor] = {kind: pointing_hits(heat, blood) for kind, heat in maps.items()}
    said = maps[BLOOD_MAP].sigmoid() if BLOOD_MAP in maps else torch.full_like(blood, math.nan)
    seen["dice"] = cell_dice(said, blood)
    seen["field"] = said[:, 0].mean(dim=(1, 2)).double()
    seen["crop"] = batch.cells.double().sum(dim=1).mean(dim=(1, 2)) / COVERED
    return {name: value.cpu().numpy() for name, value in seen.items()}


def heat_maps(network: "HemorrhageNetwork", network_input: Tensor) -> dict[str, Tensor]:
    """Each kind of map that the network has, float32[B, 6, h, w], of input float32[B, 3 C, N, N].

    The blood map is in log-odds.
    """
    if network.blood_map is None:
        return {CLASS_ACTIVATION_MAP: network.activation(network.encoder(network_input))}
    features, *finer = network.encoder.pyramid(network_input)
    return {
        CLASS_ACTIVATION_MAP: network.activation(features),
        BLOOD_MAP: network.blood_map(*finer),
    }


def pointing_hits(heat: Tensor, blood: Tensor) -> Tensor:
    """The pointing game (Zhang et al. 2018, arXiv 1608.00507): is the highest place in blood?

    Parameters
    ----------
    heat
        float32[B, 6, h, w]; a coarse map is brought to the cells' size first, as for the reader.
    blood
        float32[B, 6, N, N], shares of cells, 0..1.

    Returns
    -------
    bool[B, 6]; a cell beside blood counts as well.
    """
    finer = functional.interpolate(heat, blood.shape[2:], mode="bilinear")
    highest = finer.flatten(2).argmax(dim=2, keepdim=True)
    near = functional.max_pool2d(blood, 3, stride=1, padding=1) > _LEAST_SHARE
    return near.flatten(2).gather(2, highest)[:, :, 0]


def cell_dice(said: Tensor, blood: Tensor) -> Tensor:
    """Dice coefficient of cells that are at least half blood.

    Parameters
    ----------
    said, blood
        float32[B, 6, N, N], shares of cells, 0..1; `said` nan where nothing was said.

    Returns
    -------
    float32[B, 6]; nan where no cell is, or nothing was said.
    """
    here, there = (said >= 0.5).flatten(2), (blood >= 0.5).flatten(2)
    dice = 2 * (here & there).sum(dim=2) / (here.sum(dim=2) + there.sum(dim=2))
    unknown = ~there.any(dim=2) | said.flatten(2).isnan().any(dim=2)
    return dice.masked_fill(unknown, math.nan)


def measure_localisation(found: Found, draws: int) -> dict[str, Any]:
    """All figures with their intervals, as `model.measured.Localisation` has them.

    Parameters
    ----------
    draws
        Resamples of patients.
    """
    patients = int(found.owners.max()) + 1
    counts = draw_counts(patients, draws)
    return {
        "patients": patients,
        "slices": len(found.owners),
        "labels": {label: _of_label(found, i, counts) for i, label in enumerate(LABELS)},
        "volumes": _volumes(found, counts) if BLOOD_MAP in found.hits else [],
    }


def _rows(values: NDArray[Any], owners: NDArray[np.int64], of: NDArray[np.bool_]) -> Rows:
    """The chosen rows; each counts."""
    return Rows(np.ones(int(of.sum()), np.int64), values[of].astype(np.float64), owners[of])


def _of_label(found: Found, column: int, counts: Counts) -> dict[str, Any]:
    present = found.present[:, column]
    activation, *blood = (
        _rows(hits[:, column], found.owners, present) for hits in found.hits.values()
    )
    result: dict[str, Any] = {"slices": int(present.sum())}
    result["class_activation_map"] = estimate(MEAN, activation, counts)
    result |= dict.fromkeys(("blood_map", "gain", "dice"))
    dice = found.dice[:, column]
    known = ~np.isnan(dice)
    result["slices_with_dice"] = int(known.sum())
    if blood:
        result["blood_map"] = estimate(MEAN, blood[0], counts)
        result["gain"] = difference(MEAN, activation, blood[0], counts)
        result["dice"] = estimate(MEAN, _rows(dice, found.owners, known), counts)
    return result


def _volumes(found: Found, counts: Counts) -> list[dict[str, Any]]:
    """Error of a slice's volume by its true size, and of all that bleed; none of empty classes."""
    error, result = found.said_ml - found.true_ml, []
    for above, to in (*pairwise((-1.0, *SIZES_ML)), (0.0, math.inf)):
        these = (found.true_ml > above) & (found.true_ml <= to)
        if not these.any():
            continue
        result.append(
            {
                "above_ml": max(above, 0.0),
                "to_ml": None if math.isinf(to) else to,
                "slices": int(these.sum()),
                "true_ml": round(float(found.true_ml[these].mean()), 4),
                "absolute_error_ml": estimate(
                    MEAN, _rows(np.abs(error), found.owners, these), counts
                ),
                "bias_ml": estimate(MEAN, _rows(error, found.owners, these), counts),
                "limits_ml": _limits(error[these]),
            }
        )
    return result


def _limits(error: NDArray[np.float64]) -> list[float] | None:
    """Limits of agreement (Bland and Altman 1999, DOI 10.1177/096228029900800204).

    By percentiles, since errors of small amounts are far from normal.
    """
    if len(error) < _LEAST_FOR_LIMITS:
        return None
    return [round(float(limit), 4) for limit in np.percentile(error, [2.5, 97.5])]
