"""Draws of an epoch: real slices, and real slices into which bleeding or look-alikes are put."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.data.cached import CachedSet, field_placement
from model.data.cells import cells_of_masks
from model.data.duplicates import contradictory
from model.data.mixture import Drawing, Pool, Samples, epoch_order, join_pools, neighbour_rows
from model.data.simulate.insert import Plan
from model.data.simulate.store import StoredSeries, list_store
from model.data.simulate.training import TrainingDraw, draw_training_slice
from model.data.simulated_bank import Bank
from model.errors import TrainingError
from model.labels import LABELS

SIMULATED: Final = -1
"""Stands in an epoch's order where a simulated slice is drawn."""

_NONE: Final = np.zeros(len(LABELS), np.int8)
_DRAWN: Final = (1,)
_ESTIMATED: Final = (2,)
"""Chance of one kind is not that of another (NumPy's spawn keys)."""


@dataclass(frozen=True)
class Lender:
    """A cache's train patients without hemorrhage, whose slices take up what is simulated.

    Parameters
    ----------
    hu
        The cache's memory map, int16[N, H, W].
    store
        The anatomy of their series.
    placement
        float32[N, C, 3], as in `Samples`, by row of `hu`.
    """

    hu: NDArray[np.int16]
    store: Sequence[StoredSeries]
    placement: NDArray[np.float32]


@dataclass(frozen=True)
class Simulator:
    """Makes each sample as it is drawn.

    Parameters
    ----------
    bleeding
        Share of the samples that are meant to bleed, 0..1; some of them are given up, where
        nothing would be visible.
    lenders, shares
        One a cache, and the share of draws that each lends.
    """

    bleeding: float
    lenders: tuple[Lender, ...]
    shares: tuple[float, ...]

    def draw(self, seed: np.random.SeedSequence) -> Samples:
        """Draw one sample; the same seed gives the same one."""
        lender, made = self._made(seed, neighbours=self.lenders[0].placement.shape[1] // 2)
        return Samples(
            made.hu[None],
            lender.placement[made.row][None],
            made.targets.astype(np.int8)[None],
            cells_of_masks(made.masks)[None],
        )

    def count(self, numbers: range) -> NDArray[np.int64]:
        """Positives by label, int64[6], among the draws of these numbers from a fixed seed."""
        seeds = (np.random.SeedSequence(number, spawn_key=_ESTIMATED) for number in numbers)
        targets = [self._made(seed, neighbours=0)[1].targets for seed in seeds]
        counted: NDArray[np.int64] = np.sum([_NONE, *targets], axis=0, dtype=np.int64)
        return counted

    def _made(self, seed: np.random.SeedSequence, neighbours: int) -> tuple[Lender, TrainingDraw]:
        rng = np.random.default_rng(seed)
        lender = self.lenders[int(rng.choice(len(self.lenders), p=self.shares))]
        # Settled here: the simulator would ask again each time that nothing is visible.
        plan = Plan(bleeding=float(rng.random() < self.bleeding))
        return lender, draw_training_slice(lender.hu, lender.store, rng, plan, neighbours)


@dataclass(frozen=True)
class Simulation:
    """Which share of an epoch's draws, 0..1, is simulated, and where it comes from."""

    share: float
    source: Simulator | Bank


@dataclass(frozen=True)
class EpochDraws:
    """What an epoch draws, by position; each sample depends on seed, epoch and position alone.

    Parameters
    ----------
    pool
        The real slices.
    order
        int64[n], numbers of the pool, or `SIMULATED`.
    simulation
        Where simulated slices come from; None where there are none.
    seed, epoch
        Of all chance.
    """

    pool: Pool
    order: NDArray[np.int64]
    simulation: Simulation | None
    seed: int
    epoch: int

    def read(self, chosen: NDArray[np.int64]) -> Samples:
        """Read or make the samples at these positions, int64[B]."""
        numbers = self.order[chosen]
        real = np.flatnonzero(numbers != SIMULATED)
        if self.simulation is None or len(real) == len(chosen):
            return self.pool.read(numbers)
        made = np.flatnonzero(numbers == SIMULATED)
        parts = [
            self.simulation.source.draw(self._seed(int(position))) for position in chosen[made]
        ]
        parts += [self.pool.read(numbers[real])] if len(real) else []
        back = np.argsort(np.concatenate([made, real]))
        return Samples(
            np.concatenate([part.hu for part in parts])[back],
            np.concatenate([part.placement for part in parts])[back],
            np.concatenate([part.targets for part in parts])[back],
            np.concatenate([part.cells for part in parts])[back],
        )

    def settled(self) -> Pool:
        """The same samples by position, as slices that lie somewhere.

        Raises
        ------
        TypeError
            A simulator makes some of them.
        """
        if self.simulation is None:
            return self.pool.take(self.order)
        source, numbers = self.simulation.source, self.order.copy()
        if isinstance(source, Simulator):
            raise TypeError("What is made as it is drawn lies nowhere.")
        for position in np.flatnonzero(numbers == SIMULATED).tolist():
            numbers[position] = len(self.pool) + source.number(self._seed(position))
        return join_pools(self.pool, source.pool).take(numbers)

    def _seed(self, position: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.seed, self.epoch, position], spawn_key=_DRAWN)


def epoch_draws(
    pool: Pool,
    drawing: Drawing,
    simulation: Simulation | None,
    *,
    slices: int,
    seed: int,
    epoch: int,
) -> EpochDraws:
    """Settle what an epoch draws; a pure function of its arguments.

    Simulated draws lie evenly among the real ones, so that every batch has its share of them.
    """
    share = simulation.share if simulation else 0.0
    # The small number makes up for rounding: 0.29 * 100 is a little less than 29.
    made = np.diff(np.floor(np.arange(slices + 1) * share + 1e-9)) > 0
    order = np.full(slices, SIMULATED, np.int64)
    order[~made] = epoch_order(pool, drawing, int((~made).sum()), seed, epoch)
    return EpochDraws(pool, order, simulation, seed, epoch)


def lending_patients(cached: CachedSet, patients: Sequence[str]) -> set[str]:
    """Those of the patients in whose slices nothing bleeds.

    Nor is one of their slices, by its pixels, a slice that is labelled otherwise elsewhere.

    Raises
    ------
    TrainingError
        There is none.
    """
    frame = cached.frame
    doubtful = contradictory(frame) & ~frame["blank"].to_numpy(bool)
    unfit = doubtful | (frame["any"] == 1).to_numpy(bool)
    lending = set(patients) & set(frame["patient"]) - set(frame["patient"][unfit])
    if not lending:
        raise TrainingError(
            f"{cached.folder} has no patient without hemorrhage in its train part, in whose slices "
            "bleeding could be simulated: leave out --simulate."
        )
    return lending


def open_lender(cached: CachedSet, patients: set[str], slices_per_input: int) -> Lender:
    """Open the anatomy of these patients' series.

    Raises
    ------
    TrainingError
        It was not made yet, or no slice of theirs was understood.
    """
    store = list_store(cached, patients)
    if not store:
        raise TrainingError(
            f"No brain was found in the slices of {cached.folder} that could take up simulated "
            f"bleeding ({len(patients)} patients of the train part without hemorrhage): leave out "
            "--simulate."
        )
    frame = cached.frame
    around = neighbour_rows(frame["series"], slices_per_input)
    placement = np.zeros((len(cached.hu), slices_per_input, 3), np.float32)
    placement[frame["row"].to_numpy()] = field_placement(frame)[around]
    return Lender(cached.hu, store, placement)
