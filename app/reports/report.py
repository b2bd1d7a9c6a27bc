"""What a report says of a study, gathered once: for the page and for the PDF."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import selectinload

from app.auth import SessionUser
from app.db.models import Analysis, Review, Study, now
from app.db.session import Database
from app.jobs import OPEN
from app.presentation import moment
from app.reading.study_page import StudyPage, study_page
from app.reading.verdict_panel import region_lines, slice_lines
from app.reports.shown_slices import Picture, flagged_labels, left_out, pictures_of
from app.services import Services
from app.site import site_settings
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
from model.labels import LABELS
from model.windowing import Window

MOST_PICTURES: Final = 6
"""Slices of a series that are shown."""

MOST_OF_STUDY: Final = 24
"""Slices of all series together: a report of many series must stay quick to make and to read."""

WINDOWS: Final = ("brain", "subdural")
"""Names of the site's display windows in which each of them is shown; the first under the map."""

SAYS_NOTHING: Final = "This says nothing about whether there is a hemorrhage."
OTHERS_HIDDEN: Final = "Another reader has decided. You see how once you have decided, too."


class FindingHiddenError(Exception):
    """The site reads the image first, and this reader has not."""


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
    pictures_left: str
    """Which slices found no room; empty where all did."""
    opinions: list[Opinion]
    notes: list[str]
    """What is to be said of the verdicts as a whole."""

    @property
    def how_to_read(self) -> str:
        """What the table of findings means."""
        return (
            "Probability: the highest of the slices. Sensitivity and specificity: per study (its "
            f"highest slice), with 95 % intervals, measured on {self.measured_on}."
        )

    @property
    def map_note(self) -> str:
        """What the orange of the pictures means."""
        name = self.page.heat_name.lower()
        return f"Orange: {name}, a hint where to look, never the boundary of a lesion."

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
    windows: list[Window]
    """In which each slice is shown, as the site has chosen them; the first under the map."""
    made: str
    """When and for whom."""

    @property
    def told(self) -> list[Analysis]:
        """The analyses that it tells of."""
        return [part.page.analysis for part in self.series if part.page.analysis]


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
        windows = [one for one in site_settings(session).windows if one.name in WINDOWS]
    parts: list[SeriesReport] = []
    for number, page in enumerate(_pages(services.database, study, analyses), start=1):
        room = MOST_OF_STUDY - sum(len(part.pictures) for part in parts)
        hidden = len(shown) < len(reviews)
        parts.append(_series(page, number, shown, card, room=room, others_hidden=hidden))
    return Report(
        study=study,
        series=parts,
        windows=windows,
        made=f"Made {moment(now())} for {user.username}. Of each reader the newest verdict counts.",
    )


def _pages(database: Database, study: Study, analyses: dict[str, Analysis]) -> Iterator[StudyPage]:
    for series in study.series:
        yield study_page(
            database,
            study,
            analyses,
            series_id=series.id,
            number=None,
            label=LABELS[0],
            heat=False,
        )


def _series(
    page: StudyPage,
    number: int,
    shown: Sequence[Review],
    card: ModelCard,
    *,
    room: int,
    others_hidden: bool,
) -> SeriesReport:
    here = standing(shown, page.series.id if page.series else None)
    suspicious = pictures_of(page)
    most = min(room, MOST_PICTURES)
    description = page.series.series_description if page.series else ""
    return SeriesReport(
        title=f"Series {number}" + (f": {description}" if description else ""),
        page=page,
        not_analysed="" if page.analysed else _why_not(page),
        measured_on=_measured_on(page, card),
        warnings=[*_outdated(page), *page.warnings],
        pictures_title="Flagged slices" if flagged_labels(page) else "Most suspicious slice",
        pictures=suspicious[:most],
        pictures_left=left_out(suspicious[most:], flagged=bool(flagged_labels(page))),
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
        yield (
            "New slices have arrived since this analysis, and are not in it yet."
            if page.outdated
            else "This series is to be analysed again; that result is not there yet."
        )
    elif job.error:
        yield f"A later analysis of this series failed: {job.error}"


def _measured_on(page: StudyPage, card: ModelCard) -> str:
    if page.analysis is None or page.analysis.model_sha256 == card.sha256:
        return card.thresholds_measured_on
    return "what the card of that model says: this site serves another one now"


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
