"""The worker process: owns the model, and analyses series as they come."""

import logging
import threading
from datetime import timedelta

from sqlalchemy import delete

from app import jobs, retention
from app.analysis import run_due_jobs
from app.config import Settings
from app.db.models import WorkerHeartbeat, now, random_id
from app.services import Services, open_services
from model.predictor import Predictor, load_predictor
from model.system.memory import keep_freed_memory

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5
HOUSEKEEPING_SECONDS = 600
FORGOTTEN_AFTER = timedelta(hours=1)


def run_worker(settings: Settings) -> None:
    """Load the model, then work until a signal ends the process.

    Raises
    ------
    ArtifactError
        The model's file, card or checksum is not in order; nothing was analysed.
    DeviceError
        The device that is configured is not there.
    """
    keep_freed_memory()
    services = open_services(settings)
    predictor = load_predictor(settings.model, settings.device)
    holder = random_id()
    logger.info(
        "worker %s: model %s %s on %s",
        holder[:8],
        predictor.card.name,
        predictor.card.version,
        predictor.device,
    )
    stopping = threading.Event()
    heart = threading.Thread(
        target=_beat, args=(services, predictor, holder, stopping), name="heartbeat", daemon=True
    )
    heart.start()
    # A daemon: what is interrupted is taken up again at the next start.
    threading.Thread(
        target=_keep_house, args=(services, stopping), name="housekeeping", daemon=True
    ).start()
    try:
        services.queue.consumer(lambda: run_due_jobs(services, predictor, holder)).run()
    finally:
        stopping.set()
        heart.join()
        _remove_heartbeat(services, holder)


def _beat(services: Services, predictor: Predictor, holder: str, stopping: threading.Event) -> None:
    """Show that the worker lives, and look for jobs whose wake-up or whose worker was lost."""
    while True:
        try:
            _write_heartbeat(services, predictor, holder)
            if jobs.any_due(services.database):
                services.queue.wake()
        except Exception:
            # A locked or full database now may be well again at the next beat.
            logger.exception("worker %s: no heartbeat", holder[:8])
        if stopping.wait(HEARTBEAT_SECONDS):
            return


def _keep_house(services: Services, stopping: threading.Event) -> None:
    """Remove the studies that the site keeps no longer."""
    while True:
        try:
            retention.remove_due(services)
        except Exception:
            logger.exception("housekeeping failed; it is tried again")
        if stopping.wait(HOUSEKEEPING_SECONDS):
            return


def _write_heartbeat(services: Services, predictor: Predictor, holder: str) -> None:
    with services.database.write() as session:
        # Killed workers could not take their last sign of life with them.
        session.execute(
            delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < now() - FORGOTTEN_AFTER)
        )
        session.merge(
            WorkerHeartbeat(
                worker=holder,
                seen_at=now(),
                model_version=predictor.card.version,
                model_sha256=predictor.card.sha256,
                device=predictor.device,
            )
        )


def _remove_heartbeat(services: Services, holder: str) -> None:
    with services.database.write() as session:
        beat = session.get(WorkerHeartbeat, holder)
        if beat is not None:
            session.delete(beat)
