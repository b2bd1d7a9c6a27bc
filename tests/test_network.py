"""The network's logits, heat maps and start."""

import pytest
import torch

from model.labels import LABELS
from model.network import HemorrhageNetwork, NetworkSpec, set_prevalence_bias

SMALL = NetworkSpec("resnet18", 64)


@pytest.fixture(scope="module")
def network() -> HemorrhageNetwork:
    torch.manual_seed(0)
    return HemorrhageNetwork(SMALL).eval()


@pytest.fixture(scope="module")
def hu() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(-1000, 1000, (3, 70, 60), generator=generator).to(torch.int16)


def test_each_slice_gets_six_logits_and_six_maps(
    network: HemorrhageNetwork, hu: torch.Tensor
) -> None:
    with torch.inference_mode():
        logits, heat = network(hu, torch.zeros(3))

    assert logits.shape == (3, len(LABELS))
    assert heat.shape == (3, len(LABELS), 2, 2)
    assert logits.dtype == heat.dtype == torch.float32


def test_the_heat_map_is_exact_its_mean_and_the_bias_make_the_logit(
    network: HemorrhageNetwork, hu: torch.Tensor
) -> None:
    with torch.inference_mode():
        logits, heat = network(hu, torch.zeros(3))

    assert torch.allclose(heat.mean(dim=(2, 3)) + network.head.bias, logits, atol=1e-5)


def test_training_and_serving_give_the_same_logits(
    network: HemorrhageNetwork, hu: torch.Tensor
) -> None:
    with torch.inference_mode():
        trained = network.classify(network.preprocess(hu[:, None]))
        served, _ = network(hu, torch.zeros(3))

    assert torch.allclose(trained, served, atol=1e-5)


def test_slices_are_judged_alone(network: HemorrhageNetwork, hu: torch.Tensor) -> None:
    with torch.inference_mode():
        together, _ = network(hu, torch.tensor([0.0, 5.0, 10.0]))
        alone, _ = network(hu[1:2], torch.zeros(1))

    assert torch.allclose(together[1:2], alone, atol=1e-5)


def test_positions_must_match_the_slices(network: HemorrhageNetwork, hu: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="one entry a slice"):
        network(hu, torch.zeros(2))


def test_an_untrained_network_predicts_about_the_prevalence(hu: torch.Tensor) -> None:
    torch.manual_seed(2)
    network = HemorrhageNetwork(SMALL)
    prevalence = [0.35, 0.2, 0.1, 0.05, 0.04, 0.08]

    set_prevalence_bias(network, prevalence)

    with torch.inference_mode():
        probabilities = network(hu, torch.zeros(3))[0].sigmoid()
    assert probabilities.mean(dim=0).tolist() == pytest.approx(prevalence, abs=0.05)


def test_torchvision_imports_under_cpu_torch() -> None:
    from model.torchvision_cpu import LIBRARY

    assert (LIBRARY is None) == (torch.version.cuda is not None)
    assert torch.ops.torchvision.nms is not None
