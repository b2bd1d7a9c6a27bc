"""What a run of an experiment says of patients it never saw, as they are and as elsewhere.

Everything is read from caches, each slice judged alone: quick enough to be done for every recipe.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.calibrate import fit_temperature
from model.data.cached import CachedSet, open_cache
from model.data.mixture import Pool, make_pool
from model.data.simulated_bank import open_bank
from model.evaluation.judging import judge
from model.evaluation.metrics import auc
from model.evaluation.other_scanners import OTHER_SCANNERS, OtherScanner
from model.experiments.figures import LOGITS
from model.labels import LABELS
from model.network import HemorrhageNetwork
from model.training.trained import load_trained

_CPU: Final = torch.device("cpu")

_SEED: Final = 0
_PIXEL_MM: Final = 1.0
"""Of cached crops: a head of 190 mm in 192 pixels."""


def _seen_by(scanner: OtherScanner, hu: Tensor) -> Tensor:
    return scanner(hu, _PIXEL_MM)


@dataclass(frozen=True)
class Judgement:
    """What a run said.

    Parameters
    ----------
    test
        Of its test patients, with `model.experiments.figures.COLUMNS`; logits are calibrated on the
        patients of the calibrate part.
    shifted
        The same of each of `OTHER_SCANNERS`.
    simulated
        AUC of any among simulated slices of test patients; None where there are none.
    negative
        Mean probability of any in slices without hemorrhage from elsewhere; None without them.
    seconds, seed
        Of training.
    """

    test: pd.DataFrame
    shifted: dict[str, pd.DataFrame]
    simulated: float | None
    negative: float | None
    seconds: float
    seed: int


def judge_run(run: Path, unseen: Path | None, negative: Path | None) -> Judgement:
    """Judge what a finished run did not learn from.

    Parameters
    ----------
    run
        Its folder.
    unseen
        A bank made with another seed than the one learnt from; its slices of test patients count.
    negative
        A cache in which nothing bleeds.

    Raises
    ------
    TrainingError
        The run, the bank or the cache cannot be used.
    """
    trained = load_trained(run, series_head=False)
    # Three times as fast on a CPU, where depthwise convolutions have a fast path for it alone.
    network = trained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = trained.content["parts"]
    cached = trained.sets[0]
    temperature = _temperatures(network, cached, parts["calibrate"])
    pool, frame = _part(cached, parts["test"], network)

    def of(vary: Callable[[Tensor], Tensor] | None = None) -> pd.DataFrame:
        torch.manual_seed(_SEED)
        logits = judge(network, pool, np.arange(len(pool)), device=_CPU, vary=vary) / temperature
        return frame.assign(**dict(zip(LOGITS, logits.T, strict=True)))

    return Judgement(
        test=of(),
        shifted={name: of(partial(_seen_by, scanner)) for name, scanner in OTHER_SCANNERS.items()},
        simulated=_on_simulated(network, cached, parts["test"], unseen) if unseen else None,
        negative=_on_negative(network, negative, temperature) if negative else None,
        seconds=float(trained.content["seconds"]),
        seed=int(trained.content["recipe"]["seed"]),
    )


def _part(
    cached: CachedSet, patients: list[str], network: HemorrhageNetwork
) -> tuple[Pool, pd.DataFrame]:
    keep = cached.frame["patient"].isin(patients).to_numpy(bool)
    pool = make_pool([cached], [keep], network.slices_per_input)
    frame = cached.frame.loc[keep, ["name", "patient", "study", *LABELS]]
    return pool, frame.reset_index(drop=True)


def _temperatures(
    network: HemorrhageNetwork, cached: CachedSet, patients: list[str]
) -> NDArray[np.float32]:
    """A temperature a label, float32[6], fitted on these patients."""
    pool, _ = _part(cached, patients, network)
    logits = judge(network, pool, np.arange(len(pool)), device=_CPU)
    fitted = [fit_temperature(logits[:, i], pool.targets[:, i]) for i in range(len(LABELS))]
    return np.array(fitted, np.float32)


def _on_simulated(
    network: HemorrhageNetwork, cached: CachedSet, patients: list[str], folder: Path
) -> float | None:
    if network.slices_per_input > 1:
        return None
    bank = open_bank(folder, cached, set(patients))
    logits = judge(network, bank, np.arange(len(bank)), device=_CPU)
    return auc(bank.targets[:, 0], logits[:, 0])


def _on_negative(
    network: HemorrhageNetwork, folder: Path, temperature: NDArray[np.float32]
) -> float:
    cached = open_cache(folder)
    pool, _ = _part(cached, sorted(set(cached.frame["patient"])), network)
    logits = judge(network, pool, np.arange(len(pool)), device=_CPU) / temperature
    return float(np.mean(1 / (1 + np.exp(-logits[:, 0]))))
