"""What one call of the pipeline is to do, where its results lie, and for how long; and a step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """What one call is to do.

    Parameters
    ----------
    root, packed
        The data set, or a packed cache of it; None where caches are given that are there already.
    work
        Folder of cache, run and artefact.
    cache_size
        Pixels of a cache that is made.
    options
        Those of `model.train`, but for its run, its minutes and, where everybody trains in the end,
        its rotation.
    checkpoint, version, note
        Which weights, and what the card says of them.
    device, workers
        For all steps; without workers, each has its own default.
    slices, heads
        How many simulated slices are shown, and how many synthetic heads are looked at; None for
        each step's own number.
    deadline
        On the clock of `time.monotonic`.
    run_name, rotation
        Of the one run; of one of several, `turned` sets both.
    """

    root: Path | None
    packed: Path | None
    work: Path
    cache_size: int
    options: tuple[str, ...]
    checkpoint: str
    version: str
    note: str
    device: str
    workers: int | None
    slices: int | None
    heads: int | None
    deadline: float
    run_name: str = "run"
    rotation: str | None = None

    @property
    def cache(self) -> Path:
        """Where the data set's cache is made."""
        return self.work / "cache"

    @property
    def run(self) -> Path:
        """Checkpoints and results."""
        return self.work / self.run_name

    @property
    def training(self) -> tuple[str, ...]:
        """All options of `model.train`, but for its minutes."""
        rotation = () if self.rotation is None else (f"--rotation={self.rotation}",)
        return (*self.options, f"--run={self.run}", *rotation)

    def turned(self, name: str, rotation: str) -> "Plan":
        """The same for one run of several, as `model.train --rotation` understands it."""
        return replace(self, run_name=name, rotation=rotation)

    @property
    def weights(self) -> Path:
        """The artefact."""
        return self.work / "weights"

    @property
    def minutes_left(self) -> float:
        """Of this call; negative once the time is up."""
        return (self.deadline - time.monotonic()) / 60

    @property
    def common(self) -> list[str]:
        """Options that every step after training takes."""
        return [f"--run={self.run}", f"--device={self.device}", f"--workers={self.workers or 1}"]

    @property
    def measuring(self) -> list[str]:
        """Options that steps take which measure the run, or its rotations where nobody is left."""
        judges = [f"--rotations={self.run.parent}"] if self.rotation == "none" else []
        return [*self.common, *judges]

    @property
    def showing(self) -> list[str]:
        """Options that steps take which show simulated slices."""
        slices = [] if self.slices is None else [f"--slices={self.slices}"]
        return [*self.measuring, *slices]


@dataclass(frozen=True)
class Step:
    """One step.

    Parameters
    ----------
    name
        For messages and `--until`.
    left
        Says what is left to do, or nothing where its outputs are there and of these inputs.
    do
        Does it, or as much of it as there is time for.
    """

    name: str
    left: Callable[[Plan], str]
    do: Callable[[Plan], None]
