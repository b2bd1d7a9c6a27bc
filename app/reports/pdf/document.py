"""What the PDF of a report says, in the order of the report's page."""

import io
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    Image,
    KeepTogether,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from app.presentation import (
    STATE_MARKS,
    dicom_date,
    estimate,
    moment,
    percent,
    person_name,
)
from app.reading.study_page import Finding
from app.reports.pdf.pictures import DrawnSlice, drawn_slices
from app.reports.pdf.sheet import WIDTH, sheets
from app.reports.pdf.text import BOLD, REGULAR, markup, register_fonts
from app.reports.report import SAYS_NOTHING, Opinion, Report, SeriesReport
from app.storage import Storage
from app.study_state import NOT_ANALYSED
from model.finding import FLAGGED

# Pictures are bytes anyway; as text they would be a quarter larger, and slow.
rl_config.useA85 = 0

_TEXT: Final = ParagraphStyle("text", fontName=REGULAR, fontSize=9, leading=12, spaceAfter=3)
_STRONG: Final = ParagraphStyle("strong", _TEXT, fontName=BOLD)
_TITLE: Final = ParagraphStyle("title", _STRONG, fontSize=14, leading=18, spaceAfter=4)
_SERIES: Final = ParagraphStyle("series", _STRONG, fontSize=11.5, leading=15, spaceBefore=10)
_HEADING: Final = ParagraphStyle("heading", _STRONG, spaceBefore=6)
_SMALL: Final = ParagraphStyle("small", _TEXT, fontSize=7.5, leading=10)
_CELL: Final = ParagraphStyle("cell", _TEXT, fontSize=8.5, leading=11, spaceAfter=0)
_STRONG_CELL: Final = ParagraphStyle("strong cell", _CELL, fontName=BOLD)
_LISTED: Final = ParagraphStyle(
    "listed", _TEXT, leftIndent=10, bulletFontName=REGULAR, bulletFontSize=9, spaceAfter=1
)

# A table names its font on each sheet, though its paragraphs have their own.
_FONT: Final = ("FONTNAME", (0, 0), (-1, -1), REGULAR)
_LINES: Final = TableStyle(
    [
        _FONT,
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor("#999999")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
)
_TIGHT: Final = TableStyle(
    [_FONT, ("LEFTPADDING", (0, 0), (-1, -1), 0), ("BOTTOMPADDING", (0, 0), (-1, -1), 0)]
)
_GAP: Final = 6.0
_PICTURES_ABREAST: Final = 3
_PICTURE_WIDTH: Final = (WIDTH - (_PICTURES_ABREAST - 1) * _GAP) / _PICTURES_ABREAST
_TALLEST: Final = 1.3 * _PICTURE_WIDTH

_IN_HEAD: Final = 48
"""Characters of a name, and of an id, that stand on each sheet; the first one has all of them."""

# A font of reportlab serves one document at a time.
_one_at_a_time = threading.Lock()


def report_pdf(report: Report, storage: Storage) -> bytes:
    """The report as a PDF of A4 sheets, with the notice, the patient and "n of m" on each."""
    pictures = [drawn_slices(storage, part, report.windows) for part in report.series]
    with _one_at_a_time:
        register_fonts()
        story = [*_study(report)]
        for part, drawn in zip(report.series, pictures, strict=True):
            story += _series(part, drawn)
        return sheets(story, _whose(report), f"Falx. {report.made}")


def _whose(report: Report) -> str:
    study = report.study
    name, patient_id = (
        text if len(text) <= _IN_HEAD else f"{text[:_IN_HEAD]}…"
        for text in (person_name(study.patient_name), study.patient_id)
    )
    parts = [name, patient_id, dicom_date(study.study_date), study.study_instance_uid]
    return ("SIMULATED · " if study.simulated else "") + " · ".join(filter(None, parts))


def _study(report: Report) -> Iterator[Flowable]:
    study = report.study
    yield Paragraph(markup(f"Report: {person_name(study.patient_name)}"), _TITLE)
    if study.simulated:
        yield Paragraph("SIMULATED: no patient's images.", _STRONG)
    facts = [
        ("PatientID", study.patient_id),
        ("Born", dicom_date(study.patient_birth_date)),
        ("Sex", study.patient_sex),
        ("Accession number", study.accession_number),
        ("Study", study.study_description),
        ("Study date", dicom_date(study.study_date)),
        ("Received", moment(study.received_at)),
        ("State", _state(study.state)),
    ]
    pairs = [(_cell(name, _STRONG_CELL), _cell(said or "–")) for name, said in facts]
    rows = [[*left, *right] for left, right in zip(pairs[::2], pairs[1::2], strict=True)]
    widths = [0.18 * WIDTH, 0.32 * WIDTH] * 2
    yield Table(rows, colWidths=widths, style=_LINES)
    uid = [_cell("Study Instance UID", _STRONG_CELL), _cell(study.study_instance_uid)]
    yield Table([uid], colWidths=[0.18 * WIDTH, 0.82 * WIDTH], style=_LINES)


def _series(part: SeriesReport, drawn: Sequence[DrawnSlice]) -> Iterator[Flowable]:
    count = len(part.page.instances)
    slices = "1 slice" if count == 1 else f"{count} slices"
    # A heading and what it is of: never alone at the foot of a sheet.
    yield CondPageBreak(120)
    yield Paragraph(markup(f"{part.title} ({slices})"), _SERIES)
    if part.not_analysed:
        yield Paragraph(_state(NOT_ANALYSED), _STRONG)
        yield Paragraph(markup(f"{part.not_analysed} {SAYS_NOTHING}"), _TEXT)
    else:
        yield _findings(part.page.findings)
        yield Paragraph(markup(part.how_to_read), _SMALL)
    if part.warnings:
        yield CondPageBreak(40)
        yield Paragraph("Read with care", _HEADING)
        yield from _listed(part.warnings)
    yield from _pictures(part, drawn)
    yield CondPageBreak(40)
    yield Paragraph("Verdicts", _HEADING)
    for opinion in part.opinions:
        yield from _opinion(opinion)
    for note in part.notes:
        yield Paragraph(markup(note), _TEXT)
    if part.model:
        yield Paragraph(markup(f"Model: {part.model}"), _SMALL)


def _findings(findings: Sequence[Finding]) -> Table:
    head = (
        "Hemorrhage", "Probability", "State", "Flagged from",
        "Sensitivity there", "Specificity there", "Not flagged below",
    )  # fmt: skip
    rows = [[_cell(name, _STRONG_CELL) for name in head], *map(_finding, findings)]
    shares = (0.18, 0.12, 0.17, 0.1, 0.165, 0.165, 0.1)
    return Table(rows, colWidths=[share * WIDTH for share in shares], style=_LINES, repeatRows=1)


def _finding(finding: Finding) -> list[Paragraph]:
    # Only what was analysed has a table, and with it its thresholds.
    screen, alert = finding.screen or {}, finding.alert or {}
    told = (
        finding.label,
        percent(finding.probability),
        _state(finding.state),
        percent(alert["threshold"]),
        estimate(alert["study_sensitivity"]),
        estimate(alert["study_specificity"]),
        percent(min(screen["threshold"], alert["threshold"])),
    )
    style = _STRONG_CELL if finding.state == FLAGGED else _CELL
    return [_cell(text, style) for text in told]


def _pictures(part: SeriesReport, drawn: Sequence[DrawnSlice]) -> Iterator[Flowable]:
    for first, one in enumerate(drawn):
        heading = [Paragraph(part.pictures_title, _HEADING)] if first == 0 else []
        # Together on one sheet: the heading, the pictures of a slice, and what they are.
        yield KeepTogether([*heading, *_slice(part, one)])
    if part.pictures_left:
        yield Paragraph(markup(part.pictures_left), _TEXT)
    if drawn:
        yield Paragraph(markup(part.map_note), _SMALL)


def _slice(part: SeriesReport, one: DrawnSlice) -> Iterator[Flowable]:
    picture = one.picture
    said = f"Slice {picture.number} of {len(part.page.instances)}{picture.side}: {picture.caption}"
    if one.problem:
        yield Paragraph(markup(f"{said}. {one.problem}"), _TEXT)
        return
    share = picture.height / picture.instance.columns
    width = min(_PICTURE_WIDTH, _TALLEST / share)
    images = [Image(io.BytesIO(each.png), width, width * share) for each in one.drawn]
    titles = [Paragraph(markup(each.title), _SMALL) for each in one.drawn]
    abreast = [_PICTURE_WIDTH + _GAP] * len(images)
    yield Table([images, titles], colWidths=abreast, style=_TIGHT, hAlign="LEFT")
    yield Paragraph(markup(said), _CELL)
    yield Spacer(1, _GAP)


def _opinion(opinion: Opinion) -> Iterator[Flowable]:
    yield Paragraph(markup(opinion.heading), _STRONG)
    yield from _listed([*opinion.labels, *opinion.slices])
    if opinion.comment:
        yield Paragraph(markup(opinion.comment), _TEXT)


def _listed(lines: Sequence[str]) -> Iterator[Paragraph]:
    for line in lines:
        yield Paragraph(markup(line), _LISTED, bulletText="•")


def _cell(text: str, style: ParagraphStyle = _CELL) -> Paragraph:
    return Paragraph(markup(text), style)


def _state(state: str) -> str:
    return f"{STATE_MARKS.get(state, '')} {state}".strip()
