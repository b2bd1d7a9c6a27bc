"""Any network that timm knows as an encoder of slices: one call, one form of features."""

import difflib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from model import torchvision_cpu  # noqa: F401  must run before torchvision is imported
from model.errors import TrainingError

import timm  # isort: skip
from timm.models import adapt_input_conv  # isort: skip


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

HUB: Final = "hub"
_HUB_SECONDS: Final = 10.0


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
        shape, unused = probe(self.network, architecture, channels, input_size)
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


# ------------------------------------------------------------------------- pretrained weights


def load_pretrained(backbone: Backbone, architecture: str, source: str) -> None:
    """Fill a backbone with pretrained weights.

    Parameters
    ----------
    backbone
        Changed in place. Its first convolution takes the file's weights repeated over its
        channels and scaled, so that activations keep their size.
    architecture
        Its name.
    source
        A local `.pth`, `.pt`, `.bin` or `.safetensors` file of timm's or torchvision's key names,
        or `hub` for timm's own on the Hugging Face hub.

    Raises
    ------
    TrainingError
        The file is missing or damaged, does not fit the network, or the hub is out of reach.
    """
    path = hub_file(architecture) if source == HUB else Path(source)
    network = backbone.network
    state = _for_this_network(read_state(path), network)
    own = network.state_dict()
    wrong = [
        f"{name} has shape {list(state[name].shape)}, not {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    # Batch norm's counter is absent from old files and read by nobody.
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    missing = [n for n in missing if n not in _untrained(network)]
    surplus = [name for name in state if name not in own]
    if wrong or missing or surplus:
        raise TrainingError(
            f"{path.name} does not fit {architecture}: {_some('missing', missing)}"
            f"{_some('not known', surplus)}{_some('of another shape', wrong)}take the file of this "
            "network, from timm or torchvision."
        )
    network.load_state_dict(state, strict=False)


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a file of weights; nothing but tensors and plain values is unpickled.

    Raises
    ------
    TrainingError
        It is missing or no file of weights.
    """
    if not path.is_file():
        raise TrainingError(
            f"The pretrained weights {path} are not there; give a .pth or .safetensors file, or "
            f"'{HUB}' to download timm's."
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # both readers raise many kinds for one damaged file
        raise TrainingError(f"{path.name} is no file of weights: {problem}") from problem
    for wrapper in ("state_dict", "model", "network"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise TrainingError(f"{path.name} holds no state of a network (names and tensors).")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _for_this_network(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Rename as the network's family does, drop the classifier, widen the first convolution."""
    family = __import__(type(network).__module__, fromlist=["checkpoint_filter_fn"])
    rename = getattr(family, "checkpoint_filter_fn", None)
    if rename is not None:
        state = rename(state, network)
    defaults: Any = network.pretrained_cfg
    dropped = (*_names(defaults.get("classifier")), "pre_logits", "AuxLogits")
    state = {
        name: value
        for name, value in state.items()
        if not name.startswith(tuple(f"{prefix}." for prefix in dropped))
    }
    own = network.state_dict()
    for layer in _names(defaults.get("first_conv")):
        name = f"{layer}.weight"
        if name in state and name in own and state[name].ndim == 4:
            state[name] = adapt_input_conv(own[name].shape[1], state[name])
    return state


def _names(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _untrained(network: nn.Module) -> set[str]:
    return {name for name, value in network.named_parameters() if not value.requires_grad}


def _some(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what}: {', '.join(names[:3])}{more}; " if names else ""


def hub_file(architecture: str) -> Path:
    """Find timm's weights in the local cache of the Hugging Face hub, or download them.

    Raises
    ------
    TrainingError
        There are none, or the hub is out of reach.
    """
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    alias = ALIASES.get(architecture, Alias(architecture))
    defaults = timm.get_pretrained_cfg(alias.timm_name)
    repository = getattr(defaults, "hf_hub_id", None)
    if alias.arguments or not repository:
        raise TrainingError(
            f"timm's hub has no weights of {architecture}; give a local file or start from scratch."
        )
    name = "model.safetensors"
    cached = try_to_load_from_cache(repository, name)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # Asked first because a download retries for most of a minute where there is no network.
        HfApi().model_info(repository, timeout=_HUB_SECONDS)
        return Path(hf_hub_download(repository, name))
    except Exception as problem:  # network, proxy, rights, disk: each library has its own
        raise TrainingError(
            f"The weights of {architecture} cannot be downloaded ({problem}). Download {name} of "
            f"{repository} from the Hugging Face hub elsewhere and give the file's path instead of "
            f"'{HUB}'."
        ) from problem
