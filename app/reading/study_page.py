"""What the review page shows of a study: one series, its slices in order, and the findings."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.db.models import Analysis, Instance, Series, Study
from app.db.session import Database
from app.jobs import OPEN
from app.reading.slices import ordered_instances
from app.reading.strip import Strip, strip_of
from app.reading.viewer_state import slice_state
from app.study_state import NOT_ANALYSED
from model.artifact import BLOOD_MAP
from model.dicom.series import SeriesGeometry
from model.labels import LABELS


@dataclass(frozen=True)
class Finding:
    """The model's statement on one label: highest over the series, and on the slice in view.

    Probabilities and thresholds in 0..1; `screen` and `alert` are the card's threshold points.
    """

    label: str
    state: str
    probability: float | None
    slice_probability: float | None
    screen: dict[str, Any] | None
    alert: dict[str, Any] | None


@dataclass(frozen=True)
class StudyPage:
    """One view of a study."""

    study: Study
    series: Series | None
    instances: list[Instance]
    geometry: SeriesGeometry | None
    position: int
    """Index into `instances` of the slice in view, 0 for the lowest."""
    label: str
    """The label whose probabilities the strip shows."""
    analysis: Analysis | None
    findings: list[Finding]
    warnings: list[str]
    heat: bool
    """Whether the heat map is asked for."""

    @property
    def finding(self) -> Finding:
        """The statement on the label in view."""
        return self.findings[LABELS.index(self.label)]

    @property
    def pending(self) -> bool:
        """Whether an analysis is still to come."""
        job = self.series.job if self.series else None
        return job is not None and job.state in OPEN

    @property
    def outdated(self) -> bool:
        """Whether slices came in that the analysis has not judged."""
        judged = {one.instance_id for one in self.analysis.slices} if self.analysis else set()
        return self.analysed and any(one.id not in judged for one in self.instances)

    @property
    def heat_position(self) -> int | None:
        """Where the slice in view stands in the analysis' heat maps."""
        position: int | None = self.slices[self.position]["heat_position"]
        return position

    @property
    def instance(self) -> Instance | None:
        """The slice in view."""
        return self.instances[self.position] if self.instances else None

    @property
    def analysed(self) -> bool:
        """Whether the model said something of the series as it is shown."""
        return self.analysis is not None and self.analysis.probabilities is not None

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width, so that the patient is not distorted."""
        spacing = self.instance.pixel_spacing_mm if self.instance else None
        return spacing[0] / spacing[1] if spacing else 1.0

    @property
    def heat_name(self) -> str:
        """What the reader calls the analysis' heat maps."""
        shows_blood = self.analysis is not None and self.analysis.heat == BLOOD_MAP
        return "Blood map" if shows_blood else "Attention map"

    @cached_property
    def slices(self) -> list[dict[str, Any]]:
        """Each slice as the viewer needs it (`slice_state`)."""
        by_instance = {r.instance_id: r for r in self.analysis.slices} if self.analysis else {}
        return [slice_state(one, by_instance.get(one.id)) for one in self.instances]

    @property
    def probabilities(self) -> list[float | None]:
        """Of the label in view, slice by slice; None for a slice that was not analysed."""
        told = (one["probabilities"] for one in self.slices)
        return [known[self.label] if known else None for known in told]

    @cached_property
    def strip(self) -> Strip:
        """The label in view along the series."""
        alert = self.finding.alert
        return strip_of(self.probabilities, alert["threshold"] if alert else 1.0)

    @property
    def viewer(self) -> dict[str, Any]:
        """All that the viewer needs of the page, as JSON."""
        alert = self.finding.alert
        return {
            "slices": self.slices,
            "position": self.position,
            "tilt_degrees": round(self.geometry.tilt_degrees, 1) if self.geometry else 0,
            "label": self.label,
            "alert_from": alert["threshold"] if alert else None,
            "heat": self.heat,
            "analysis": self.analysis.id if self.analysis and self.analysed else None,
        }


def study_page(
    database: Database,
    study: Study,
    analyses: dict[str, Analysis],
    *,
    series_id: str,
    number: int | None,
    label: str,
    heat: bool,
) -> StudyPage:
    """The page for the series and slice asked for.

    Parameters
    ----------
    analyses
        Series id -> newest analysis.
    series_id
        The series asked for; the most suspicious one if it is not one of the study's.
    number
        The slice asked for, from 1; the most suspicious one if None.
    """
    series = _chosen_series(study, analyses, series_id)
    instances, geometry = ordered_instances(database, series.id) if series else ([], None)
    analysis = analyses.get(series.id) if series else None
    position = _chosen_position(instances, analysis, number, label)
    warnings = analysis.warnings if analysis else list(geometry.warnings) if geometry else []
    return StudyPage(
        study=study,
        series=series,
        instances=instances,
        geometry=geometry,
        position=position,
        label=label,
        analysis=analysis,
        findings=_findings(analysis, instances[position].id if instances else ""),
        warnings=warnings,
        heat=heat and analysis is not None and analysis.probabilities is not None,
    )


def _chosen_series(study: Study, analyses: dict[str, Analysis], series_id: str) -> Series | None:
    def suspicion(series: Series) -> float:
        analysis = analyses.get(series.id)
        return analysis.probabilities["any"] if analysis and analysis.probabilities else -1.0

    asked_for = [series for series in study.series if series.id == series_id]
    found = asked_for or sorted(study.series, key=suspicion, reverse=True)
    return found[0] if found else None


def _chosen_position(
    instances: list[Instance], analysis: Analysis | None, number: int | None, label: str
) -> int:
    last = len(instances) - 1
    if number is not None:
        return max(0, min(number - 1, last))
    if analysis and analysis.slices:
        worst = max(analysis.slices, key=lambda result: result.probabilities[label])
        places = [i for i, instance in enumerate(instances) if instance.id == worst.instance_id]
        return places[0] if places else 0
    return max(0, last // 2)


def _findings(analysis: Analysis | None, instance_id: str) -> list[Finding]:
    here = (
        next((r for r in analysis.slices if r.instance_id == instance_id), None)
        if analysis
        else None
    )
    return [
        Finding(
            label=label,
            state=analysis.states[label] if analysis and analysis.states else NOT_ANALYSED,
            probability=analysis.probabilities[label]
            if analysis and analysis.probabilities
            else None,
            slice_probability=here.probabilities[label] if here else None,
            screen=analysis.thresholds[label]["screen"] if analysis else None,
            alert=analysis.thresholds[label]["alert"] if analysis else None,
        )
        for label in LABELS
    ]
