"""Measure the simulator: `PYTHONPATH=. .venv/bin/python tests/bench_simulate.py --cache CACHE`."""

import argparse
import dataclasses
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from model.data.cached import open_cache
from model.data.simulate.insert import Plan
from model.data.simulate.store import StoredSeries, open_store
from model.data.simulate.training import draw_training_slice

SIZE = 256
AIM = "aim: 150 on two cores"


def smaller(
    hu: np.ndarray, store: list[StoredSeries], size: int
) -> tuple[np.ndarray, list[StoredSeries]]:
    """The same series at `size` pixels (nearest ones: only the time counts here)."""
    picks = (np.arange(size) + 0.5) * hu.shape[1] / size
    picks = picks.astype(int)
    factor = hu.shape[1] / size
    rows = np.unique(np.concatenate([series.rows for series in store]))
    small = np.zeros((len(hu), size, size), np.int16)
    small[rows] = hu[rows][:, picks][:, :, picks]
    made = []
    for series in store:
        anatomy = series.anatomy
        grids = tuple(
            dataclasses.replace(grid, pixel_mm=grid.pixel_mm * factor) for grid in anatomy.grids
        )
        codes = np.ascontiguousarray(anatomy.codes[:, picks][:, :, picks])
        depths = np.ascontiguousarray(anatomy.depths[:, picks][:, :, picks])
        anatomy = dataclasses.replace(anatomy, grids=grids, codes=codes, depths=depths)
        made.append(dataclasses.replace(series, anatomy=anatomy))
    return small, made


def measure(folder: Path, seed: int, count: int, plan: Plan) -> tuple[float, float, int]:
    """Seconds and processor seconds for `count` samples, and how many are positive."""
    cached = open_cache(folder)
    hu, store = smaller(cached.hu, open_store(cached)[:8], SIZE)
    draw_training_slice(hu, store, np.random.default_rng((seed, 0)), plan)
    started, busy = time.perf_counter(), time.process_time()
    positive = 0
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        positive += int(draw_training_slice(hu, store, rng, plan).targets[0])
    return time.perf_counter() - started, time.process_time() - busy, positive


def main() -> None:
    """Print slices per second at 256 px, in one process and in two at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400)
    arguments = parser.parse_args()
    for name, plan in (("usual plan", Plan()), ("every sample bleeds", Plan(bleeding=1.0))):
        for processes in (1, 2):
            with ProcessPoolExecutor(processes) as pool:
                jobs = [
                    pool.submit(measure, arguments.cache, seed, arguments.count, plan)
                    for seed in range(processes)
                ]
                found = [job.result() for job in jobs]
            rate = sum(arguments.count / seconds for seconds, _, _ in found)
            busy = sum(spent for _, spent, _ in found) / (processes * arguments.count)
            share = sum(positive for _, _, positive in found) / (processes * arguments.count)
            print(
                f"{name}, {processes} process(es), {SIZE} px: {rate:.0f} slices/s, "
                f"{1000 * busy:.1f} processor ms a slice ({share:.0%} positive)   {AIM}"
            )


if __name__ == "__main__":
    main()
