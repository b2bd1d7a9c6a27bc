"""The network: a ResNeXt-50 that gives each slice six logits and their class activation maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model import torchvision_cpu  # noqa: F401  must run before torchvision is imported
from model.labels import LABELS
from model.preprocess import Preprocess

from torchvision.models import resnext50_32x4d  # isort: skip

ARCHITECTURE = "resnext50_32x4d"


class SliceEncoder(nn.Module):
    """ResNeXt-50 32x4d (Xie et al. 2017, arXiv 1611.05431) up to its last feature map."""

    def __init__(self) -> None:
        super().__init__()
        # Residual branches start as the identity (Goyal et al. 2017, arXiv 1706.02677, 5.1):
        # steadier when training from scratch.
        backbone = resnext50_32x4d(num_classes=len(LABELS), zero_init_residual=True)
        self.channels: int = backbone.fc.in_features
        self.stem = nn.Sequential(backbone.conv1, backbone.bn1, backbone.relu, backbone.maxpool)
        self.stages = nn.Sequential(
            backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4
        )

    def forward(self, network_input: Tensor) -> Tensor:
        """float32[S, 3, N, N] to features float32[S, 2048, ceil(N / 32), ceil(N / 32)]."""
        features: Tensor = self.stages(self.stem(network_input))
        return features


class HemorrhageNetwork(nn.Module):
    """Slices in, logits and heat maps out: the module that is exported as the artefact.

    Parameters
    ----------
    input_size
        Rows and columns of the network's input in pixels.
    dropout
        Share of pooled features dropped in training, 0..1.
    """

    def __init__(self, input_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.preprocess = Preprocess(input_size)
        self.encoder = SliceEncoder()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.channels, len(LABELS))

    def classify(self, network_input: Tensor) -> Tensor:
        """Logits float32[S, 6] of input float32[S, 3, N, N]: the path that training takes."""
        pooled = self.encoder(network_input).mean(dim=(2, 3))
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def forward(self, hu: Tensor, z_mm: Tensor) -> tuple[Tensor, Tensor]:
        """Analyse a slice or a series.

        Parameters
        ----------
        hu
            int16[S, H, W], Hounsfield units.
        z_mm
            float32[S], position along the slice normal. Each slice is judged alone; the place
            where a series head would use the neighbours is between `features` and `heat`.

        Returns
        -------
        logits
            float32[S, 6] in `LABELS` order.
        heat
            float32[S, 6, h, w]: the exact class activation map (Zhou et al. 2016,
            arXiv 1512.04150). Its mean over h and w plus the head's bias is the logit.
        """
        if hu.shape[0] != z_mm.shape[0]:
            raise ValueError("hu and z_mm must have one entry a slice")
        features = self.encoder(self.preprocess(hu))
        heat = torch.einsum("schw,lc->slhw", features, self.head.weight)
        logits = heat.mean(dim=(2, 3)) + self.head.bias
        return logits, heat


def set_prevalence_bias(network: HemorrhageNetwork, prevalence: Sequence[float]) -> None:
    """Start the head at the labels' log-odds (Lin et al. 2017, arXiv 1708.02002, 4.1).

    Parameters
    ----------
    network
        Changed in place.
    prevalence
        Six shares of positive slices, 0..1 exclusive, in `LABELS` order.
    """
    with torch.no_grad():
        network.head.bias.copy_(torch.logit(torch.tensor(prevalence)))
        network.head.weight.mul_(0.1)
