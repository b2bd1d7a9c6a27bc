"""Pretrained weights for an encoder: a local file, a run's checkpoint, or timm's hub."""

import importlib.util
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from model.architecture.backbones import (  # declares what timm's import needs
    ALIASES,
    Alias,
    Backbone,
)
from model.architecture.efficientnet_names import is_original, timm_names
from model.errors import TrainingError

import timm  # isort: skip
from timm.models import adapt_input_conv  # isort: skip

HUB: Final = "hub"
PACKAGE: Final = "package:"
_HUB_SECONDS: Final = 10.0


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
        A local `.pth`, `.pt`, `.bin` or `.safetensors` file of timm's, torchvision's or the
        original EfficientNet port's key names, a checkpoint of `model.train` (its averaged
        weights), `package:NAME` for the one `.pth` file of an installed Python package, or `hub`
        for timm's own on the Hugging Face hub.

    Raises
    ------
    TrainingError
        The file is missing or damaged, does not fit the network, or the hub is out of reach.
    """
    path = _located(source, architecture)
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


def _located(source: str, architecture: str) -> Path:
    if source == HUB:
        return hub_file(architecture)
    if source.startswith(PACKAGE):
        return package_file(source.removeprefix(PACKAGE))
    return Path(source)


def package_file(name: str) -> Path:
    """Find the weights that an installed package carries.

    Raises
    ------
    TrainingError
        It is not installed, or does not have one `.pth` file.
    """
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None or found.origin is None:
        raise TrainingError(
            f"The package {name} is not installed: `make training-tools` installs those that "
            "requirements-train.txt names."
        )
    files = sorted(Path(found.origin).parent.rglob("*.pth"))
    if len(files) != 1:
        raise TrainingError(f"The package {name} has {len(files)} files of weights, not one.")
    return files[0]


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
    if isinstance(content, dict) and isinstance(content.get("average"), dict):
        return _encoder_of(content["average"])
    for wrapper in ("state_dict", "model", "network"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise TrainingError(f"{path.name} holds no state of a network (names and tensors).")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _encoder_of(average: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's weights in a checkpoint of `model.train`; the head begins anew."""
    prefix = "encoder.network."
    return {
        name.removeprefix(prefix): value
        for name, value in average.items()
        if name.startswith(prefix)
    }


def _for_this_network(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Rename as timm and the family do, drop the classifier, widen the first convolution."""
    if is_original(state):
        state = timm_names(state, network.state_dict())
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


def hub_id(architecture: str) -> str:
    """The repository on the Hugging Face hub that holds timm's weights of a network.

    Raises
    ------
    TrainingError
        There is none.
    """
    alias = ALIASES.get(architecture, Alias(architecture))
    repository = getattr(timm.get_pretrained_cfg(alias.timm_name), "hf_hub_id", None)
    if alias.arguments or not repository:
        raise TrainingError(
            f"timm's hub has no weights of {architecture}; give a local file or start from scratch."
        )
    return str(repository)


def hub_file(architecture: str) -> Path:
    """Find timm's weights in the local cache of the Hugging Face hub, or download them.

    Raises
    ------
    TrainingError
        There are none, or the hub is out of reach.
    """
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    repository = hub_id(architecture)
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
