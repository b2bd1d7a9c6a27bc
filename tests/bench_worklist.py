"""What the worklist costs with 10,000 studies: a page, a poll, and 50 readers who keep it open.

    PYTHONPATH=.:tests .venv/bin/python tests/bench_worklist.py

Pages go through the whole application in this process, and their figures are processor time: the
machine may be busy. The open lists ask a running installation over HTTP; their figure is what its
web process took, connections included.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import requests
from flask.testing import FlaskClient

from app import auth
from app.config import load_settings
from app.db.models import now
from app.db.session import migrate
from app.factory import create_app
from app.list_version import mark_changed
from app.services import Services, open_services
from clinic import PASSWORD, log_in, new_study
from live_clinic import live_clinic, wait_until

STUDIES: Final = 10_000
READERS: Final = 50
POLL_SECONDS: Final = 8
"""As `static/live.js` has it."""
CHANGES_A_MINUTE: Final = 1
"""A head CT every two minutes is much for one site; each changes the list a few times."""
ROUNDS: Final = 6
"""How often each open list asks."""
REPEATS: Final = 50
STATES: Final = (("flagged", 0.9), ("indeterminate", 0.3), ("not analysed", None))


def main() -> None:
    """Measure and print the table."""
    for name, value, aim in worklist_lines():
        print(f"{name:<52}{value:>14}   {aim}")


def worklist_lines() -> list[tuple[str, str, str]]:
    """Name, value and aim of each figure."""
    with tempfile.TemporaryDirectory() as folder:
        services = open_services(load_settings({}, {"data": Path(folder)}))
        migrate(services.settings.resolved_database_url)
        auth.create_user(services.database, "rita", PASSWORD, auth.READER)
        fill(services)
        reader = log_in(create_app({"data": Path(folder)}).test_client(), "rita")
        page = median_ms(lambda: expect(reader, "/"))
        searched = median_ms(lambda: expect(reader, "/?q=Name77&state=not+flagged"))
        last = median_ms(lambda: expect(reader, "/?page=200"))
        fresh = median_ms(lambda: changed(services, reader))
    quiet = share_of_open_lists()
    busy = quiet + READERS * CHANGES_A_MINUTE * fresh / 600
    return [
        (f"worklist of {STUDIES:,} studies, a page", f"{page:.0f} ms", "aim: under 100 ms"),
        ("the same, searched and filtered", f"{searched:.0f} ms", "aim: under 100 ms"),
        ("the same, the last page", f"{last:.0f} ms", "aim: under 100 ms"),
        ("the list after a change", f"{fresh:.0f} ms", ""),
        (f"{READERS} open lists, of a core, nothing changes", f"{quiet:.1f} %", "aim: under 5 %"),
        (f"{READERS} open lists, of a core, a change a minute", f"{busy:.1f} %", "aim: under 5 %"),
    ]


def share_of_open_lists() -> float:
    """Per cent of a core that the web process takes for all readers while nothing changes."""
    with tempfile.TemporaryDirectory() as folder, live_clinic(Path(folder)) as clinic:
        first = clinic.log_in()
        wait_until(lambda: not clinic.is_busy(first), 300, "the demo study is analysed")
        sessions = [requests.Session() for _ in range(READERS)]
        for session in sessions:
            session.cookies.update(first.cookies)
        address = f"{clinic.address}/worklist"
        tag = first.get(address, timeout=30).headers["ETag"]
        pid = clinic.processes()["gunicorn"]
        started, before = time.perf_counter(), processor_seconds(pid)
        for number in range(ROUNDS * READERS):
            due = started + number * POLL_SECONDS / READERS
            time.sleep(max(0.0, due - time.perf_counter()))
            session = sessions[number % READERS]
            answer = session.get(address, headers={"If-None-Match": tag}, timeout=30)
            if answer.status_code != 304:
                raise RuntimeError(f"the list changed while it was measured: {answer.status_code}")
        taken = processor_seconds(pid) - before
        return 100 * taken / (time.perf_counter() - started)


def processor_seconds(pid: int) -> float:
    """What a process has taken of the processors so far (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(services: Services) -> None:
    """Store the studies: most reviewed, as on a site after a year; 500 still to be read."""
    chance = random.Random(0)
    with services.database.write() as session:
        for number in range(STUDIES):
            state, probability = (
                chance.choice(STATES) if chance.random() < 0.15 else ("not flagged", 0.01)
            )
            received = now() - timedelta(minutes=30 * number)
            study = new_study(
                study_instance_uid=f"1.2.{number}",
                patient_id=f"P{number // 2}",
                patient_name=f"Name{number}^Given",
                study_description="CT head",
                state=state,
                any_probability=probability,
                received_at=received,
                reviewed_at=received + timedelta(hours=2) if number >= 500 else None,
            )
            session.add(study)


def changed(services: Services, reader: FlaskClient) -> None:
    """Change the list, then ask for it."""
    with services.database.write() as session:
        mark_changed(session)
    expect(reader, "/worklist")


def expect(reader: FlaskClient, path: str) -> None:
    """Ask for the page; it is an error if there is none to be timed."""
    answer = reader.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answers {answer.status_code}")


def median_ms(work: Callable[[], object]) -> float:
    """The median processor time of `work` in milliseconds: the machine may be busy."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
