"""The network's logits, heat maps and start."""

import pytest
import torch

from model.errors import TrainingError
from model.labels import LABELS
from model.network import HemorrhageNetwork, NetworkSpec, set_prevalence_bias
from model.preprocess import neighbours

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


def test_forward_is_encode_then_combine(network: HemorrhageNetwork, hu: torch.Tensor) -> None:
    z_mm = torch.arange(3) * 5.0
    with torch.inference_mode():
        embeddings, alone, heat = network.encode(neighbours(hu, 1))
        combined = network.combine(embeddings, alone, z_mm)
        logits, same_heat = network(hu, z_mm)

    assert embeddings.shape == (3, network.embedding_size)
    assert torch.equal(combined, logits)
    assert torch.equal(heat, same_heat)


@pytest.mark.parametrize("pooling", ["gap", "gem"])
@pytest.mark.parametrize("count", [1, 4])
def test_three_slices_make_one_input(pooling: str, count: int) -> None:
    torch.manual_seed(0)
    network = HemorrhageNetwork(NetworkSpec("test_resnet", 32, 3, pooling)).eval()
    hu = torch.randint(-100, 200, (count, 40, 40)).to(torch.int16)

    with torch.inference_mode():
        logits, heat = network(hu, torch.zeros(count))
        trained = network.classify(network.preprocess(neighbours(hu, 3)))

    assert logits.shape == (count, len(LABELS))
    assert heat.shape[:2] == (count, len(LABELS))
    assert torch.allclose(trained, logits, atol=1e-5)


def test_with_three_slices_only_the_next_neighbours_count() -> None:
    torch.manual_seed(0)
    network = HemorrhageNetwork(NetworkSpec("test_resnet", 32, 3)).eval()
    hu = torch.randint(-100, 200, (5, 40, 40)).to(torch.int16)
    changed = hu.clone()
    changed[4] = 60

    with torch.inference_mode():
        before, after = (network(one, torch.zeros(5))[0] for one in (hu, changed))

    assert torch.allclose(before[:3], after[:3], atol=1e-6)
    assert not torch.allclose(before[3], after[3], atol=1e-4)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (NetworkSpec("test_resnet", 32, 2), "1 or 3 slices, not 2"),
        (NetworkSpec("test_resnet", 32, pooling="max"), "pooling max is unknown.*gap, gem"),
        (NetworkSpec("resnt50", 32), "resnt50 is unknown"),
    ],
)
def test_what_cannot_be_built_is_told(spec: NetworkSpec, problem: str) -> None:
    with pytest.raises(TrainingError, match=problem):
        HemorrhageNetwork(spec)


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
    from model.architecture.torchvision_cpu import LIBRARY

    assert (LIBRARY is None) == (torch.version.cuda is not None)
    assert torch.ops.torchvision.nms is not None
