"""Declare torchvision's two compiled operators, so that its wheel imports under CPU-only torch.

torchvision's wheel is built against CUDA torch: under a CPU build its C++ operators do not load
and ``import torchvision`` fails with "operator torchvision::nms does not exist". Falx uses only
its network definitions, which need neither operator. Import this module before torchvision.
"""

from typing import Final

import torch

_SCHEMAS: Final = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return library


# The declarations live as long as the Library object: the module keeps it.
LIBRARY: Final = _declare_operators() if torch.version.cuda is None else None
