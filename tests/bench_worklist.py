"""What the worklist costs with 10,000 studies: a page, a poll, and 50 readers who keep it open.

    PYTHONPATH=.:tests .venv/bin/python tests/bench_worklist.py

Requests go through the whole application in this process; the server's own work on a connection
is not part of the figures.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from flask.testing import FlaskClient

from app import auth
from app.config import load_settings
from app.db.models import now
from app.db.session import migrate
from app.factory import create_app
from app.services import Services, open_services
from app.worklist_version import mark_changed
from clinic import PASSWORD, log_in, new_study

STUDIES: Final = 10_000
READERS: Final = 50
POLL_SECONDS: Final = 5
"""As `static/live.js` has it."""
CHANGES_A_MINUTE: Final = 1
"""A head CT every two minutes is much for one site; each changes the list a few times."""
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
        tag = reader.get("/worklist").headers["ETag"]
        unchanged = {"If-None-Match": tag}
        page = median_ms(lambda: expect(reader, "/", 200))
        searched = median_ms(lambda: expect(reader, "/?q=Name77&state=not+flagged", 200))
        last = median_ms(lambda: expect(reader, "/?page=200", 200))
        poll = median_ms(lambda: expect(reader, "/worklist", 304, unchanged))
        fresh = median_ms(lambda: changed(services, reader))
    quiet = READERS * poll / (POLL_SECONDS * 10)
    busy = quiet + READERS * CHANGES_A_MINUTE * fresh / 600
    return [
        (f"worklist of {STUDIES:,} studies, a page", f"{page:.0f} ms", "aim: under 100 ms"),
        ("the same, searched and filtered", f"{searched:.0f} ms", "aim: under 100 ms"),
        ("the same, the last page", f"{last:.0f} ms", "aim: under 100 ms"),
        ("a poll where nothing has changed", f"{poll:.1f} ms", ""),
        ("the list after a change", f"{fresh:.0f} ms", ""),
        (f"{READERS} open lists, of a core, nothing changes", f"{quiet:.1f} %", "aim: under 5 %"),
        (f"{READERS} open lists, of a core, a change a minute", f"{busy:.1f} %", "aim: under 5 %"),
    ]


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
    expect(reader, "/worklist", 200)


def expect(
    reader: FlaskClient, path: str, status: int, headers: dict[str, str] | None = None
) -> None:
    """Ask for the page; it is an error if the answer is another than the one to be timed."""
    answer = reader.get(path, headers=headers or {})
    if answer.status_code != status:
        raise RuntimeError(f"{path} answers {answer.status_code}, not {status}")


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
