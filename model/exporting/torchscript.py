"""A network as a TorchScript file: everything in one artefact, without Python code of its own."""

import io

import torch

from model.artifact import torchscript_deprecation_ignored
from model.network import HemorrhageNetwork


def script(network: HemorrhageNetwork, *, half: bool = True) -> torch.jit.ScriptModule:
    """Compile the network for slices of every number and shape.

    Only the elementwise windowing is traced, everything with shapes in it is scripted. The
    network is used up: its windowing is replaced, and its weights are rounded if they are to be
    in half precision.
    """
    network.eval()
    with torchscript_deprecation_ignored():
        network.preprocess.windows = torch.jit.trace(  # type: ignore[no-untyped-call]
            network.preprocess.windows, torch.zeros(2, 8, 8)
        )
        scripted: torch.jit.ScriptModule = torch.jit.script(network)
    if half:
        # Not the buffers: a variance of batch norm may lie outside half precision's range.
        for parameter in scripted.parameters():
            parameter.data = parameter.data.half()
    return scripted


def network_bytes(scripted: torch.jit.ScriptModule) -> bytes:
    """Serialise a TorchScript module; the same module gives the same bytes."""
    buffer = io.BytesIO()
    with torchscript_deprecation_ignored():
        torch.jit.save(scripted, buffer)
    return buffer.getvalue()
