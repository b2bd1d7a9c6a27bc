"""Any network that timm knows as an encoder of slices: one call, one form of features."""

import difflib
import math
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from model.architecture import torchvision_cpu  # noqa: F401  must run before torchvision is imported
from model.errors import TrainingError

import timm  # isort: skip


@dataclass(frozen=True)
class Alias:
    """A name of ours for one of timm's networks with other arguments."""

    timm_name: str
    arguments: dict[str, Any] = field(default_factory=dict)


ALIASES: Final = {
    # The "bag of tricks" ResNet: stem of three convolutions, pooled shortcuts (He et al. 2018,
    # arXiv 1812.01187), which fastai calls xresnet50.
    "xresnet50": Alias("resnet50d"),
    # The widest of Mahajan et al. 2018, arXiv 1805.00932; timm has it up to 32x32d.
    "resnext101_32x48d": Alias("resnext101_32x32d", {"base_width": 48}),
}

NAMED: Final = (
    "resnext50_32x4d",
    "resnet50",
    "xresnet50",
    "resnext101_32x8d",
    "resnext101_32x16d",
    "resnext101_32x48d",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b7",
    "vgg19",
    "inception_v3",
)
"""What the documentation names and a test proves; every other name is timm's."""

_REDUCTIONS: Final = (8, 16, 32)
"""Of a pyramid: the input's side over that of its maps."""
_PROBED: Final[dict[tuple[str, int, int], tuple[torch.Size, set[str]]]] = {}
"""What `probe` found: a tenth of a second and more, and the same for all networks of a kind."""


class Backbone(nn.Module):
    """A timm network up to its last features, always as maps float[S, D, h, w].

    Parameters
    ----------
    architecture
        A name in `ALIASES`, or one of timm's.
    channels
        Of the input.
    input_size
        Its rows and columns in pixels.

    Raises
    ------
    TrainingError
        The name is unknown, the input is too small for it, or it gives no feature maps.
    """

    def __init__(self, architecture: str, channels: int, input_size: int) -> None:
        super().__init__()
        self.network = create_timm(architecture, channels, input_size)
        kind = (architecture, channels, input_size)
        if kind not in _PROBED:
            _PROBED[kind] = probe(self.network, *kind)
        shape, unused = _PROBED[kind]
        # Trained features end before these; a gradient that never comes stops DDP.
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name not in unused)
        self.prefix_tokens = int(getattr(self.network, "num_prefix_tokens", 0))
        self.is_tokens = len(shape) == 3
        self.is_channels_last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
        self.grid = _grid(self.network, shape[1] - self.prefix_tokens) if self.is_tokens else (0, 0)
        self.features: int = shape[-1] if self.is_tokens or self.is_channels_last else shape[1]

    def forward(self, network_input: Tensor) -> Tensor:
        """float[S, channels, N, N] to features float[S, D, h, w]."""
        features: Tensor = self.network.forward_features(network_input)  # type: ignore[operator]
        if self.is_tokens:
            patches = features[:, self.prefix_tokens :]
            rows, columns = self.grid
            return patches.transpose(1, 2).reshape(-1, self.features, rows, columns)
        if self.is_channels_last:
            return features.permute(0, 3, 1, 2)
        return features

    def pyramid(self, network_input: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The features of `forward`, and those of an eighth, a 16th and a 32nd of the side.

        Raises
        ------
        TrainingError
            The network has none of these sizes.
        """
        indices = [index for index, _ in self.pyramid_stages()]
        features, (eighth, sixteenth, coarsest) = self.network.forward_intermediates(  # type: ignore[operator]
            network_input, indices=indices
        )
        return features, eighth, sixteenth, coarsest

    def pyramid_stages(self) -> list[tuple[int, int]]:
        """Index and channels of the stages of timm's network that make the pyramid.

        Raises
        ------
        TrainingError
            One is missing.
        """
        of_reduction = self._stage_of_reduction()
        if not self.has_pyramid():
            raise TrainingError(
                "This network has no features of an eighth, a 16th and a 32nd of the input's side, "
                "which a map of blood and what is familiar are made from: leave out --map-weight."
            )
        return [of_reduction[reduction] for reduction in _REDUCTIONS]

    def has_pyramid(self) -> bool:
        """Whether there are features of all sizes of a pyramid."""
        is_of_maps = not (self.is_tokens or self.is_channels_last)
        return is_of_maps and self._stage_of_reduction().keys() >= {*_REDUCTIONS}

    def _stage_of_reduction(self) -> dict[int, tuple[int, int]]:
        """Reduction to index and channels of the last of timm's stages of that size."""
        stages: Any = getattr(self.network, "feature_info", [])
        return {stage["reduction"]: (i, stage["num_chs"]) for i, stage in enumerate(stages)}


def create_timm(architecture: str, channels: int, input_size: int) -> nn.Module:
    """Build timm's network without a classifier and with random weights.

    Residual branches of ResNets start as the identity (Goyal et al. 2017, arXiv 1706.02677, 5.1),
    as timm does by itself.

    Raises
    ------
    TrainingError
        The name is unknown, or the network cannot be built for this size.
    """
    alias = ALIASES.get(architecture, Alias(architecture))
    if not timm.is_model(alias.timm_name):
        near = difflib.get_close_matches(architecture, [*ALIASES, *timm.list_models()], n=5)
        hint = f" Near names: {', '.join(near)}." if near else ""
        raise TrainingError(
            f"The network {architecture} is unknown; take one of {', '.join(NAMED)}, or any that "
            f"timm lists.{hint}"
        )
    arguments = dict(alias.arguments)
    defaults = timm.get_pretrained_cfg(alias.timm_name)
    if defaults is not None and defaults.fixed_input_size:
        arguments["img_size"] = input_size
    try:
        network: nn.Module = timm.create_model(
            alias.timm_name,
            in_chans=channels,
            num_classes=0,
            global_pool="",
            scriptable=True,
            **arguments,
        )
    except Exception as problem:  # each family has its own way to refuse a size
        raise TrainingError(
            f"The network {architecture} cannot be built for {input_size} pixels: {problem}"
        ) from problem
    if hasattr(network, "pre_logits"):
        # VGG's two wide layers come after the features: 119 million weights for nothing.
        network.pre_logits = nn.Identity()
    return network


class _Features(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, network_input: Tensor) -> Tensor:
        features: Tensor = self.network.forward_features(network_input)  # type: ignore[operator]
        return features


def probe(
    network: nn.Module, architecture: str, channels: int, input_size: int
) -> tuple[torch.Size, set[str]]:
    """Find the features' shape for one slice, and the parameters that do not take part.

    It runs on the meta device, which knows shapes and no values: no memory, no time.

    Raises
    ------
    TrainingError
        The input is too small for the network, or the features are no single tensor of maps or
        tokens.
    """
    wrapped = _Features(network)
    was_training = network.training
    wrapped.eval()
    weights = {
        name: torch.empty_like(value, device="meta", requires_grad=True)
        for name, value in wrapped.named_parameters()
    }
    buffers = {name: value.to("meta") for name, value in wrapped.named_buffers()}
    slices = torch.empty(1, channels, input_size, input_size, device="meta")
    try:
        features = torch.func.functional_call(wrapped, weights | buffers, (slices,))
    except (RuntimeError, AssertionError, ValueError) as problem:
        raise TrainingError(
            f"The network {architecture} cannot take {input_size} x {input_size} pixels "
            f"({problem}); take a larger or its own input size."
        ) from problem
    finally:
        network.train(was_training)
    if not isinstance(features, Tensor) or features.ndim not in (3, 4) or 0 in features.shape:
        raise TrainingError(
            f"The network {architecture} gives no feature maps of {input_size} x {input_size} "
            "pixels; take another or a larger input size."
        )
    gradients = torch.autograd.grad(features.sum(), list(weights.values()), allow_unused=True)
    unused = {
        name.removeprefix("network.")
        for name, gradient in zip(weights, gradients, strict=True)
        if gradient is None
    }
    return features.shape, unused


def _grid(network: nn.Module, tokens: int) -> tuple[int, int]:
    """Rows and columns of the patches that the tokens stand for."""
    embedding = getattr(network, "patch_embed", None)
    rows, columns = getattr(embedding, "grid_size", None) or (math.isqrt(tokens),) * 2
    if rows * columns != tokens:
        raise TrainingError(f"{tokens} tokens are no grid of patches: this network has no maps.")
    return int(rows), int(columns)
