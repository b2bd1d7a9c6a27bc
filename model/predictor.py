"""From an artefact to predictions: what the worker, the command line and the tests call."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.artifact import (
    BLOOD_MAP,
    CARD_NAME,
    NETWORK_NAME,
    ModelCard,
    load_card,
    load_network,
    torchscript_deprecation_ignored,
)
from model.finding import calibrated
from model.slice_batches import input_batches
from model.system.device import device_named

CPU_BATCH_SIZE: Final = 4
"""A CPU is as fast with more, but the last batch is padded: 4 waste least on a usual series."""
GPU_BATCH_SIZE: Final = 32
_WARM_UPS: Final = 3

Encode = Callable[[Tensor], tuple[Tensor, ...]]
Combine = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class SeriesPrediction:
    """What the network says about a series of S slices, in the order they were given.

    Parameters
    ----------
    logits
        float32[S, 6], before calibration.
    probabilities
        float32[S, 6], calibrated, 0..1; `any` is never below a subtype.
    heat
        float32[S, 6, h, w] over the slice padded to a square (the padding is split evenly between
        the two sides): as the card says, the class activation map in logit units, or the blood map
        as a probability, 0..1.
    series_probabilities
        float32[6], the highest of the slices.
    unfamiliarity
        Median over the slices of their distance from those of training, about 1 where all is as it
        was there; None where the artefact knows no distance.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    heat: NDArray[np.float32]
    series_probabilities: NDArray[np.float32]
    unfamiliarity: float | None


class Predictor(Protocol):
    """An engine that holds a network; its callers know nothing else about it."""

    @property
    def card(self) -> ModelCard:
        """The card of the weights in use."""
        ...

    @property
    def device(self) -> str:
        """Where the network runs, as torch names it."""
        ...

    def predict(
        self,
        hu: Sequence[NDArray[np.int16]],
        z_mm: NDArray[np.float32],
        on_progress: Callable[[int], None],
    ) -> SeriesPrediction:
        """Analyse the slices; `on_progress` is told how many are done."""
        ...


class TorchScriptPredictor:
    """Runs the TorchScript artefact in this process.

    Parameters
    ----------
    encode, combine
        Of the artefact (`HemorrhageNetwork`), on the device; `encode_and_compare` stands in for
        `encode` where the card says what is unfamiliar.
    card
        Its card.
    device
        As torch names it.
    """

    def __init__(self, encode: Encode, combine: Combine, card: ModelCard, device: str) -> None:
        self._encode = encode
        self._combine = combine
        self.card = card
        self.device = device
        self.batch_size = CPU_BATCH_SIZE if device == "cpu" else GPU_BATCH_SIZE

    def predict(
        self,
        hu: Sequence[NDArray[np.int16]],
        z_mm: NDArray[np.float32],
        on_progress: Callable[[int], None],
    ) -> SeriesPrediction:
        """Analyse a series or a single slice.

        Parameters
        ----------
        hu
            S >= 1 slices int16[H, W]; their shapes may differ.
        z_mm
            float32[S], position along the slice normal.
        on_progress
            Called after each batch with the number of slices done.

        Raises
        ------
        ValueError
            There is no slice, or `z_mm` has another length.
        """
        if not hu or len(hu) != len(z_mm):
            raise ValueError(f"{len(hu)} slices and {len(z_mm)} positions cannot be analysed")
        encoded: list[tuple[torch.Tensor, ...]] = []
        done = 0
        for batch in input_batches(hu, self.card.slices_per_input, self.batch_size):
            inputs = torch.from_numpy(_padded(batch, self.batch_size)).to(self.device)
            with torch.inference_mode(), _fusion():
                outputs = self._encode(inputs)
            encoded.append(tuple(output[: len(batch)] for output in outputs))
            done += len(batch)
            on_progress(done)
        embeddings, logits, heat, *distances = (
            torch.cat(parts) for parts in zip(*encoded, strict=True)
        )
        positions = torch.from_numpy(np.asarray(z_mm, np.float32)).to(self.device)
        with torch.inference_mode():
            combined = self._combine(embeddings, logits, positions)
        all_logits: NDArray[np.float32] = combined.cpu().numpy()
        probabilities = calibrated(all_logits, self.card.calibration)
        return SeriesPrediction(
            logits=all_logits,
            probabilities=probabilities,
            heat=(heat.sigmoid() if self.card.heat == BLOOD_MAP else heat).cpu().numpy(),
            series_probabilities=probabilities.max(axis=0),
            # NumPy's: torch's own median of an even number of slices is the lower of two.
            unfamiliarity=float(np.median(distances[0].cpu().numpy())) if distances else None,
        )


@contextmanager
def _fusion() -> Iterator[None]:
    """Let oneDNN fuse what follows a convolution into it; only here, where no gradient is wanted.

    The switch is one of the whole process, and TorchScript fails on graphs with gradients under it.
    On a GPU it changes nothing.
    """
    torch.jit.enable_onednn_fusion(True)
    try:
        yield
    finally:
        torch.jit.enable_onednn_fusion(False)


def _padded(batch: NDArray[np.int16], batch_size: int) -> NDArray[np.int16]:
    """Repeat the last entry of a batch up to `batch_size`.

    The fused network is compiled for one batch size and falls back to slow code at any other.
    """
    return np.concatenate([batch, *[batch[-1:]] * (batch_size - len(batch))])


def load_predictor(folder: Path, device: str = "auto") -> Predictor:
    """Load and warm up the artefact of a folder.

    Parameters
    ----------
    folder
        Holds `falx.pt` and `falx.json`.
    device
        `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    ArtifactError
        The artefact is missing, changed or damaged.
    DeviceError
        The device is not there.
    """
    card = load_card(folder / CARD_NAME)
    chosen = device_named(device)
    network = load_network(folder / NETWORK_NAME, card, chosen)
    encode = network.encode_and_compare if card.unfamiliar else network.encode
    combine = network.combine
    if chosen == "cpu":
        encode = _frozen(_EncodeAndCompare(network) if card.unfamiliar else _Encode(network))
        combine = _frozen(_Combine(network))
    predictor = TorchScriptPredictor(encode, combine, card, chosen)
    _warm_up(predictor)
    return predictor


class _Encode(nn.Module):
    """The artefact's `encode` alone: frozen with it, other methods would each keep the weights."""

    def __init__(self, network: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.network = network

    def forward(self, hu: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        encoded: tuple[Tensor, Tensor, Tensor] = self.network.encode(hu)
        return encoded


class _EncodeAndCompare(nn.Module):
    """The artefact's `encode_and_compare` alone."""

    def __init__(self, network: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.network = network

    def forward(self, hu: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        encoded: tuple[Tensor, Tensor, Tensor, Tensor] = self.network.encode_and_compare(hu)
        return encoded


class _Combine(nn.Module):
    """The artefact's `combine` alone."""

    def __init__(self, network: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.network = network

    def forward(self, embeddings: Tensor, logits: Tensor, z_mm: Tensor) -> Tensor:
        combined: Tensor = self.network.combine(embeddings, logits, z_mm)
        return combined


def _frozen(module: nn.Module) -> torch.jit.ScriptModule:
    """Freeze: weights become constants, which `_fusion` needs."""
    with torchscript_deprecation_ignored():
        frozen: torch.jit.ScriptModule = torch.jit.freeze(torch.jit.script(module.eval()))
    return frozen


def _warm_up(predictor: TorchScriptPredictor) -> None:
    """Run the usual shape: TorchScript profiles and compiles in its first calls."""
    air = [np.full((512, 512), -1024, dtype=np.int16)]
    for _ in range(_WARM_UPS):
        predictor.predict(air, np.zeros(1, np.float32), lambda _: None)
