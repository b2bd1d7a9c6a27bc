"""Networks side by side as one: what they say is averaged, and nothing else has to know of it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.architecture.backbones import Backbone
from model.architecture.blood_map import BloodMap


class EncoderEnsemble(nn.Module):
    """Encoders of one architecture, whose features lie one after the other, as those of one.

    A linear head over all of them, each with its share of the weights, says the mean of what heads
    over each would say.

    Parameters
    ----------
    members
        Two or more.
    """

    def __init__(self, members: Sequence[Backbone]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.features = sum(member.features for member in members)
        self.is_tokens = members[0].is_tokens
        self.is_channels_last = members[0].is_channels_last
        self._has_pyramid = members[0].has_pyramid()

    def forward(self, network_input: Tensor) -> Tensor:
        """float[S, channels, N, N] to features float[S, D, h, w], D those of all members."""
        return torch.cat([member(network_input) for member in self.members], dim=1)

    def pyramid(self, network_input: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `Backbone.pyramid`, the channels of all members one after the other.

        Raises
        ------
        TrainingError
            The networks have none of these sizes.
        """
        of_members = [
            member.pyramid(network_input)  # type: ignore[operator]
            for member in self.members
        ]
        features, eighth, sixteenth, coarsest = (
            torch.cat(maps, dim=1) for maps in zip(*of_members, strict=True)
        )
        return features, eighth, sixteenth, coarsest

    def has_pyramid(self) -> bool:
        """Whether there are features of all sizes of a pyramid."""
        return self._has_pyramid


class BloodMapEnsemble(nn.Module):
    """The mean of members' blood maps.

    Parameters
    ----------
    encoders
        Of the members; each is given a `BloodMap`.

    Raises
    ------
    TrainingError
        The encoders have no features that a map is made from.
    """

    def __init__(self, encoders: Sequence[Backbone]) -> None:
        super().__init__()
        self.members = nn.ModuleList(BloodMap(encoder) for encoder in encoders)

    def forward(self, eighth: Tensor, sixteenth: Tensor, coarsest: Tensor) -> Tensor:
        """Features of `EncoderEnsemble.pyramid` to the members' mean logits float[S, 6, h, w]."""
        count = len(self.members)
        eighths, sixteenths = eighth.chunk(count, dim=1), sixteenth.chunk(count, dim=1)
        coarsests = coarsest.chunk(count, dim=1)
        maps = [
            member(eighths[i], sixteenths[i], coarsests[i]) for i, member in enumerate(self.members)
        ]
        return torch.stack(maps).mean(dim=0)
