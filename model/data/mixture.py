"""Slices of one or several caches as one numbered pool, and the order that an epoch draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from model.data.cached import CachedSet, field_placement
from model.data.cells import cells_of_real
from model.data.sampling import draw, drawing_shares, pass_length, require_both_classes
from model.errors import TrainingError


@dataclass(frozen=True)
class Samples:
    """Slices read from the caches, with C slices an input (itself, or below, itself, above).

    Parameters
    ----------
    hu
        int16[B, C, N, N], HU, cached crops.
    placement
        float32[B, C, 3], each crop's place in its field (`model.data.cached.field_placement`).
    targets
        int8[B, 6], 0 or 1, in `LABELS` order.
    cells
        uint8[B, 5, SIDE, SIDE], where blood lies (`model.data.cells`).
    """

    hu: NDArray[np.int16]
    placement: NDArray[np.float32]
    targets: NDArray[np.int8]
    cells: NDArray[np.uint8]


@dataclass(frozen=True)
class Pool:
    """Chosen slices of several caches, numbered from 0; plain arrays, for 750,000 slices.

    Parameters
    ----------
    hu
        The caches' memory maps, int16[., N, N].
    source
        int64[n], which cache a slice lies in.
    rows
        int64[n, C], the rows of an input's slices in that cache.
    placement
        float32[n, C, 3], as in `Samples`.
    targets
        int8[n, 6].
    cells, cell_rows
        uint8[K, 5, SIDE, SIDE], where blood lies in slices that were simulated, and int64[n], a
        slice's row in it, or -1; None where none was.
    """

    hu: tuple[NDArray[np.int16], ...]
    source: NDArray[np.int64]
    rows: NDArray[np.int64]
    placement: NDArray[np.float32]
    targets: NDArray[np.int8]
    cells: NDArray[np.uint8] | None = None
    cell_rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.source)

    def take(self, chosen: NDArray[np.int64]) -> "Pool":
        """The pool of the slices of these numbers, int64[m], in their order."""
        return Pool(
            self.hu,
            self.source[chosen],
            self.rows[chosen],
            self.placement[chosen],
            self.targets[chosen],
            self.cells,
            None if self.cell_rows is None else self.cell_rows[chosen],
        )

    def read(self, chosen: NDArray[np.int64]) -> Samples:
        """Read the slices of these numbers, int64[B]."""
        hu = [
            self.hu[source][rows]
            for source, rows in zip(self.source[chosen], self.rows[chosen], strict=True)
        ]
        targets = self.targets[chosen]
        cells = cells_of_real(targets)
        if self.cells is not None and self.cell_rows is not None:
            rows = self.cell_rows[chosen]
            cells[rows >= 0] = self.cells[rows[rows >= 0]]
        return Samples(np.stack(hu), self.placement[chosen], targets, cells)


@dataclass(frozen=True)
class Drawing:
    """How an epoch draws from a pool: each cache's share of draws, and the sampling within it."""

    shares: tuple[float, ...]
    sampling: str = "none"
    positive_share: float = 0.35


def make_pool(
    sets: Sequence[CachedSet],
    keep: Sequence[NDArray[np.bool_]],
    slices_per_input: int = 1,
) -> Pool:
    """Number the slices that `keep` (one bool[n] a set, over its frame) chooses.

    Neighbours in a series count whether they are chosen or not.

    Raises
    ------
    TrainingError
        The caches differ in size.
    """
    if len({item.size for item in sets}) > 1:
        sizes = ", ".join(f"{item.folder}: {item.size} pixels" for item in sets)
        raise TrainingError(f"Caches that are mixed must have one size ({sizes}): make them anew.")
    source, rows, placement, targets = [], [], [], []
    for number, (item, chosen) in enumerate(zip(sets, keep, strict=True)):
        around = neighbour_rows(item.frame["series"], slices_per_input)[chosen]
        source.append(np.full(len(around), number, np.int64))
        rows.append(item.frame["row"].to_numpy(np.int64)[around])
        placement.append(field_placement(item.frame)[around])
        targets.append(item.targets[chosen])
    return Pool(
        hu=tuple(item.hu for item in sets),
        source=np.concatenate(source),
        rows=np.concatenate(rows),
        placement=np.concatenate(placement),
        targets=np.concatenate(targets),
    )


def join_pools(first: Pool, second: Pool) -> Pool:
    """One pool of two: the numbers of the second's slices follow those of the first's.

    Only the second may have cells.
    """
    unknown = np.full(len(first), -1)
    return Pool(
        hu=(*first.hu, *second.hu),
        source=np.concatenate([first.source, second.source + len(first.hu)]),
        rows=np.concatenate([first.rows, second.rows]),
        placement=np.concatenate([first.placement, second.placement]),
        targets=np.concatenate([first.targets, second.targets]),
        cells=second.cells,
        cell_rows=None if second.cell_rows is None else np.concatenate([unknown, second.cell_rows]),
    )


def neighbour_rows(series: "pd.Series[str]", count: int) -> NDArray[np.int64]:
    """Frame rows int64[n, count] around each row, clamped at the ends of its series.

    Parameters
    ----------
    series
        Of a frame in which each series lies together, ordered along z.
    count
        Odd.
    """
    codes = pd.factorize(series)[0]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    lengths = np.diff(starts, append=len(codes))
    first = np.repeat(starts, lengths)
    last = np.repeat(starts + lengths - 1, lengths)
    steps = np.arange(count) - count // 2
    around = np.arange(len(codes))[:, None] + steps
    clamped: NDArray[np.int64] = np.clip(around, first[:, None], last[:, None])
    return clamped


def shares_of(weights: Sequence[float]) -> tuple[float, ...]:
    """Each cache's share of draws; they sum to 1."""
    return tuple(weight / sum(weights) for weight in weights)


def drawn_prevalence(pool: Pool, drawing: Drawing) -> NDArray[np.float64]:
    """Share of positives among the draws, float64[6]."""
    prevalence = np.zeros(pool.targets.shape[1])
    for number, share in enumerate(drawing.shares):
        targets = pool.targets[pool.source == number]
        prevalence += share * (drawing_shares(targets, *_sampling(drawing)) @ targets)
    return prevalence


def true_prevalence(pool: Pool) -> NDArray[np.float64]:
    """Share of positives in the first cache, float64[6].

    A mixture has no true prevalence of its own: the first cache is the one that the network is
    meant for, the others lend it slices.
    """
    prevalence: NDArray[np.float64] = pool.targets[pool.source == 0].mean(axis=0)
    return prevalence


def epoch_length(pool: Pool, drawing: Drawing) -> int:
    """Draws in which the first cache is passed once."""
    first = pool.targets[pool.source == 0]
    return round(pass_length(first, *_sampling(drawing)) / drawing.shares[0])


def epoch_order(
    pool: Pool, drawing: Drawing, slices: int, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The numbers of an epoch's slices in their order; a pure function of its arguments.

    Each cache is passed over and over, and an epoch goes on where the one before ended: short
    epochs see every slice in the end.

    Returns
    -------
    int64[slices]
    """
    counts = np.diff(np.round(slices * np.cumsum((0.0, *drawing.shares))).astype(int))
    drawn = []
    for number, count in enumerate(counts):
        numbers = np.flatnonzero(pool.source == number)
        span = range(epoch * int(count), (epoch + 1) * int(count))
        drawn.append(
            numbers[draw(pool.targets[numbers], *_sampling(drawing), span, (seed, number))]
        )
    shuffler = np.random.default_rng([seed, epoch])
    return shuffler.permutation(np.concatenate(drawn))


def require_trainable(pool: Pool, sets: Sequence[CachedSet]) -> None:
    """Refuse a pool in which a cache has no slices, or only one class.

    Raises
    ------
    TrainingError
        It names the cache.
    """
    for number, item in enumerate(sets):
        targets = pool.targets[pool.source == number]
        if not len(targets):
            raise TrainingError(f"No slice of {item.folder} is left for training.")
        try:
            require_both_classes(targets)
        except TrainingError as problem:
            raise TrainingError(f"{item.folder}: {problem}") from problem


def _sampling(drawing: Drawing) -> tuple[str, float]:
    return drawing.sampling, drawing.positive_share
