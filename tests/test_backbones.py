"""Every network of the documentation and some other of timm's: a step, exported, reloaded."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from app.config import PROJECT_ROOT
from model.backbones import NAMED, Backbone, create_timm, hub_file
from model.errors import TrainingError
from model.labels import LABELS
from model.network import HemorrhageNetwork, NetworkSpec, build_network
from model.torchscript import network_bytes, script

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


@pytest.mark.parametrize("architecture", [*NAMED, *OTHERS])
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


# ------------------------------------------------------------------------------ pretrained weights


def written(folder: Path, state: dict[str, Any], name: str = "weights.pth") -> str:
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


def other_weights(architecture: str) -> dict[str, torch.Tensor]:
    """Weights as a download holds them: of three channels, with a classifier."""
    import timm

    torch.manual_seed(7)
    network = timm.create_model(architecture, num_classes=1000)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.1, 0.1)
    return dict(network.state_dict())


def features_of(network: HemorrhageNetwork, network_input: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        features: torch.Tensor = network.eval().encoder(network_input)
    return features


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_local_file_fills_the_encoder(tmp_path: Path, name: str) -> None:
    state = other_weights("test_resnet")

    network = build_network(NetworkSpec("test_resnet", 32), written(tmp_path, state, name))

    found = network.encoder.network.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in found.items())


@pytest.mark.parametrize("wrapping", ["state_dict", "model"])
def test_a_training_checkpoint_is_unwrapped(tmp_path: Path, wrapping: str) -> None:
    state = other_weights("test_resnet")
    path = written(tmp_path, {wrapping: {f"module.{k}": v for k, v in state.items()}, "epoch": 3})

    network = build_network(NetworkSpec("test_resnet", 32), path)

    assert torch.equal(
        network.encoder.network.state_dict()["conv1.0.weight"], state["conv1.0.weight"]
    )


@pytest.mark.parametrize("architecture", ["test_resnet", "test_vit", "test_efficientnet"])
def test_three_slices_start_as_the_mean_of_one(tmp_path: Path, architecture: str) -> None:
    path = written(tmp_path, other_weights(architecture))
    size = 160 if architecture == "test_vit" else 32
    one = build_network(NetworkSpec(architecture, size), path)
    three = build_network(NetworkSpec(architecture, size, slices_per_input=3), path)
    network_input = torch.randn(2, 3, size, size)

    same_three_times = features_of(three, network_input.repeat(1, 3, 1, 1))

    assert torch.allclose(same_three_times, features_of(one, network_input), atol=1e-4)


def test_torchvisions_file_fits_the_default_network(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    state = resnet18().state_dict()

    network = build_network(NetworkSpec("resnet18", 32), written(tmp_path, state))

    assert torch.equal(network.encoder.network.state_dict()["conv1.weight"], state["conv1.weight"])


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, other_weights("test_efficientnet"))

    with pytest.raises(TrainingError, match=r"weights\.pth does not fit test_resnet: missing: "):
        build_network(NetworkSpec("test_resnet", 32), path)


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    state = other_weights("test_resnet")
    state["layer1.0.conv1.weight"] = torch.zeros(3, 3, 3, 3)

    with pytest.raises(TrainingError, match=r"layer1\.0\.conv1\.weight has shape \[3, 3, 3, 3\]"):
        build_network(NetworkSpec("test_resnet", 32), written(tmp_path, state))


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 half a file"])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "weights.pth").write_bytes(content)

    with pytest.raises(TrainingError, match=r"weights\.pth is no file of weights"):
        build_network(NetworkSpec("test_resnet", 32), str(tmp_path / "weights.pth"))


def test_a_file_without_weights_is_told(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save([1, 2], path)

    with pytest.raises(TrainingError, match="holds no state of a network"):
        build_network(NetworkSpec("test_resnet", 32), str(path))


def test_a_missing_file_is_told() -> None:
    with pytest.raises(TrainingError, match=r"nowhere\.pth are not there; give a \.pth"):
        build_network(NetworkSpec("test_resnet", 32), "nowhere.pth")


def test_a_network_of_our_own_width_has_no_weights_on_the_hub() -> None:
    with pytest.raises(TrainingError, match="hub has no weights of resnext101_32x48d"):
        hub_file("resnext101_32x48d")


def test_without_network_the_hub_says_soon_what_to_do(tmp_path: Path) -> None:
    program = (
        "from model.backbones import hub_file\n"
        "from model.errors import TrainingError\n"
        "try:\n    hub_file('resnext50_32x4d')\n"
        "except TrainingError as error:\n    print(error)"
    )
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        env=os.environ | nobody,
        capture_output=True,
        text=True,
        timeout=40,
        check=True,
    )

    assert "The weights of resnext50_32x4d cannot be downloaded" in done.stdout
    assert "timm/resnext50_32x4d" in done.stdout
    assert "give the file's path instead of 'hub'" in done.stdout
