"""Work done ahead in other processes, its results handed over in order and few at a time."""

import itertools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from model.errors import TrainingError

Job = TypeVar("Job")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Job], Result], jobs: Iterator[Job], workers: int
) -> Iterator[Result]:
    """Yield what `read` returns for each job, in order.

    Parameters
    ----------
    read
        A function of a module; jobs and results are pickled.
    jobs
        Taken only as they are needed.
    workers
        Processes; with 0 or 1 there are none, and `read` runs here. At most workers + 2 results
        wait in memory.

    Raises
    ------
    TrainingError
        A process was killed; what `read` raises is raised here.
    """
    if workers <= 1:
        yield from map(read, jobs)
        return
    # Not forked from here: torch has threads, which a fork leaves in the middle of what they did.
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(workers, context, _end_with_parent)
    try:
        waiting = deque(pool.submit(read, job) for job in itertools.islice(jobs, workers + 2))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(read, job) for job in itertools.islice(jobs, 1))
            yield result
    except BrokenProcessPool as problem:
        raise TrainingError(
            "A reading process was killed (for want of memory?): run the same command again with "
            "fewer --workers."
        ) from problem
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when the one that wants its results is gone, even if that was killed."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
