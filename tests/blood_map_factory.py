"""A small artefact whose heat is a blood map."""

import hashlib
import json
from pathlib import Path

import torch

from app.config import PROJECT_ROOT
from model.artifact import BLOOD_MAP
from model.exporting.torchscript import network_bytes, script
from model.network import HemorrhageNetwork, NetworkSpec


def mapping_network() -> HemorrhageNetwork:
    """A network with random weights and a map, in evaluation mode."""
    torch.manual_seed(0)
    return HemorrhageNetwork(NetworkSpec("test_resnet", 64, blood_map=True)).eval()


def write_mapping_artefact(folder: Path, heat: str = BLOOD_MAP) -> Path:
    """Put such a network into service from `folder`; `heat` is what its card calls the map."""
    content = network_bytes(script(mapping_network(), half=False))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "falx.pt").write_bytes(content)
    card = json.loads((PROJECT_ROOT / "model" / "weights" / "falx.json").read_text())
    card |= {"input_size": 64, "sha256": hashlib.sha256(content).hexdigest(), "heat": heat}
    card |= {"unfamiliar": None}
    (folder / "falx.json").write_text(json.dumps(card))
    return folder
