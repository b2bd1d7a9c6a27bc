"""A study's report as data: what the page and the PDF say, but for the pictures."""

import json
from typing import Any

from app.reading.study_page import Finding
from app.reports.report import Opinion, Report, SeriesReport
from app.reports.study_facts import STUDY_FACTS
from model.notice import NOTICE


def report_json(report: Report) -> str:
    """The report as one JSON object; probabilities, thresholds and measured shares are 0..1."""
    study = report.study
    told = {name: getattr(study, name) for name in (*STUDY_FACTS, "state")}
    answer = {
        "notice": NOTICE,
        "made": report.made,
        "study": {**told, "received_at": study.received_at.isoformat()},
        "series": [_series(part) for part in report.series],
    }
    return json.dumps(answer, indent=1)


def _series(part: SeriesReport) -> dict[str, Any]:
    page = part.page
    return {
        "series_instance_uid": page.series.series_instance_uid if page.series else None,
        "series_description": page.series.series_description if page.series else None,
        "slices": len(page.instances),
        "not_analysed": part.not_analysed or None,
        "findings": [_finding(one) for one in page.findings] if page.analysed else [],
        "measured_on": part.measured_on if page.analysed else None,
        "warnings": part.warnings,
        "suspicious_slices": [
            {
                "slice": picture.number,
                "sop_instance_uid": picture.instance.sop_instance_uid,
                "caption": picture.caption,
            }
            for picture in part.pictures
        ],
        "slices_left": part.pictures_left or None,
        "verdicts": [_opinion(one) for one in part.opinions],
        "notes": part.notes,
        "model": _model(part),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    screen, alert = finding.screen or {}, finding.alert or {}
    return {
        "label": finding.label,
        "state": finding.state,
        "probability": finding.probability,
        "flagged_from": alert["threshold"],
        "sensitivity_there": alert["study_sensitivity"],
        "specificity_there": alert["study_specificity"],
        "not_flagged_below": min(screen["threshold"], alert["threshold"]),
    }


def _opinion(opinion: Opinion) -> dict[str, Any]:
    return {
        "by": opinion.heading,
        "labels": opinion.labels,
        "slices": opinion.slices,
        "comment": opinion.comment,
    }


def _model(part: SeriesReport) -> dict[str, str] | None:
    made = part.page.analysis
    if made is None:
        return None
    return {
        "name": made.model_name,
        "version": made.model_version,
        "sha256": made.model_sha256,
        "device": made.device,
        "analysed_at": made.created_at.isoformat(),
    }
