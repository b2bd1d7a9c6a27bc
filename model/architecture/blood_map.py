"""Where blood lies: a map at an eighth of the input's side, beside the judgement of the slice."""

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

from model.architecture.backbones import Backbone
from model.labels import LABELS

_CHANNELS: Final = 64
_BIAS: Final = -5.0
"""Log-odds that a cell is given at the start: blood covers less than a hundredth of a field."""


class BloodMap(nn.Module):
    """From features of three sizes to the share of each cell's area that blood covers.

    They are brought to 64 channels, the coarser ones to the finest's size, and added, as in
    feature pyramids (Lin et al. 2017, arXiv 1612.03144).

    Parameters
    ----------
    encoder
        Whose features it is shown.

    Raises
    ------
    TrainingError
        The encoder has no such features.
    """

    def __init__(self, encoder: Backbone) -> None:
        super().__init__()
        (_, eighth), (_, sixteenth), (_, coarsest) = encoder.pyramid_stages()
        self.eighth = nn.Conv2d(eighth, _CHANNELS, 1)
        self.sixteenth = nn.Conv2d(sixteenth, _CHANNELS, 1)
        self.coarsest = nn.Conv2d(coarsest, _CHANNELS, 1)
        self.judge = nn.Conv2d(_CHANNELS, len(LABELS), 3, padding=1)
        if self.judge.bias is not None:
            nn.init.constant_(self.judge.bias, _BIAS)

    def forward(self, eighth: Tensor, sixteenth: Tensor, coarsest: Tensor) -> Tensor:
        """Features of `Backbone.pyramid`, float[S, ., h, w] the first, to logits [S, 6, h, w].

        Their sigmoid is the share of a cell's area, 0..1, that blood of a label covers.
        """
        size = [eighth.shape[2], eighth.shape[3]]
        features = self.eighth(eighth)
        for coarse in (self.sixteenth(sixteenth), self.coarsest(coarsest)):
            features = features + functional.interpolate(coarse, size, mode="bilinear")
        logits: Tensor = self.judge(functional.relu(features))
        return logits
