"""A real PostgreSQL server for the tests, in a temporary folder, reached through its socket."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

SERVER_USER = "postgres"
"""The server refuses to run as root; Debian's package brings this user."""


def find_server() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, the newest version's first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    on_path = shutil.which("pg_ctl")
    if on_path:
        found.append(Path(on_path))
    return found[-1].parent if found else None


@contextmanager
def running_server(programs: Path) -> Iterator[Path]:
    """Start a server; yields the folder of its socket."""
    # Not pytest's folder: a socket's path may have 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="falx-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER)
    data = folder / "data"
    # No test cuts the power, and flushing to disk takes longest.
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    _run(programs / "initdb", "-D", data, "-U", "falx", "-A", "trust", "--no-sync")
    _run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
    try:
        yield folder
    finally:
        _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def new_database(folder: Path, model: str = "") -> str:
    """Make a database, a copy of the one at the URL `model` if given; returns its URL."""
    name = f"falx_{uuid.uuid4().hex}"
    template = make_url(model).database if model else "template1"
    with psycopg.connect(host=str(folder), user="falx", dbname="postgres", autocommit=True) as c:
        c.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return f"postgresql+psycopg://falx@/{name}?host={folder}"


def _run(*command: str | Path) -> None:
    prefix = ["runuser", "-u", SERVER_USER, "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")
