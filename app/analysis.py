"""One analysis job: read the series, judge whether it is a head CT, predict, keep the result."""

import logging
import time
from collections import Counter
from dataclasses import asdict
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app import jobs
from app.db.models import Analysis, Instance, SliceResult, random_id
from app.jobs import Lease
from app.operating_points import judged_at
from app.reading.slices import ordered_instances
from app.services import Services
from app.site import site_settings
from app.storage import HEAT, HU
from model.artifact import ModelCard
from model.dicom.eligibility import judge_series
from model.dicom.series import SeriesGeometry
from model.dicom.tissue_statistics import measure_tissue
from model.finding import finding_state
from model.labels import by_label
from model.predictor import Predictor, SeriesPrediction
from model.unfamiliar import judge_unfamiliarity

logger = logging.getLogger(__name__)


def run_due_jobs(services: Services, predictor: Predictor, holder: str) -> None:
    """Work until no job is due."""
    settings = services.settings
    while lease := jobs.claim(
        services.database, holder, settings.lease_seconds, settings.max_attempts
    ):
        _run_job(services, predictor, lease)


def _run_job(services: Services, predictor: Predictor, lease: Lease) -> None:
    logger.info("series %s: analysis starts", lease.series_id)
    try:
        _analyse(services, predictor, lease)
    except jobs.LeaseLostError as lost:
        logger.warning("%s; the result is dropped", lost)
    except Exception:
        reference = random_id()[:8]
        logger.exception("series %s: analysis failed, reference %s", lease.series_id, reference)
        reason = f"The analysis failed unexpectedly (reference {reference} in the worker's log)."
        try:
            jobs.give_up(services.database, lease, reason, services.settings.max_attempts)
        except jobs.LeaseLostError as lost:
            logger.warning("%s", lost)


def _analyse(services: Services, predictor: Predictor, lease: Lease) -> None:
    started = time.monotonic()
    instances, geometry = ordered_instances(services.database, lease.series_id)
    total = len(instances)
    report = partial(jobs.report_progress, services.database, lease, slices_total=total)
    report(slices_done=0)
    with services.database.read() as session:
        card, unserved = judged_at(predictor.card, site_settings(session).operating_points)
    analysis = Analysis(
        id=random_id(),
        series_id=lease.series_id,
        thresholds={label: asdict(points) for label, points in card.thresholds.items()},
        warnings=[*unserved, *_warnings(instances, geometry)],
        model_name=predictor.card.name,
        model_version=predictor.card.version,
        model_sha256=predictor.card.sha256,
        device=predictor.device,
        heat=predictor.card.heat,
    )
    prediction = None
    hu = [services.storage.read_array(HU, instance.id) for instance in instances]
    analysis.refusal = _refusal(services, analysis, instances, hu)
    if not analysis.refusal and geometry is not None:
        if (tissue := measure_tissue(hu)) is not None:
            analysis.tissue_hu, analysis.noise_hu = tissue.median_hu, tissue.noise_hu
        said = predictor.predict(
            hu, geometry.z_mm, on_progress=lambda done: report(slices_done=done)
        )
        familiar = judge_unfamiliarity(said.unfamiliarity, predictor.card.unfamiliar)
        analysis.refusal = familiar.reason
        analysis.warnings = [*familiar.warnings, *analysis.warnings]
        if familiar.eligible:
            prediction = said
            _fill(analysis, card, prediction, instances)
    analysis.seconds = time.monotonic() - started
    _keep(services, lease, analysis, prediction, total)


def _refusal(
    services: Services,
    analysis: Analysis,
    instances: list[Instance],
    hu: list[NDArray[np.int16]],
) -> str:
    """Why the series is not analysed, or nothing; what is merely odd becomes a warning."""
    limit = services.settings.max_slices
    if len(instances) > limit:
        return f"The series has {len(instances)} slices; Falx analyses up to {limit}."
    eligibility = judge_series(hu, [_spacing(instance) for instance in instances])
    analysis.warnings = [*analysis.warnings, *eligibility.warnings]
    return "" if eligibility.eligible else eligibility.reason


def _spacing(instance: Instance) -> tuple[float, float] | None:
    spacing = instance.pixel_spacing_mm
    return (spacing[0], spacing[1]) if spacing else None


def _warnings(instances: list[Instance], geometry: SeriesGeometry | None) -> list[str]:
    warnings = list(geometry.warnings) if geometry else []
    for warning, count in Counter(w for i in instances for w in i.warnings).items():
        everywhere = count == len(instances)
        warnings.append(
            warning if everywhere else f"{warning} ({count} of {len(instances)} slices)"
        )
    return warnings


def _fill(
    analysis: Analysis,
    card: ModelCard,
    prediction: SeriesPrediction,
    instances: list[Instance],
) -> None:
    highest = by_label(prediction.series_probabilities)
    analysis.probabilities = highest
    analysis.states = {
        label: finding_state(label, probability, card) for label, probability in highest.items()
    }
    analysis.slices = [
        SliceResult(position=position, instance_id=instance.id, probabilities=by_label(row))
        for position, (instance, row) in enumerate(
            zip(instances, prediction.probabilities, strict=True)
        )
    ]


def _keep(
    services: Services,
    lease: Lease,
    analysis: Analysis,
    prediction: SeriesPrediction | None,
    slices_total: int,
) -> None:
    if prediction is not None:
        services.storage.write_array(HEAT, analysis.id, prediction.heat.astype(np.float16))
    try:
        with services.database.write() as session:
            jobs.held_job(session, lease)
            session.add(analysis)
            session.flush()
            jobs.finish(session, lease, len(analysis.slices), slices_total)
    except Exception:
        services.storage.remove(HEAT, analysis.id)
        raise
    logger.info(
        "series %s: %s in %.1f s",
        lease.series_id,
        analysis.refusal or f"{slices_total} slices analysed",
        analysis.seconds,
    )
