"""How steady a network's probabilities are when a series is disturbed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from model.data.cached import CachedSet
from model.evaluation.bootstrap import AUC, Counts, Rows, difference, draw_counts
from model.evaluation.disturbances import DISTURBANCES, Disturb, SeriesInput
from model.evaluation.predictions import predict_series, read_patients
from model.finding import calibrated, state_at

if TYPE_CHECKING:
    from model.network import HemorrhageNetwork

_SEED: Final = 0


@dataclass(frozen=True)
class Trial:
    """P(any) of S slices.

    Parameters
    ----------
    frame
        S rows, with `model.evaluation.predictions.FRAME_COLUMNS`.
    usual
        float32[S], of the series as they are.
    disturbed
        Disturbance to float32[S]; nan where it left no slice.
    """

    frame: pd.DataFrame
    usual: NDArray[np.float32]
    disturbed: Mapping[str, NDArray[np.float32]]


def disturb_patients(
    network: "HemorrhageNetwork",
    sets: Sequence[CachedSet],
    patients: Sequence[str],
    temperature: Mapping[str, float],
    *,
    workers: int = 1,
) -> Trial:
    """Predict patients' series as they are and under every disturbance, through the serving path.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    sets, patients, workers
        As of `model.evaluation.predictions.predict_patients`.
    temperature
        Of the calibration.

    Raises
    ------
    TrainingError
        No set has any of these patients, or an original cannot be read any more.
    """
    torch.manual_seed(_SEED)
    frames, usual = [], []
    disturbed: dict[str, list[NDArray[np.float32]]] = {name: [] for name in DISTURBANCES}
    for rows, hu, z_mm in read_patients(sets, patients, workers):
        series = SeriesInput(hu, z_mm, np.arange(len(hu)))
        frames.append(rows)
        usual.append(_under(lambda one: [one], series, network, temperature))
        for name, disturb in DISTURBANCES.items():
            disturbed[name].append(_under(disturb, series, network, temperature))
    return Trial(
        pd.concat(frames, ignore_index=True),
        np.concatenate(usual),
        {name: np.concatenate(parts) for name, parts in disturbed.items()},
    )


def join_trials(trials: Sequence[Trial]) -> Trial:
    """Trials of different patients as one."""
    return Trial(
        pd.concat([trial.frame for trial in trials], ignore_index=True),
        np.concatenate([trial.usual for trial in trials]),
        {
            name: np.concatenate([trial.disturbed[name] for trial in trials])
            for name in trials[0].disturbed
        },
    )


def _under(
    disturb: Disturb,
    series: SeriesInput,
    network: "HemorrhageNetwork",
    temperature: Mapping[str, float],
) -> NDArray[np.float32]:
    """P(any) of the series' slices, float32[S], in their own order; nan for those that are lost."""
    found = np.full(len(series.hu), np.nan, np.float32)
    for one in disturb(series):
        _, logits, _ = predict_series(network, one.hu, one.z_mm)
        found[one.places] = calibrated(logits, temperature)[:, 0]
    return found


def measure_robustness(trial: Trial, thresholds: Mapping[str, float], draws: int) -> dict[str, Any]:
    """Measure what every disturbance changes.

    Parameters
    ----------
    trial
        What was predicted.
    thresholds
        `screen` and `alert`, of any.
    draws
        Bootstrap resamples of patients, for the intervals.

    Returns
    -------
    As `model.measured.Robustness`, for a card.
    """
    owners = pd.factorize(trial.frame["patient"])[0]
    counts = draw_counts(int(owners.max()) + 1, draws)
    usual = Rows(trial.frame["any"].to_numpy(np.int64), trial.usual, owners)
    return {
        "patients": counts.shape[1],
        "slices": len(owners),
        "disturbances": {
            name: _changes(usual, disturbed, thresholds, counts)
            for name, disturbed in trial.disturbed.items()
            if not np.isnan(disturbed).all()
        },
    }


def _changes(
    usual: Rows, disturbed: NDArray[np.float32], thresholds: Mapping[str, float], counts: Counts
) -> dict[str, Any]:
    left = ~np.isnan(disturbed)
    first = Rows(usual.targets[left], usual.scores[left], usual.owners[left])
    second = Rows(first.targets, disturbed[left], first.owners)
    change = np.abs(second.scores - first.scores)
    states = (
        np.array([state_at(float(score), **thresholds) for score in rows.scores])
        for rows in (first, second)
    )
    return {
        "slices": int(left.sum()),
        "mean_change": round(float(change.mean()), 4),
        "worst_change": round(float(change.max()), 4),
        "auc_change": difference(AUC, first, second, counts),
        "state_changed": round(float(np.mean(np.not_equal(*states))), 4),
    }
