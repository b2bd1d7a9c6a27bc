"""The queue that wakes workers up. It carries no state: the jobs live in the database."""

from collections.abc import Callable
from pathlib import Path

from huey import SqliteHuey
from huey.consumer import Consumer


class WakeUpQueue:
    """A huey queue with one task, "there may be work"."""

    def __init__(self, path: Path) -> None:
        self._huey = SqliteHuey("falx", filename=str(path), results=False)
        self._on_wake: Callable[[], None] = lambda: None
        self._task = self._huey.task(name="wake")(self._run)

    def wake(self) -> None:
        """Wake one waiting worker up."""
        self._task()

    def consumer(self, on_wake: Callable[[], None]) -> Consumer:
        """A consumer that calls `on_wake` in one thread; its `run` blocks until a signal.

        One thread and no forked child: a model loaded in a process with several torch threads
        hangs in a forked one.
        """
        self._on_wake = on_wake
        consumer: Consumer = self._huey.create_consumer(
            workers=1,
            worker_type="thread",
            periodic=False,
            initial_delay=0.05,
            max_delay=0.1,
        )
        return consumer

    def _run(self) -> None:
        self._on_wake()
