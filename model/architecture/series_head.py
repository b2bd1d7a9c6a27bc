"""The head over a whole series: slices are averaged with their neighbours, then corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.errors import TrainingError
from model.labels import LABELS

if TYPE_CHECKING:
    from model.network import HemorrhageNetwork

SERIES_HEAD_FILE: Final = "series_head.pt"
_PLACE_FEATURES: Final = 3


class SeriesHead(nn.Module):
    """Corrects the logits of slices by what the slices around them show.

    First each slice's logits are averaged with its neighbours' (`neighbour_average`): blood seldom
    ends within a slice, noise does. Then a bidirectional GRU (Cho et al. 2014, arXiv 1406.1078)
    runs over the slices' embeddings, their differences to both neighbours, their place along the
    series and their logits; what it says is added to the logits, and so is an offset a label. It
    starts as nothing averaged and nothing added.

    Parameters
    ----------
    embedding_size
        D, of the encoder.
    hidden
        Width of the projected embeddings and of the GRU in each direction.
    dropout
        Share of projected features dropped in training, 0..1.
    """

    blend: Tensor
    widths_mm: Tensor
    offset: Tensor

    def __init__(self, embedding_size: int, hidden: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        self.embedding_size = embedding_size
        self.hidden = hidden
        self.project = nn.Linear(embedding_size, hidden)
        self.dropout = nn.Dropout(dropout)
        self.recurrent = nn.GRU(
            3 * hidden + len(LABELS) + _PLACE_FEATURES, hidden, batch_first=True, bidirectional=True
        )
        self.correction = nn.Linear(2 * hidden, len(LABELS))
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        # How much of the correction counts, a label: chosen on patients it was not fitted to.
        self.register_buffer("blend", torch.ones(len(LABELS)))
        self.register_buffer("widths_mm", torch.zeros(len(LABELS)))
        self.register_buffer("offset", torch.zeros(len(LABELS)))

    def forward(self, embeddings: Tensor, logits: Tensor, z_mm: Tensor) -> Tensor:
        """Correct the logits of one series.

        Parameters
        ----------
        embeddings, logits
            float32[S, D] and float32[S, 6], S >= 1 slices in order along the head.
        z_mm
            float32[S], position along the slice normal.

        Returns
        -------
        float32[S, 6].
        """
        if embeddings.shape[0] != logits.shape[0] or z_mm.shape[0] != logits.shape[0]:
            raise ValueError("embeddings, logits and z_mm must have one entry a slice")
        averaged = neighbour_average(logits, z_mm, self.widths_mm) + self.offset
        if not bool(self.blend.any()):
            return averaged
        seen = self.seen(embeddings, averaged, z_mm)
        output, _ = self.recurrent(seen.unsqueeze(0))
        corrected: Tensor = averaged + self.blend * self.correction(output[0])
        return corrected

    def seen(self, embeddings: Tensor, logits: Tensor, z_mm: Tensor) -> Tensor:
        """What the GRU is given of one series, float32[S, 3 * hidden + 9]."""
        # Encoders differ in the size of their features; slices of one encoder hardly do.
        scaled = functional.layer_norm(embeddings, [self.embedding_size])
        projected = self.dropout(functional.gelu(self.project(scaled)))
        step = projected[1:] - projected[:-1]
        edge = torch.zeros_like(projected[:1])
        from_below, to_above = torch.cat([edge, step]), torch.cat([step, edge])
        # Logits of 4 are sure; beyond 12 nothing more is said.
        said = logits.clamp(-12.0, 12.0) / 4.0
        return torch.cat([projected, from_below, to_above, said, places(z_mm)], dim=1)

    @torch.jit.unused
    def corrections(self, batch: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """Correct several series at once, for training, without `blend`.

        Parameters
        ----------
        batch
            Embeddings, averaged logits and positions of each series, of any lengths: they are
            packed, so that no series sees padding or another series.

        Returns
        -------
        float32[sum of S, 6], what would be added to the logits, in the order given.
        """
        seen = [self.seen(*series) for series in batch]
        packed = nn.utils.rnn.pack_sequence(seen, enforce_sorted=False)
        output, lengths = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True
        )
        inside = torch.arange(output.shape[1])[None, :] < lengths[:, None]
        correction: Tensor = self.correction(output[inside.to(output.device)])
        return correction


def neighbour_average(logits: Tensor, z_mm: Tensor, widths_mm: Tensor) -> Tensor:
    """Average each slice's logits with those of the slices around it.

    Parameters
    ----------
    logits, z_mm
        float32[S, 6] and float32[S].
    widths_mm
        float32[6], of each label the standard deviation of the Gaussian over the distance by which
        slices weigh; 0 leaves a label's logits.

    Returns
    -------
    float32[S, 6].
    """
    averaged = widths_mm > 0
    if not bool(averaged.any()):
        return logits
    z = positions_mm(z_mm)
    distances = (z[:, None] - z[None, :]) / torch.where(averaged, widths_mm, 1.0)[:, None, None]
    weights = torch.exp(-0.5 * distances**2)
    means = torch.einsum("lst,tl->sl", weights / weights.sum(dim=2, keepdim=True), logits)
    return torch.where(averaged, means, logits)


def positions_mm(z_mm: Tensor) -> Tensor:
    """Positions float32[S]: every 5 mm where one is not finite, or all are the same."""
    if bool(torch.isfinite(z_mm).all()) and bool(z_mm.max() > z_mm.min()):
        return z_mm
    return torch.arange(z_mm.shape[0], dtype=z_mm.dtype, device=z_mm.device) * 5.0


def places(z_mm: Tensor) -> Tensor:
    """Where each slice stands in its series.

    Parameters
    ----------
    z_mm
        float32[S], position along the slice normal; see `positions_mm`.

    Returns
    -------
    float32[S, 3]: position from 0 to 1, distance to the slice below and to the one above in
    centimetres (0 at the ends, at most 2).
    """
    z = positions_mm(z_mm)
    position = (z - z.min()) / (z.max() - z.min()).clamp(min=1e-3)
    gaps = ((z[1:] - z[:-1]).abs() / 10.0).clamp(max=2.0)
    edge = torch.zeros_like(z[:1])
    return torch.stack([position, torch.cat([edge, gaps]), torch.cat([gaps, edge])], dim=1)


@dataclass(frozen=True)
class FittedHead:
    """A series head as its file holds it.

    Parameters
    ----------
    state
        Of `SeriesHead`.
    embedding_size, hidden
        Its form.
    encoder
        What identifies the weights whose embeddings it was fitted to, a SHA-256.
    figures
        How it was chosen and what it brought.
    """

    state: Mapping[str, Tensor]
    embedding_size: int
    hidden: int
    encoder: str
    figures: Mapping[str, Any]

    def build(self) -> SeriesHead:
        """The module, in evaluation mode."""
        head = SeriesHead(self.embedding_size, self.hidden)
        head.load_state_dict(dict(self.state))
        return head.eval()


def averaging_head(
    embedding_size: int, widths_mm: Sequence[float], offset: Sequence[float]
) -> SeriesHead:
    """A head that averages over neighbours and adds an offset a label, and corrects nothing."""
    head = SeriesHead(embedding_size, hidden=1)
    for unused in head.parameters():
        torch.nn.init.zeros_(unused)  # by chance, the same head would never have the same digest
    head.blend.zero_()
    head.widths_mm.copy_(torch.tensor(widths_mm))
    head.offset.copy_(torch.tensor(offset))
    return head.eval()


def describe(figures: Mapping[str, Any]) -> str:
    """Say what a series head is and what it brought, for the card."""
    does, brought = [], [f"{figures['weighted_alone']:.4f} for slices alone"]
    if any(figures["widths_mm"]):
        pairs = zip(LABELS, figures["widths_mm"], strict=True)
        widths = ", ".join(f"{label} {width:g} mm" for label, width in pairs if width)
        does.append(f"logits averaged over neighbours (Gaussian, {widths})")
        brought.append(f"{figures['weighted_averaged']:.4f} averaged")
    if any(figures["offset"]):
        does.append("an offset a label added")
    if any(figures["blend"]):
        shares = zip(LABELS, figures["blend"], strict=True)
        blend = ", ".join(f"{label} {value:g}" for label, value in shares)
        does.append(f"corrected by a bidirectional GRU over the series (shares: {blend})")
        seen = f"GRUs that did not see them, {figures['folds']}-fold"
        brought.append(f"{figures['weighted_with_head']:.4f} corrected ({seen})")
    return (
        f"{', '.join(does)}; chosen on {figures['patients']} {figures['role']} patients, on whom "
        f"the weighted log loss was {', '.join(brought)}"
    )


def read_series_head(path: Path) -> FittedHead:
    """Read a run's series head.

    Raises
    ------
    TrainingError
        It is missing or damaged.
    """
    try:
        fitted = FittedHead(**torch.load(path, weights_only=True, map_location="cpu"))
        fitted.build()
    except Exception as problem:  # torch raises many kinds for one damaged file
        raise TrainingError(
            f"{path.name} is no series head ({problem}); run model.train_series_head again."
        ) from problem
    return fitted


def attach_series_head(network: "HemorrhageNetwork", fitted: FittedHead, encoder: str) -> bool:
    """Give a network the series head that was fitted to it; leave it alone if it was another one.

    Parameters
    ----------
    network
        Changed in place.
    fitted
        The head.
    encoder
        What identifies the network's weights: `model.evaluation.prediction_store.weights_digest`,
        before there is a series head.

    Returns
    -------
    Whether the head fits and is in place.
    """
    fits = fitted.encoder == encoder and fitted.embedding_size == network.embedding_size
    if fits:
        network.series_head = fitted.build()
    return fits
