"""The learning rate rises and falls, and the average follows the weights."""

import pytest
import torch
from torch import nn

from model.training.optimisation import build_optimiser, build_schedule, rate_at, update_average


def test_the_learning_rate_warms_up_then_falls_to_nothing() -> None:
    rates = [rate_at(step, steps=200, warm_up=0.05) for step in range(201)]

    assert rates[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[200] == pytest.approx(0)


def test_the_schedule_sets_the_optimisers_rate() -> None:
    optimiser = build_optimiser(nn.Linear(2, 2), learning_rate=0.5, weight_decay=0.1)
    schedule = build_schedule(optimiser, steps=10, warm_up=0.2)

    rates = []
    for _ in range(3):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()

    assert rates == pytest.approx([0.25, 0.5, 0.5])


def test_norms_and_biases_are_not_decayed() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    decayed, others = build_optimiser(network, 1e-3, 0.05).param_groups

    assert [parameter.ndim for parameter in decayed["params"]] == [4]
    assert decayed["weight_decay"] == 0.05
    assert [parameter.ndim for parameter in others["params"]] == [1, 1, 1]
    assert others["weight_decay"] == 0


def averaged(steps: int, decay: float) -> nn.BatchNorm1d:
    """An average of zeros after one step towards ones."""
    average, network = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.zeros_(average.weight)
    network.load_state_dict(network.state_dict() | {"num_batches_tracked": torch.tensor(7)})
    update_average(average, network, steps, decay)
    return average


def test_the_average_moves_by_what_is_not_kept() -> None:
    assert averaged(steps=10**6, decay=0.9).weight.tolist() == pytest.approx([0.1, 0.1])


def test_a_young_average_forgets_its_random_start() -> None:
    assert averaged(steps=0, decay=0.999).weight.tolist() == pytest.approx([0.9, 0.9])


def test_a_counter_is_taken_over_whole() -> None:
    assert averaged(0, 0.9).state_dict()["num_batches_tracked"] == 7
