"""Pooling of feature maps to one embedding a slice: the mean, or the generalised mean."""

from typing import Final

import torch
from torch import Tensor, nn

from model.errors import TrainingError

POOLINGS: Final = ("gap", "gem")


class MeanPooling(nn.Module):
    """Global average pooling (Lin et al. 2014, arXiv 1312.4400)."""

    def forward(self, features: Tensor) -> Tensor:
        """float[S, D, h, w] to float[S, D]."""
        return features.mean(dim=[2, 3])


class GeneralisedMean(nn.Module):
    """Generalised-mean pooling (Radenovic et al. 2018, arXiv 1711.02512) with a learnt exponent.

    An exponent of 1 is the mean, a large one the maximum; one exponent serves all features.
    Features below `least` count as `least`: the power of a negative number is not defined.
    """

    def __init__(self, exponent: float = 3.0, least: float = 1e-6) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(exponent))
        self.least = least

    def forward(self, features: Tensor) -> Tensor:
        """float[S, D, h, w] to float[S, D], in single precision: powers overflow in half."""
        exponent = self.exponent.float()
        powers = features.float().clamp(min=self.least).pow(exponent)
        return powers.mean(dim=[2, 3]).pow(1.0 / exponent)


def build_pooling(name: str) -> nn.Module:
    """Build `gap` or `gem`.

    Raises
    ------
    TrainingError
        The name is another one.
    """
    if name == "gap":
        return MeanPooling()
    if name == "gem":
        return GeneralisedMean()
    raise TrainingError(f"The pooling {name} is unknown; take one of {', '.join(POOLINGS)}.")
