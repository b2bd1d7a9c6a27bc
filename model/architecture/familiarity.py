"""How far a slice lies from what the network learnt from, by the middle of the encoder."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from model.errors import TrainingError
from model.system.files import write_atomically

FAMILIARITY_FILE: Final = "familiarity.pt"


def channel_statistics(maps: Tensor) -> Tensor:
    """Mean and standard deviation of each channel, float32[S, 2 C] of maps float32[S, C, h, w]."""
    deviations = maps.std(dim=[2, 3], unbiased=False)
    return torch.cat([maps.mean(dim=[2, 3]), deviations], dim=1)


class Familiarity(nn.Module):
    """Distance of slices from those of the patients that were learnt from.

    The Mahalanobis distance (Lee et al. 2018, arXiv 1807.03888) of the channels' statistics in the
    middle of the encoder to their mean, each in units of its standard deviation. Their covariance
    is that of probabilistic principal components (Tipping and Bishop 1999, J. R. Statist. Soc. B
    61: 611-622): variances of their own along K axes, and one for all that is left, so that what
    the patients never varied in counts, too. The last features know less: there a chest lies among
    the heads (docs/unfamiliar.md).

    Parameters
    ----------
    mean, scale
        float32[2 C], means and standard deviations of the statistics.
    axes
        float32[K, 2 C], orthonormal.
    deviations
        float32[K], standard deviations along the axes.
    rest
        float32[], standard deviation along each of the 2 C - K other directions.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    deviations: Tensor
    rest: Tensor

    def __init__(
        self, mean: Tensor, scale: Tensor, axes: Tensor, deviations: Tensor, rest: Tensor
    ) -> None:
        super().__init__()
        # Buffers keep single precision where the weights of an artefact are stored in half.
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("axes", axes)
        self.register_buffer("deviations", deviations)
        self.register_buffer("rest", rest)

    def forward(self, maps: Tensor) -> Tensor:
        """Distances float32[S] of maps float32[S, C, h, w]; about 1 where all is as in training."""
        return self.distance(channel_statistics(maps))

    def distance(self, statistics: Tensor) -> Tensor:
        """The same, of the maps' `channel_statistics` float32[S, 2 C]."""
        # Beyond 30 deviations nothing more is said; one channel must not outweigh all others.
        away = ((statistics - self.mean) / self.scale).clamp(-30.0, 30.0)
        along = away @ self.axes.T
        left = (away.square().sum(dim=1) - along.square().sum(dim=1)).clamp(min=0.0)
        squared = (along / self.deviations).square().sum(dim=1) + left / self.rest.square()
        return (squared / self.mean.shape[0]).sqrt()


@dataclass(frozen=True)
class FittedFamiliarity:
    """A `Familiarity` as its file holds it.

    Parameters
    ----------
    state
        Its buffers.
    weights
        What identifies the network whose features it was fitted to, a SHA-256
        (`model.evaluation.prediction_store.weights_digest`).
    """

    state: Mapping[str, Tensor]
    weights: str

    def build(self) -> Familiarity:
        """The module, in evaluation mode."""
        return Familiarity(**self.state).eval()


def write_familiarity(path: Path, fitted: FittedFamiliarity) -> None:
    """Write a run's familiarity atomically."""
    content = io.BytesIO()
    torch.save(vars(fitted), content)
    write_atomically(path, content.getvalue())


def read_familiarity(path: Path) -> FittedFamiliarity:
    """Read a run's familiarity.

    Raises
    ------
    TrainingError
        It is missing or damaged.
    """
    try:
        fitted = FittedFamiliarity(**torch.load(path, weights_only=True, map_location="cpu"))
        fitted.build()
    except Exception as problem:  # torch raises many kinds for one damaged file
        raise TrainingError(
            f"{path} is no familiarity ({problem}); run model.fit_familiarity again."
        ) from problem
    return fitted
