"""A whole installation as `make run` starts it, for the browser tests and the benchmark."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from app.config import PROJECT_ROOT

START_SECONDS = 120
LEASE_SECONDS = 3
"""Short, so that the job of a killed worker is soon taken up again."""


@dataclass(frozen=True)
class LiveClinic:
    """A running installation: its address and folder, the administrator's password, its pid."""

    address: str
    data: Path
    password: str
    pid: int

    def log_in(self) -> requests.Session:
        """An HTTP session in which the administrator is logged in."""
        session = requests.Session()
        page = session.get(f"{self.address}/login", timeout=30)
        answer = session.post(
            f"{self.address}/login",
            data={"csrf_token": token_of(page), "username": "admin", "password": self.password},
            timeout=30,
        )
        answer.raise_for_status()
        return session

    def is_busy(self, session: requests.Session) -> bool:
        """Whether the worklist shows a study whose analysis is not done."""
        page = session.get(self.address, timeout=30).text
        states = ("arriving", "waiting", "analysing")
        return any(f'class="state {state}"' in page for state in states)

    def processes(self) -> dict[str, int]:
        """`gunicorn` (its serving child) and `worker` -> process id."""
        found: dict[str, int] = {}
        for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
            try:
                command = (process / "cmdline").read_text().split("\0")
            except OSError:
                continue
            kind = next((kind for kind in ("gunicorn", "worker") if kind in command), None)
            if kind and self.pid in _ancestors(int(process.name)):
                found[kind] = int(process.name)
        return found


@contextmanager
def live_clinic(data: Path) -> Iterator[LiveClinic]:
    """Run web and worker on a free port with `data` as their folder, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = data / "log"
    # A pipe that nobody empties would stop the web process once its access log has filled it.
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "run"],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "FALX_DATA": str(data),
                "FALX_PORT": str(port),
                "FALX_LEASE_SECONDS": str(LEASE_SECONDS),
                "PYTHONUNBUFFERED": "1",
            },
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: "Falx is on" in log.read_text() or process.poll() is not None,
            START_SECONDS,
            "the setup is done",
        )
        clinic = LiveClinic(f"http://127.0.0.1:{port}", data, _first_password(log), process.pid)
        wait_until(lambda: _is_healthy(clinic), START_SECONDS, "web and worker are up")
        yield clinic
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Return as soon as `condition` holds.

    Raises
    ------
    TimeoutError
        It did not hold in time; names `what`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def _ancestors(pid: int) -> list[int]:
    line = []
    while pid > 1:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            break
        pid = int(status.split("PPid:")[1].split()[0])
        line.append(pid)
    return line


def token_of(page: requests.Response) -> str:
    """The CSRF token of the first form on the page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    if found is None:
        raise ValueError(f"no form on {page.url}")
    return found.group(1)


def _first_password(log: Path) -> str:
    told = re.search(r"password: (\S+)", log.read_text())
    if told is None:
        raise ValueError("the installation told no password")
    return told.group(1)


def _is_healthy(clinic: LiveClinic) -> bool:
    try:
        return requests.get(f"{clinic.address}/healthz", timeout=30).ok
    except requests.ConnectionError:
        return False
