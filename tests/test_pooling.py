"""Pooling of feature maps: the mean, and the mean with an exponent."""

import pytest
import torch

from model.architecture.pooling import GeneralisedMean, MeanPooling, build_pooling
from model.errors import TrainingError


def maps() -> torch.Tensor:
    return torch.rand(2, 5, 4, 3, generator=torch.Generator().manual_seed(0)) + 0.1


def test_the_mean_is_over_places() -> None:
    assert torch.allclose(MeanPooling()(maps()), maps().mean(dim=(2, 3)))


def test_an_exponent_of_1_is_the_mean_and_a_large_one_nears_the_maximum() -> None:
    assert torch.allclose(GeneralisedMean(1.0)(maps()), maps().mean(dim=(2, 3)), atol=1e-6)
    assert torch.allclose(GeneralisedMean(60.0)(maps()), maps().amax(dim=(2, 3)), rtol=0.05)


def test_an_exponent_of_3_is_the_cubic_mean() -> None:
    features = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2)

    assert GeneralisedMean(3.0)(features).item() == pytest.approx((100 / 4) ** (1 / 3))


def test_the_exponent_is_learnt_and_features_without_signal_give_no_nan() -> None:
    pooling = GeneralisedMean()
    features = torch.zeros(1, 2, 3, 3, requires_grad=True)

    pooling(features - 1).sum().backward()

    assert pooling.exponent.grad is not None
    assert torch.isfinite(pooling.exponent.grad)
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_another_pooling_is_refused() -> None:
    with pytest.raises(TrainingError, match="pooling max is unknown; take one of gap, gem"):
        build_pooling("max")
