"""The network: any backbone, six logits and class activation maps a slice, a head over a series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from model.architecture.backbones import Backbone
from model.architecture.blood_map import BloodMap
from model.architecture.ensemble import BloodMapEnsemble, EncoderEnsemble
from model.architecture.familiarity import Familiarity
from model.architecture.pooling import build_pooling
from model.architecture.pretrained import load_pretrained
from model.errors import TrainingError
from model.labels import LABELS
from model.preprocess import Preprocess, neighbours
from model.windowing import MODEL_WINDOWS

ARCHITECTURE: Final = "resnext50_32x4d"


@dataclass(frozen=True)
class NetworkSpec:
    """What a network is, without its weights.

    Parameters
    ----------
    architecture
        A name in `model.architecture.backbones.NAMED`, or any other of timm's.
    input_size
        Rows and columns of the network's input in pixels.
    slices_per_input
        1, or 3 for the slice below, the slice itself and the slice above ("2.5D").
    pooling
        `gap` or `gem`.
    dropout
        Share of pooled features dropped in training, 0..1.
    blood_map
        Whether it tells where blood lies, by a `BloodMap`.
    members
        How many networks of this kind it is, side by side (`model.ensemble`); 1 is trained.
    """

    architecture: str = ARCHITECTURE
    input_size: int = 256
    slices_per_input: int = 1
    pooling: str = "gap"
    dropout: float = 0.0
    blood_map: bool = False
    members: int = 1


class SliceLogits(nn.Module):
    """The series head of a network that has none: each slice keeps its own logits."""

    def forward(self, embeddings: Tensor, logits: Tensor, z_mm: Tensor) -> Tensor:
        """Pass logits float32[S, 6] on; embeddings float32[S, D], z_mm float32[S]."""
        if embeddings.shape[0] != logits.shape[0] or z_mm.shape[0] != logits.shape[0]:
            raise ValueError("embeddings, logits and z_mm must have one entry a slice")
        return logits


class HemorrhageNetwork(nn.Module):
    """Slices in, logits and heat maps out: the module that is exported as the artefact.

    Parameters
    ----------
    spec
        What to build, with random weights.

    Raises
    ------
    TrainingError
        The spec names something unknown, or its input size does not fit its architecture.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        if spec.slices_per_input not in (1, 3):
            raise TrainingError(f"A network sees 1 or 3 slices, not {spec.slices_per_input}.")
        self.spec = spec
        self.slices_per_input = spec.slices_per_input
        self.preprocess = Preprocess(spec.input_size)
        channels = spec.slices_per_input * len(MODEL_WINDOWS)
        encoders = [
            Backbone(spec.architecture, channels, spec.input_size) for _ in range(spec.members)
        ]
        self.encoder = encoders[0] if spec.members == 1 else EncoderEnsemble(encoders)
        self.embedding_size: int = self.encoder.features
        self.pooling = build_pooling(spec.pooling)
        self.dropout = nn.Dropout(spec.dropout)
        self.head = nn.Linear(self.embedding_size, len(LABELS))
        self.blood_map: BloodMap | BloodMapEnsemble | None = None
        if spec.blood_map:
            single = spec.members == 1
            self.blood_map = BloodMap(encoders[0]) if single else BloodMapEnsemble(encoders)
        self.series_head: nn.Module = SliceLogits()
        self.familiarity: Familiarity | None = None

    @torch.jit.unused
    def classify(self, network_input: Tensor) -> Tensor:
        """Logits float32[S, 6] of input float32[S, 3 * C, N, N]: the path that training takes."""
        return self.classify_features(self.encoder(network_input))

    @torch.jit.unused
    def classify_features(self, features: Tensor) -> Tensor:
        """Logits float32[S, 6] of the encoder's features float32[S, D, h, w]."""
        logits: Tensor = self.head(self.dropout(self.pooling(features)))
        return logits

    @torch.jit.export
    def encode(self, hu: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look at slices, each with its neighbours if the network sees three.

        Parameters
        ----------
        hu
            int16[S, C, H, W], Hounsfield units, C = `slices_per_input`, from below upward.

        Returns
        -------
        embeddings
            float32[S, D], pooled features: what the series head looks at.
        logits
            float32[S, 6] in `LABELS` order, of each slice alone.
        heat
            float32[S, 6, h, w]: of a network with a `BloodMap`, its logits. Else the class
            activation map (Zhou et al. 2016, arXiv 1512.04150), the head's weights times the
            features. Pooled by the mean, it is exact: its mean over h and w plus the head's bias
            is the logit. Pooled by the generalised mean, it is the same map, which then ranks
            places without adding up to the logit.
        """
        embeddings, logits, heat, _ = self.encode_and_compare(hu)
        return embeddings, logits, heat

    @torch.jit.export
    def encode_and_compare(self, hu: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Look at slices as `encode` does, and compare them with those that were learnt from.

        Returns
        -------
        What `encode` returns, and float32[S], the distances of `Familiarity`: about 1 where all is
        as in training; nan where nothing was fitted.
        """
        network_input = self.preprocess(hu)
        unfamiliarity = torch.full([hu.shape[0]], float("nan"), device=hu.device)
        if self.blood_map is None:
            if self.familiarity is None:
                features = self.encoder(network_input)
            else:
                features, _, sixteenth, _ = self.encoder.pyramid(network_input)
                unfamiliarity = self.familiarity(sixteenth)
            heat = self.activation(features)
        else:
            features, eighth, sixteenth, coarsest = self.encoder.pyramid(network_input)
            heat = self.blood_map(eighth, sixteenth, coarsest)
            if self.familiarity is not None:
                unfamiliarity = self.familiarity(sixteenth)
        embeddings = self.pooling(features)
        return embeddings, self.head(embeddings), heat, unfamiliarity

    def activation(self, features: Tensor) -> Tensor:
        """The class activation map float32[S, 6, h, w] of features float32[S, D, h, w]."""
        return torch.einsum("schw,lc->slhw", features, self.head.weight)

    @torch.jit.export
    def combine(self, embeddings: Tensor, logits: Tensor, z_mm: Tensor) -> Tensor:
        """Judge slices by the whole series.

        Parameters
        ----------
        embeddings, logits
            float32[S, D] and float32[S, 6] of `encode`, in order along the head.
        z_mm
            float32[S], position along the slice normal.

        Returns
        -------
        float32[S, 6] in `LABELS` order.
        """
        combined: Tensor = self.series_head(embeddings, logits, z_mm)
        return combined

    def forward(self, hu: Tensor, z_mm: Tensor) -> tuple[Tensor, Tensor]:
        """Analyse a slice or a series.

        Parameters
        ----------
        hu
            int16[S, H, W], Hounsfield units, in order along the head.
        z_mm
            float32[S], position along the slice normal.

        Returns
        -------
        Logits float32[S, 6] of `combine`, and heat float32[S, 6, h, w] of `encode`.
        """
        if hu.shape[0] != z_mm.shape[0]:
            raise ValueError("hu and z_mm must have one entry a slice")
        embeddings, logits, heat = self.encode(neighbours(hu, self.slices_per_input))
        return self.combine(embeddings, logits, z_mm), heat


def build_network(spec: NetworkSpec, pretrained: str = "") -> HemorrhageNetwork:
    """Build a network to be trained.

    Parameters
    ----------
    spec
        What to build.
    pretrained
        Weights of the encoder: empty for random ones, a local file, or `hub` for timm's.

    Raises
    ------
    TrainingError
        The spec or the weights do not fit; see `backbones` and `pretrained` of
        `model.architecture`. Several networks as one are not trained, but put together.
    """
    network = HemorrhageNetwork(spec)
    if not isinstance(network.encoder, Backbone):
        raise TrainingError(
            "Several networks as one are not trained: train each, then put them "
            "together with `python -m model.ensemble`."
        )
    if pretrained:
        load_pretrained(network.encoder, spec.architecture, pretrained)
    return network


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
