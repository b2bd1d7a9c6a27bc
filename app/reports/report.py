"""What a report says of a study, gathered once: for the page and for the PDF."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import selectinload

from app.auth import SessionUser
from app.db.models import Analysis, Instance, Review, SliceResult, Study, now
from app.jobs import OPEN
from app.presentation import moment, percent
from app.reading.study_page import StudyPage, study_page
from app.reading.verdict_panel import region_lines, slice_lines
from app.services import Services
from app.study_state import latest_analyses, load_study
from app.verdicts.record import (
    AGREE,
    DISAGREE,
    Standing,
    finding_hidden,
    resolved,
    reviews_of,
    shown_to,
    standing,
)
from model.artifact import ModelCard
from model.finding import FLAGGED
from model.labels import LABELS

MOST_PICTURES: Final = 6
"""Slices of a series that are shown."""

WINDOWS: Final = ("brain", "subdural")
"""Display presets in which each of them is shown."""

SAYS_NOTHING: Final = "This says nothing about whether there is a hemorrhage."
OTHERS_HIDDEN: Final = "Another reader has decided. You see how once you have decided, too."


class FindingHiddenError(Exception):
    """The site reads the image first, and this reader has not."""


@dataclass(frozen=True)
class Picture:
    """A slice that is shown, and why; `number` from 1, the lowest slice."""

    instance: Instance
    number: int
    caption: str

    @property
    def height(self) -> float:
        """The slice's height in its pixels' widths, so that the patient is not distorted."""
        spacing = self.instance.pixel_spacing_mm
        return self.instance.rows * (spacing[0] / spacing[1] if spacing else 1.0)


@dataclass(frozen=True)
class Opinion:
    """A verdict that counts, in words."""

    heading: str
    labels: list[str]
    slices: list[str]
    comment: str


@dataclass(frozen=True)
class SeriesReport:
    """What is known of one series."""

    title: str
    page: StudyPage
    not_analysed: str
    """Why the model said nothing; empty where it did."""
    measured_on: str
    """On what the thresholds' sensitivity and specificity were measured."""
    warnings: list[str]
    pictures_title: str
    pictures: list[Picture]
    opinions: list[Opinion]
    notes: list[str]
    """What is to be said of the verdicts as a whole."""

    @property
    def model(self) -> str:
        """Which model spoke, where and when; empty where none did."""
        made = self.page.analysis
        if made is None:
            return ""
        name = f"{made.model_name} {made.model_version}, SHA-256 {made.model_sha256}"
        return f"{name}, {made.device}, {moment(made.created_at)}"


@dataclass(frozen=True)
class Report:
    """All that a report says."""

    study: Study
    series: list[SeriesReport]
    made: str
    """When and for whom."""


def study_report(
    services: Services, study_id: str, user: SessionUser, card: ModelCard
) -> Report | None:
    """Gather the report of a study for a reader; None if there is no such study.

    Raises
    ------
    FindingHiddenError
        The reader must look at the images first.
    """
    with services.database.read() as session:
        study = load_study(session, study_id)
        if study is None:
            return None
        if finding_hidden(session, study_id, user.id):
            raise FindingHiddenError
        analyses = latest_analyses(session, study_id, selectinload(Analysis.slices))
        reviews = reviews_of(session, study_id)
        shown = shown_to(session, reviews, user.id)
    pages = [
        study_page(
            services.database,
            study,
            analyses,
            series_id=series.id,
            number=None,
            label=LABELS[0],
            heat=False,
        )
        for series in study.series
    ]
    return Report(
        study=study,
        series=[
            _series(page, number, shown, card, others_hidden=len(shown) < len(reviews))
            for number, page in enumerate(pages, start=1)
        ],
        made=f"Made {moment(now())} for {user.username}. Of each reader the newest verdict counts.",
    )


def _series(
    page: StudyPage, number: int, shown: Sequence[Review], card: ModelCard, *, others_hidden: bool
) -> SeriesReport:
    here = standing(shown, page.series.id if page.series else None)
    description = page.series.series_description if page.series else ""
    return SeriesReport(
        title=f"Series {number}" + (f": {description}" if description else ""),
        page=page,
        not_analysed="" if page.analysed else _why_not(page),
        measured_on=_measured_on(page, card),
        warnings=[*_outdated(page), *page.warnings],
        pictures_title="Flagged slices" if _flagged(page) else "Most suspicious slice",
        pictures=_pictures(page),
        opinions=_opinions(page, here),
        notes=list(_notes(here, others_hidden=others_hidden)),
    )


def _why_not(page: StudyPage) -> str:
    job = page.series.job if page.series else None
    if page.pending and job:
        return f"The analysis is not done: the job is {job.state}."
    if page.analysis:
        return page.analysis.refusal
    return job.error if job and job.error else "No analysis was asked for."


def _outdated(page: StudyPage) -> Iterator[str]:
    """What has happened since the analysis that is told."""
    job = page.series.job if page.series else None
    if not page.analysed or job is None:
        return
    if job.state in OPEN:
        yield "New slices have arrived since this analysis, and are not in it yet."
    elif job.error:
        yield f"A later analysis of this series failed: {job.error}"


def _measured_on(page: StudyPage, card: ModelCard) -> str:
    if page.analysis is None or page.analysis.model_sha256 == card.sha256:
        return card.thresholds_measured_on
    return "what the card of that model says: this site serves another one now"


def _flagged(page: StudyPage) -> list[str]:
    return [finding.label for finding in page.findings if finding.state == FLAGGED]


def _pictures(page: StudyPage) -> list[Picture]:
    """The flagged slices, the highest of each flagged label first; else the most suspicious one."""
    if page.analysis is None or not page.analysed:
        return []
    places = {one.id: at for at, one in enumerate(page.instances)}
    slices = [result for result in page.analysis.slices if result.instance_id in places]
    flagged = _flagged(page)
    return [
        Picture(
            instance=page.instances[places[result.instance_id]],
            number=places[result.instance_id] + 1,
            caption=_caption(result, flagged or [LABELS[0]]),
        )
        for result in _chosen(slices, flagged, page.analysis)
    ]


def _chosen(
    slices: Sequence[SliceResult], flagged: Sequence[str], analysis: Analysis
) -> list[SliceResult]:
    def highest(label: str) -> SliceResult:
        return max(slices, key=lambda result: result.probabilities[label])

    def reaches(result: SliceResult, label: str) -> bool:
        threshold: float = analysis.thresholds[label]["alert"]["threshold"]
        return result.probabilities[label] >= threshold

    if not slices:
        return []
    if not flagged:
        return [highest(LABELS[0])]
    others = [one for one in slices if any(reaches(one, label) for label in flagged)]
    others.sort(key=lambda one: max(one.probabilities[label] for label in flagged), reverse=True)
    # Several labels may be highest on the same slice; it is shown once, at its first place.
    ranked = {one.position: one for one in [*map(highest, flagged), *others]}
    return list(ranked.values())[:MOST_PICTURES]


def _caption(result: SliceResult, labels: Sequence[str]) -> str:
    return ", ".join(f"{label} {percent(result.probabilities[label])}" for label in labels)


def _opinions(page: StudyPage, here: Standing) -> list[Opinion]:
    numbers = {one.id: number for number, one in enumerate(page.instances, start=1)}
    rows = [*here.readers, *([here.adjudication] if here.adjudication else [])]
    return [
        Opinion(
            heading=f"{row.user.username}, {row.kind}, {moment(row.created_at)}",
            labels=[_word(row, label) for label in LABELS if label in row.verdicts],
            slices=slice_lines(row.slice_verdicts, numbers) + region_lines(row.regions, numbers),
            comment=row.comment,
        )
        for row in rows
    ]


def _word(row: Review, label: str) -> str:
    """The word on one label; what agrees or not, with what, as the model may have spoken since."""
    word = row.verdicts[label]
    states = (row.analysis.states if row.analysis else None) or {}
    if word in (AGREE, DISAGREE) and label in states:
        meant = resolved(word, label, states)
        word += f" with “{states[label]}”" + (f": {meant}" if meant else "")
    reason = f" ({row.reasons[label]})" if label in row.reasons else ""
    return f"{label}: {word}{reason}"


def _notes(here: Standing, *, others_hidden: bool) -> Iterator[str]:
    if others_hidden:
        yield OTHERS_HIDDEN
    elif not here.readers and here.adjudication is None:
        yield "No reader has given a verdict."
    if here.disagreements:
        yield f"Readers disagree on {', '.join(here.disagreements)}; nobody has settled it."
