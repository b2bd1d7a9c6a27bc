"""The commands: set up, run web and worker, manage the first accounts."""

import logging
import os
import sys
from pathlib import Path

import click

from app import auth, retention
from app.auth import ADMINISTRATOR, ROLES
from app.config import ConfigError, Settings, load_settings
from app.reports import labels
from app.services import open_services
from app.setup import prepare
from app.site import site_settings
from app.supervisor import run_processes
from model.errors import FalxError


@click.group()
@click.pass_context
def cli(context: click.Context) -> None:
    """Falx: head CT, read for intracranial hemorrhage. Research use only, not for clinical use."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    context.obj = load_settings()


@cli.command()
@click.pass_obj
def setup(settings: Settings) -> None:
    """Bring the database up to date; make the first administrator and the demo study."""
    prepare(settings)


@cli.command()
@click.pass_obj
def web(settings: Settings) -> None:
    """Serve the pages."""
    arguments = [
        sys.executable,
        "-m",
        "gunicorn",
        "wsgi:app",
        f"--bind={settings.host}:{settings.port}",
        "--worker-class=gthread",
        f"--threads={settings.web_threads}",
        "--timeout=120",
        "--no-control-socket",
        "--access-logfile=-",
        '--access-logformat=%(t)s "%(m)s %(U)s" %(s)s %(B)s %(M)s ms',
    ]
    os.execv(sys.executable, arguments)  # noqa: S606  # our own server, in this process's place


@cli.command()
@click.pass_obj
def worker(settings: Settings) -> None:
    """Analyse series as they come."""
    # Torch comes in with this import; no other command pays for it.
    from app.worker import run_worker

    run_worker(settings)


@cli.command()
@click.pass_obj
def run(settings: Settings) -> None:
    """Set up, then run web and worker together until interrupted."""
    prepare(settings)
    click.echo(f"Falx is on http://{settings.host}:{settings.port} (Ctrl-C stops it)")
    sys.exit(run_processes({"web": ["web"], "worker": ["worker"]}))


@cli.command()
@click.argument("username")
@click.option("--role", type=click.Choice(ROLES), default=ADMINISTRATOR, show_default=True)
@click.pass_obj
def add_user(settings: Settings, username: str, role: str) -> None:
    """Add an account and print its first password."""
    password = auth.random_password()
    auth.create_user(open_services(settings).database, username, password, role)
    click.echo(f"user {username} ({role}), password {password}")


@cli.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="a new folder")
@click.pass_obj
def export_labels(settings: Settings, folder: Path) -> None:
    """Write the readers' verdicts as training labels, without what names a patient."""
    exported = labels.export_labels(open_services(settings), folder)
    click.echo("\n".join(exported.lines()))
    click.echo(
        "Fill a cache from them with: python -m model.cache folder "
        f"--root {folder} --labels {folder / labels.CSV_NAME} --title ... --licence ... --to ..."
    )


@cli.command()
@click.option("--dry-run", is_flag=True, help="only tell how many studies would go")
@click.pass_obj
def remove_old_studies(settings: Settings, dry_run: bool) -> None:
    """Remove the studies that are older than this site keeps them (Settings, Retention)."""
    services = open_services(settings)
    with services.database.read() as session:
        days = site_settings(session).retention_days
        found = retention.preview(session, days, settings.claim_minutes)
    click.echo(found.in_words() if days else "This site keeps every study: retention is off.")
    if not dry_run:
        click.echo(f"Removed: {retention.remove_due(services)}.")
        with services.database.read() as session:
            left = retention.files_left(session)
        if left:
            which = f"{left:,} {'file' if left == 1 else 'files'} of removed studies"
            sys.exit(f"falx: {which} cannot be deleted, see above; the next removal tries again.")


def main() -> None:
    """Run a command; an expected failure ends it with one line and exit code 1."""
    try:
        cli()
    except (FalxError, ConfigError, auth.AccountError) as error:
        sys.exit(f"falx: {error}")
