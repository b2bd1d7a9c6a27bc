"""How far a slice lies from what the network learnt from, by its embedding."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.errors import TrainingError
from model.system.files import write_atomically

FAMILIARITY_FILE: Final = "familiarity.pt"


class Familiarity(nn.Module):
    """Distance of embeddings from those of the patients that were learnt from.

    The Mahalanobis distance (Lee et al. 2018, arXiv 1807.03888) of layer-normalised embeddings to
    their mean. Their covariance is that of probabilistic principal components (Tipping and Bishop
    1999, J. R. Statist. Soc. B 61: 611-622): variances of their own along K axes, and one for all
    that is left, so that what the patients never varied in counts, too.

    Parameters
    ----------
    mean
        float32[D], of the layer-normalised embeddings.
    axes
        float32[K, D], orthonormal.
    deviations
        float32[K], standard deviations along the axes.
    rest
        float32[], standard deviation along each of the D - K other directions.
    """

    mean: Tensor
    axes: Tensor
    deviations: Tensor
    rest: Tensor

    def __init__(self, mean: Tensor, axes: Tensor, deviations: Tensor, rest: Tensor) -> None:
        super().__init__()
        # Buffers keep single precision where the weights of an artefact are stored in half.
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)
        self.register_buffer("deviations", deviations)
        self.register_buffer("rest", rest)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Distances float32[S] of embeddings float32[S, D]: about 1 where all is as in training."""
        size = self.mean.shape[0]
        away = functional.layer_norm(embeddings, [size]) - self.mean
        along = away @ self.axes.T
        left = (away.square().sum(dim=1) - along.square().sum(dim=1)).clamp(min=0.0)
        squared = (along / self.deviations).square().sum(dim=1) + left / self.rest.square()
        return (squared / size).sqrt()


class NothingFamiliar(nn.Module):
    """Stands in where nothing was fitted: it knows no distance."""

    def forward(self, embeddings: Tensor) -> Tensor:
        """Nan, float32[S], of embeddings float32[S, D]."""
        return torch.full_like(embeddings[:, 0], float("nan"))


@dataclass(frozen=True)
class FittedFamiliarity:
    """A `Familiarity` as its file holds it.

    Parameters
    ----------
    state
        Its buffers.
    weights
        What identifies the network whose embeddings it was fitted to, a SHA-256
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
