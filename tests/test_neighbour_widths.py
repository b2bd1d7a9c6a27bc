"""How far to look along the series: a number a label, chosen by slices, and by studies' leave."""

import numpy as np
import torch
from numpy.typing import NDArray

from model.architecture.series_head import neighbour_average
from model.evaluation.neighbour_widths import WIDTHS_MM, choose_widths

SLICES, STUDIES = 20, 60
LONG, SHORT, NONE = range(3)
"""Labels: in eight slices in a row, in one slice, and one of which logits know all."""


def truth() -> NDArray[np.int64]:
    targets = np.zeros((STUDIES, SLICES, 3), np.int64)
    targets[::2, 6:14, LONG] = 1
    targets[::2, 10, SHORT] = 1
    targets[::3, 4:9, NONE] = 1
    return targets


def averaged(logits: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    z_mm = torch.arange(SLICES) * 5.0
    widths = torch.full((3,), width)
    series = [neighbour_average(torch.from_numpy(one), z_mm, widths) for one in logits]
    return torch.cat(series).numpy()


def chosen(logits: NDArray[np.float32]) -> list[float]:
    studies = np.repeat(np.arange(STUDIES), SLICES)
    logits_of = {width: averaged(logits, width) for width in WIDTHS_MM}
    return choose_widths(logits_of, truth().reshape(-1, 3), studies)


def noisy(noise: NDArray[np.float64]) -> NDArray[np.float32]:
    said = 4.0 * (2 * truth() - 1) + noise
    return said.astype(np.float32)


def test_what_lies_in_many_slices_is_averaged_and_what_lies_in_one_is_not() -> None:
    noise = np.random.default_rng(0).normal(0, [5.0, 1.0, 0.0], (STUDIES, SLICES, 3))

    widths = chosen(noisy(noise))

    assert widths[LONG] >= 3
    assert widths[SHORT] == widths[NONE] == 0


def test_slices_may_not_gain_what_studies_lose() -> None:
    """Noise that lies in clear slices alone: averaging tells these better, and hides the one."""
    noise = np.random.default_rng(0).normal(0, 8.0, (STUDIES, SLICES, 3))
    noise[1::2] = 0
    noise[:, 9:12] = 0
    logits = noisy(noise)
    by_slices = {
        width: np.logaddexp(0, -averaged(logits, width) * (2 * truth().reshape(-1, 3) - 1))
        for width in WIDTHS_MM
    }

    widths = chosen(logits)

    assert by_slices[3.0][:, SHORT].mean() < by_slices[0.0][:, SHORT].mean()
    assert widths[SHORT] == 0
