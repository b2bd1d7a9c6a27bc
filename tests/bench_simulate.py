"""How many simulated slices a second training can draw; lines of the benchmark."""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from app.config import PROJECT_ROOT
from model.data.cache_writer import write_cache
from model.data.cached import open_cache
from model.data.ct_ich import CtIchSet
from model.data.simulate.insert import Plan
from model.data.simulate.store import build_store, open_store
from model.data.simulate.training import draw_training_slice

SOURCE = PROJECT_ROOT.parent / "shared" / "data" / "ct-ich"
SIZE = 256
SLICES = 300
AIM = "aim: 150"


def simulating_lines() -> Iterator[tuple[str, str, str]]:
    """Name, value and aim of each figure; nothing where the real CT is not there."""
    if not SOURCE.is_dir():
        return
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        write_cache(CtIchSet(SOURCE), cache, size=SIZE, workers=2)
        build_store(cache, workers=2)
        for name, plan in (("usual", Plan()), ("all bleed", Plan(bleeding=1.0))):
            for processes in (1, 2):
                with ProcessPoolExecutor(processes) as pool:
                    jobs = [
                        pool.submit(seconds_for, cache, seed, plan) for seed in range(processes)
                    ]
                    rate = sum(SLICES / job.result() for job in jobs)
                what = f"simulating at {SIZE} px, {name}, processes: {processes}"
                yield what, f"{rate:.0f} slices/s", AIM if processes == 2 else ""


def seconds_for(folder: Path, seed: int, plan: Plan) -> float:
    """Seconds that a process takes to draw `SLICES` samples."""
    cached = open_cache(folder)
    store = open_store(cached)
    draw_training_slice(cached.hu, store, np.random.default_rng((seed, SLICES)), plan)
    started = time.perf_counter()
    for number in range(SLICES):
        draw_training_slice(cached.hu, store, np.random.default_rng((seed, number)), plan)
    return time.perf_counter() - started
