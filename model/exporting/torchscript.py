"""A network as a TorchScript file: everything in one artefact, without Python code of its own."""

import io
import zipfile

import torch

from model.artifact import torchscript_deprecation_ignored
from model.network import HemorrhageNetwork
from model.windowing import MODEL_WINDOWS


def script(network: HemorrhageNetwork, *, half: bool = True) -> torch.jit.ScriptModule:
    """Compile the network for slices of every number and shape.

    Only the elementwise windowing is traced, everything with shapes in it is scripted; but for
    the encoder of a network with a map of blood or a familiarity, whose steps on the way timm gives
    to Python alone: its input has one size, and any number of slices. The network is used up: both
    are replaced, and its weights are rounded if they are to be in half precision.
    """
    network.eval()
    with torchscript_deprecation_ignored():
        if network.blood_map is not None or network.familiarity is not None:
            network.encoder = _traced(network)  # type: ignore[assignment]
        network.preprocess.windows = torch.jit.trace(  # type: ignore[no-untyped-call]
            network.preprocess.windows, torch.zeros(2, 8, 8)
        )
        scripted: torch.jit.ScriptModule = torch.jit.script(network)
    if half:
        # Not the buffers: a variance of batch norm may lie outside half precision's range.
        for parameter in scripted.parameters():
            parameter.data = parameter.data.half()
    return scripted


def _traced(network: HemorrhageNetwork) -> torch.jit.ScriptModule:
    """The encoder with its `pyramid` alone."""
    size = network.preprocess.input_size
    channels = network.slices_per_input * len(MODEL_WINDOWS)
    slices = torch.zeros(2, channels, size, size, device=network.head.weight.device)
    with torch.no_grad():
        traced: torch.jit.ScriptModule = torch.jit.trace_module(  # type: ignore[no-untyped-call]
            network.encoder, {"pyramid": slices}
        )
    return traced


def network_bytes(scripted: torch.jit.ScriptModule) -> bytes:
    """Serialise a TorchScript module; nothing of the machine that made it is in the bytes.

    They depend on Python's hash seed all the same, by which TorchScript orders a class's constants.

    TorchScript keeps beside each file of code which line of Python it came from, with the path on
    the machine that compiled it: that is left out.
    """
    whole, bare = io.BytesIO(), io.BytesIO()
    with torchscript_deprecation_ignored():
        torch.jit.save(scripted, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(bare, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(entry, source.read(entry))
    return bare.getvalue()
