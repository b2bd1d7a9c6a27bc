"""Judging each cell of a slice while training, beside the slice as a whole (`model.data.cells`)."""

from typing import Any, Final

from torch import Tensor, nn

from model.architecture.backbones import Backbone
from model.errors import TrainingError
from model.labels import LABELS

CELL_PIXELS: Final = 16
"""Side of a cell in pixels of the network's input."""

_BIAS: Final = -3.0
"""Log-odds that a cell is given at the start: about one in twenty has blood."""


def build_cell_head(encoder: Backbone) -> nn.Conv2d:
    """Build what judges a cell from its features: float[S, E, h, w] to logits float[S, 6, h, w].

    Raises
    ------
    TrainingError
        The encoder has no features of cells.
    """
    stages: Any = encoder.network.feature_info
    head = nn.Conv2d(int(stages[cell_stage(encoder)]["num_chs"]), len(LABELS), 1)
    if head.bias is not None:
        nn.init.constant_(head.bias, _BIAS)
    return head


def with_cells(encoder: Backbone, network_input: Tensor) -> tuple[Tensor, Tensor]:
    """The encoder's features, and those of its cells, float[S, E, N / 16, N / 16].

    Parameters
    ----------
    network_input
        float[S, channels, N, N].

    Raises
    ------
    TrainingError
        The encoder has no features of cells.
    """
    features, (cells,) = encoder.network.forward_intermediates(  # type: ignore[operator]
        network_input, indices=[cell_stage(encoder)]
    )
    return features, cells


def cell_stage(encoder: Backbone) -> int:
    """Which stage of timm's network has a sixteenth of the input's side.

    Raises
    ------
    TrainingError
        None has.
    """
    stages: Any = getattr(encoder.network, "feature_info", [])
    found = [i for i, stage in enumerate(stages) if stage["reduction"] == CELL_PIXELS]
    if not found or encoder.is_tokens or encoder.is_channels_last:
        raise TrainingError("This network has no maps of cells: leave out --cell-weight.")
    return found[-1]
