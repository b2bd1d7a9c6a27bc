"""A small artefact that knows what is familiar: noise like that which it was fitted to."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.config import PROJECT_ROOT
from model.architecture.familiarity import Familiarity
from model.evaluation.unfamiliarity import slice_statistics
from model.exporting.torchscript import network_bytes, script
from model.network import HemorrhageNetwork, NetworkSpec
from model.training.familiarity_fitting import fit_familiarity


def noise(count: int, seed: int = 0) -> list[NDArray[np.int16]]:
    """Slices int16[64, 64] of white noise."""
    generator = np.random.default_rng(seed)
    return [generator.integers(-1000, 1000, (64, 64)).astype(np.int16) for _ in range(count)]


def familiar_network(*, blood_map: bool = False) -> HemorrhageNetwork:
    """A network with random weights, in evaluation mode, to which `noise` is familiar."""
    torch.manual_seed(0)
    network = HemorrhageNetwork(NetworkSpec("test_resnet", 32, blood_map=blood_map)).eval()
    network.familiarity = Familiarity(**fit_familiarity(slice_statistics(network, noise(200))))
    return network.eval()


def write_artefact(folder: Path, warn_from: float, refuse_from: float) -> Path:
    """Put such a network into service from `folder`, with these thresholds."""
    content = network_bytes(script(familiar_network()))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "falx.pt").write_bytes(content)
    card = json.loads((PROJECT_ROOT / "model" / "weights" / "falx.json").read_text())
    card |= {"input_size": 32, "sha256": hashlib.sha256(content).hexdigest()}
    card["unfamiliar"] = {
        "warn_from": warn_from,
        "refuse_from": refuse_from,
        "chosen": "for a test",
        "examples": [
            {
                "kind": "noise",
                "familiar": True,
                "series": 3,
                "median": 1.0,
                "auc": None,
                "warned": 0.25,
                "refused": 0.0,
                "refused_before": 0.0,
            },
            {
                "kind": "blank",
                "familiar": False,
                "series": 2,
                "median": 9.0,
                "auc": 0.987,
                "warned": 1.0,
                "refused": 0.5,
                "refused_before": 1.0,
            },
        ],
    }
    (folder / "falx.json").write_text(json.dumps(card))
    return folder
