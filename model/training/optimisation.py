"""How weights are changed: AdamW under a warm-up and a cosine, and their running average."""

import math
from functools import partial

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn


def build_optimiser(
    network: nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).

    Norms and biases are not decayed: it would only shift activations.
    """
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def build_schedule(optimiser: torch.optim.Optimizer, steps: int, warm_up: float) -> LambdaLR:
    """Follow `rate_at` over so many steps."""
    return LambdaLR(optimiser, partial(rate_at, steps=steps, warm_up=warm_up))


def rate_at(step: int, steps: int, warm_up: float) -> float:
    """Share of the learning rate, 0..1, of a step from 0: a line up, then half a cosine down.

    Parameters
    ----------
    steps
        Of the whole run.
    warm_up
        Share of them in which the rate rises, 0..1.
    """
    rising = max(1, round(steps * warm_up))
    if step < rising:
        return (step + 1) / rising
    return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / max(1, steps - rising))


def update_average(average: nn.Module, network: nn.Module, steps: int, decay: float) -> None:
    """Move an exponential moving average of weights and buffers towards the network's.

    Parameters
    ----------
    average, network
        Of the same form; the first is changed.
    steps
        Taken so far. A young average forgets faster, so that it does not keep the random start.
    decay
        Share that is kept, 0..1.
    """
    keep = min(decay, (1 + steps) / (10 + steps))
    mix = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
    old, new = average.state_dict(), network.state_dict()
    real = [name for name, value in old.items() if value.is_floating_point()]
    mix([old[name] for name in real], [new[name] for name in real], None)
    for name in old.keys() - set(real):
        old[name].copy_(new[name])
