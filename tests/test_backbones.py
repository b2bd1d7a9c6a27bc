"""Every network of the documentation and some other of timm's: a step, exported, reloaded."""

import io

import pytest
import torch
from torch import nn
from torch.nn import functional

from model.architecture.backbones import NAMED, Backbone, create_timm
from model.errors import TrainingError
from model.exporting.torchscript import network_bytes, script
from model.labels import LABELS
from model.network import HemorrhageNetwork, NetworkSpec, build_network

SMALLEST = {"inception_v3": 107, "efficientnet_b1": 64, "efficientnet_b7": 64}
"""Pixels; the others take 32. These do not learn from maps of a single place."""
OTHERS = ("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto")
"""Tokens, maps with the channels last, and a norm after the features that is not trained."""


def some_slices(count: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-200, 300, (count, size, size), generator=generator).to(torch.int16)


def take_a_step(network: HemorrhageNetwork, hu: torch.Tensor) -> None:
    """One step of plain SGD, which keeps no state: the widest network has 829 million weights."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # One batch is all there is: its statistics alone, not mixed with those of the start.
            module.momentum = 1.0
    logits = network.classify(network.preprocess(hu[:, None]))
    loss = functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    loss.backward()  # type: ignore[no-untyped-call]
    without = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert torch.isfinite(loss)
    assert not without
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    before = network.head.bias.clone()
    torch.optim.SGD(network.parameters(), lr=1e-2).step()
    assert not torch.equal(network.head.bias, before)
    for parameter in network.parameters():
        parameter.grad = None


LONG = "resnext101_32x48d"
"""It has 826 million parameters."""


@pytest.mark.parametrize(
    "architecture",
    [
        *(name for name in (*NAMED, *OTHERS) if name != LONG),
        pytest.param(LONG, marks=pytest.mark.long),
    ],
)
def test_a_network_trains_and_its_exported_file_says_the_same(architecture: str) -> None:
    torch.manual_seed(0)
    size = SMALLEST.get(architecture, 32)
    hu, z_mm = some_slices(2, size), torch.arange(2) * 5.0
    network = build_network(NetworkSpec(architecture, size))
    take_a_step(network, hu)

    # The file holds weights in half precision; rounded beforehand, they must be the same there.
    with torch.inference_mode():
        for parameter in network.eval().parameters():
            parameter.copy_(parameter.half())
        expected_logits, expected_heat = network(hu, z_mm)

    content = io.BytesIO(network_bytes(script(network)))
    del network  # 3.3 GB of the widest
    artefact = torch.jit.load(content).float()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        logits, heat = artefact(hu, z_mm)

    assert logits.shape == (2, len(LABELS))
    assert heat.shape[:2] == (2, len(LABELS))
    assert torch.isfinite(expected_logits).all()
    assert torch.allclose(logits, expected_logits, rtol=1e-4, atol=1e-5)
    assert torch.allclose(heat, expected_heat, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "millions"),
    [
        ("resnext50_32x4d", 23.0),
        ("resnet50", 23.5),
        ("xresnet50", 23.5),
        ("resnext101_32x8d", 86.7),
        ("resnext101_32x16d", 192.0),
        ("resnext101_32x48d", 826.4),
        ("efficientnet_b0", 4.0),
        ("efficientnet_b1", 6.5),
        ("efficientnet_b7", 63.8),
        ("vgg19", 20.0),
        ("inception_v3", 21.8),
    ],
)
def test_a_name_means_the_published_network(architecture: str, millions: float) -> None:
    """Its weights without the classifier are as many as published."""
    with torch.device("meta"):
        network = create_timm(architecture, 3, 224)

    weights = sum(parameter.numel() for parameter in network.parameters())
    assert weights / 1e6 == pytest.approx(millions, abs=0.06)


def test_an_unknown_name_is_told_with_near_ones() -> None:
    with pytest.raises(TrainingError, match=r"resnxet50_32x4d is unknown.*resnext50_32x4d"):
        create_timm("resnxet50_32x4d", 3, 64)


@pytest.mark.parametrize(
    ("architecture", "size"), [("inception_v3", 64), ("vgg19", 16), ("vit_tiny_patch16_224", 8)]
)
def test_an_input_too_small_for_a_network_is_told(architecture: str, size: int) -> None:
    with pytest.raises(TrainingError, match=f"{architecture} .*{size}"):
        Backbone(architecture, 3, size)
