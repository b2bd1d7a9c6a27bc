"""Runs web and worker on one machine as children of one command."""

import logging
import signal
import subprocess
import sys
import time
from types import FrameType

logger = logging.getLogger(__name__)

STOP_SECONDS = 15
QUICK_DEATH_SECONDS = 10
MAX_QUICK_DEATHS = 3
"""What ends so often right after its start will not do better the next time."""


class _StopRequestedError(Exception):
    """The supervisor was asked to end."""


def run_processes(commands: dict[str, list[str]]) -> int:
    """Run ``python -m app`` with each command, and start again what ends.

    Returns
    -------
    The exit code: 0 after a signal, otherwise that of the process that could not start.
    """
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, _on_signal)
    children = [_Child(name, command) for name, command in commands.items()]
    try:
        while True:
            for child in children:
                if child.quick_deaths >= MAX_QUICK_DEATHS:
                    return child.code or 1
                child.keep_running()
            time.sleep(0.2)
    except _StopRequestedError:
        return 0
    finally:
        for child in children:
            child.end()


class _Child:
    """One process, started again when it ends."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.quick_deaths = 0
        self.code: int | None = None
        self._arguments = [sys.executable, "-m", "app", *command]
        self._start()

    def keep_running(self) -> None:
        self.code = self._process.poll()
        if self.code is None:
            return
        logger.warning("%s ended with code %s", self.name, self.code)
        quick = time.monotonic() - self._started < QUICK_DEATH_SECONDS
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        if self.quick_deaths < MAX_QUICK_DEATHS:
            self._start()

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not end and is killed", self.name)
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._started = time.monotonic()
        self._process = subprocess.Popen(self._arguments)


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    raise _StopRequestedError
