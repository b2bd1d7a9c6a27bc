"""A series of slices as batches of network inputs, each slice with its neighbours."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def input_batches(
    hu: Sequence[NDArray[np.int16]], slices_per_input: int, most: int
) -> Iterator[NDArray[np.int16]]:
    """Yield the inputs of `HemorrhageNetwork.encode` for a series, in order.

    Parameters
    ----------
    hu
        S slices int16[H, W], upward; their shapes may differ.
    slices_per_input
        C, odd: how many neighbouring slices make one input. The ends of the series stand in for
        what lies beyond them, and a slice stands in for a neighbour of another shape.
    most
        Inputs a batch.

    Yields
    ------
    int16[B, C, H, W], B <= `most`: one shape each, so a batch may also be short in between.
    """
    reach = slices_per_input // 2
    batch: list[NDArray[np.int16]] = []
    for middle, own in enumerate(hu):
        if batch and (len(batch) == most or batch[0].shape[1:] != own.shape):
            yield np.stack(batch)
            batch = []
        beside = (min(max(i, 0), len(hu) - 1) for i in range(middle - reach, middle + reach + 1))
        batch.append(np.stack([hu[i] if hu[i].shape == own.shape else own for i in beside]))
    if batch:
        yield np.stack(batch)
