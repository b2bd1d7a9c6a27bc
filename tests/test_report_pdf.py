"""The PDF of a report: whole on every sheet, legible in every script, and no more than its page."""

import io
import json
from collections.abc import Sequence

import numpy as np
import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import select

from app.audit.log import REPORT_DOWNLOADED
from app.db.audit import AuditEvent
from app.db.models import Analysis, Instance, SliceResult, random_id
from app.reports.pdf.text import markup
from app.reports.report import MOST_PICTURES
from app.reports.shown_slices import Picture, left_out
from app.services import Services
from app.storage import HEAT, HU
from clinic import turn_on
from ct_factory import block_hu
from model.labels import LABELS
from model.notice import NOTICE
from model.windowing import BONE, Window
from read_study import COLUMNS, ROWS, ReadStudy, add_read_study, give_verdict, refuse, send

PICTURES_OF_A_SLICE = 3
"""Brain, subdural, and brain under the map."""


@pytest.fixture
def read(services: Services) -> ReadStudy:
    read = add_read_study(services, patient_name="Doe^Jane", patient_id="P-7")
    keep_pictures(services, read)
    return read


def keep_pictures(services: Services, read: ReadStudy) -> None:
    """Store the pixels and the maps that the rows tell of."""
    for instance in read.slices:
        services.storage.write_array(HU, instance, block_hu(ROWS, COLUMNS))
    maps = np.full((len(read.slices), len(LABELS), 4, 4), 0.5, np.float16)
    services.storage.write_array(HEAT, read.analysis, maps)


def add_slices(services: Services, read: ReadStudy, count: int) -> None:
    """Let the series have `count` slices more, above the others, of which all are flagged."""
    with services.database.write() as session:
        below = session.get_one(Instance, read.slices[-1])
        for at in range(len(read.slices), len(read.slices) + count):
            instance = Instance(
                **{
                    column.name: getattr(below, column.name)
                    for column in Instance.__table__.columns
                    if column.name not in ("id", "sop_instance_uid", "position_mm")
                },
                id=random_id(),
                sop_instance_uid=f"1.9.{at}",
                position_mm=[0.0, 0.0, 5.0 * at],
            )
            session.add(instance)
            session.flush()
            session.add(
                SliceResult(
                    analysis_id=read.analysis,
                    position=at,
                    instance_id=instance.id,
                    probabilities=dict.fromkeys(LABELS, 0.6),
                )
            )


def pdf(client: FlaskClient, read: ReadStudy) -> PdfReader:
    answer = client.get(f"{read.path}/report.pdf")
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/pdf"
    return PdfReader(io.BytesIO(answer.data), strict=True)


def words(document: PdfReader) -> str:
    """All text, in one line."""
    return " ".join(" ".join(page.extract_text() for page in document.pages).split())


def picture_count(document: PdfReader) -> int:
    return sum(len(page.images) for page in document.pages)


def test_it_says_what_the_page_says(reader: FlaskClient, read: ReadStudy) -> None:
    give_verdict(reader, read, any_verdict="agree", comment="Thin rim.")

    document = pdf(reader, read)
    text = words(document)

    for said in (
        "Report: Doe, Jane", "P-7", "any 90 % ▲ flagged 50 % 0.90 (0.80 to 1.00)",
        "epidural 90 % ◆ indeterminate", "measured on what the card of that model says",
        "Flagged slices", "Slice 3 of 3 (left edge: R): any 90 %, subdural 90 %",
        "brain, attention map of any", "never the boundary of a lesion",
        "rita, verdict,", "any: agree with “flagged”: present", "Thin rim.",
        f"Model: test 1, SHA-256 {'0' * 64}, cpu",
    ):  # fmt: skip
        assert said in text
    assert picture_count(document) == 2 * PICTURES_OF_A_SLICE


def test_each_sheet_has_notice_patient_and_number(reader: FlaskClient, read: ReadStudy) -> None:
    give_verdict(reader, read, any_verdict="agree", comment="One more line.\n" * 120)

    pages = pdf(reader, read).pages

    assert len(pages) > 2
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert text.count(NOTICE) == 1
        assert "Doe, Jane · P-7 · " in text
        assert f"Page {number} of {len(pages)}" in text


def test_a_name_is_text_however_long_and_hostile(reader: FlaskClient, services: Services) -> None:
    hostile = "<b>O'Brien</b> & <font> <img/> &lt;"
    formula = "=cmd|' /C calc'!A0"
    read = add_read_study(
        services, patient_name=hostile, patient_id="9" * 256, study_description=formula
    )
    endless = add_read_study(services, patient_name="W" * 512, study_description="w w " * 64)

    text = words(pdf(reader, read))

    assert f"Report: {hostile}" in text
    assert formula in text
    assert "9" * 256 in text.replace(" ", "")
    assert "W" * 512 in words(pdf(reader, endless)).replace(" ", "")


@pytest.mark.parametrize(
    "name",
    ["Müller, Ägidius", "Иванов, Пётр", "Παπάς, Γιώργος", "山田, 太郎", "김, 희중", "ひらがな"],
)
def test_names_of_many_scripts_are_in_fonts_that_come_with_the_file(
    reader: FlaskClient, services: Services, name: str
) -> None:
    document = pdf(reader, add_read_study(services, patient_name=name.replace(", ", "^")))

    assert f"Report: {name}" in words(document)
    for page in document.pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            assert "/FontFile2" in font.get_object()["/FontDescriptor"]


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("<Doe & Roe>", "&lt;Doe &amp; Roe&gt;"),
        ("دم (CT)", "(CT) ﻡﺩ"),
        ("כהן, דוד", "דוד ,ןהכ"),
        ("one\ntwo", "one<br/>two"),
        ("a\x00b\u202ec", "a b c"),
        ("Mu\u0308ller", "Müller"),
        ("山田 Doe", '<font name="WenQuanYiMicroHei">山田</font> Doe'),
        ("ก", "\ufffd"),
    ],
    ids=["markup", "joined", "turned", "lines", "controls", "composed", "eastern", "in no font"],
)
def test_text_is_drawn_from_left_to_right_without_markup(written: str, drawn: str) -> None:
    assert markup(written) == drawn


def test_what_runs_from_right_to_left_keeps_its_lines_in_order() -> None:
    first, *rest = markup("אב " * 60 + "סוף").split("<br/>")

    assert rest
    assert "ףוס" in rest[-1]
    assert "ףוס" not in first


def test_what_was_not_analysed_says_why_and_has_no_figure(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    refuse(services, read)

    document = pdf(reader, read)
    text = words(document)

    assert "✕ not analysed No head is seen in the pixels." in text
    assert "This says nothing about whether there is a hemorrhage." in text
    assert "not flagged" not in text
    assert "%" not in text
    assert picture_count(document) == 0


def test_a_slice_that_cannot_be_read_leaves_the_others(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    services.storage.remove(HU, read.slices[2])

    document = pdf(reader, read)

    assert "subdural 90 %. The stored slice cannot be read." in words(document)
    assert picture_count(document) == PICTURES_OF_A_SLICE


@pytest.mark.parametrize(("slices", "left"), [(1, ""), (238, "slices 8 to 238")])
def test_of_any_number_of_slices_the_first_are_shown_and_the_others_told(
    reader: FlaskClient, services: Services, read: ReadStudy, slices: int, left: str
) -> None:
    if slices == 1:
        with services.database.write() as session:
            for result in session.get_one(Analysis, read.analysis).slices[:2]:
                session.delete(result)
            session.flush()
            for instance in read.slices[:2]:
                session.delete(session.get_one(Instance, instance))
    else:
        add_slices(services, read, slices - len(read.slices))

    text = words(pdf(reader, read))

    assert text.count(f" of {slices} (left edge: R)") == min(slices, MOST_PICTURES)
    assert f"({slices} slice" in text
    assert left in text
    assert ("not shown here" in text) == bool(left)


def test_slices_are_shown_in_the_sites_windows(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    chosen = (Window("brain", 35, 70), Window("subdural", 75, 215), BONE)
    usual = pdf(reader, read)
    turn_on(services, windows=chosen)

    document = pdf(reader, read)

    for said in ("brain, C 35 W 70", "subdural, C 75 W 215"):
        assert said in words(document)
    drawn = [{image.data for image in one.pages[0].images} for one in (usual, document)]
    assert not drawn[0] & drawn[1]


def test_what_finds_no_room_is_said_to_be_flagged_only_where_it_is() -> None:
    left = [
        Picture(Instance(), number, "", heat_position=0, heat_label="any") for number in (9, 3, 2)
    ]

    assert left_out(left, flagged=True) == "Flagged and not shown here: slices 2 to 3, 9."
    assert left_out(left[:1], flagged=False) == "Most suspicious and not shown here: slice 9."
    assert left_out([], flagged=True) == ""


def test_the_left_edge_is_named_by_the_rows_direction() -> None:
    def side(orientation: Sequence[float] | None) -> str:
        instance = Instance(orientation=orientation)
        return Picture(instance, 1, "", heat_position=0, heat_label="any").side

    assert side([1, 0, 0, 0, 1, 0]) == " (left edge: R)"
    assert side([-1, 0, 0, 0, -1, 0]) == " (left edge: L)"
    assert side(None) == ""


@pytest.mark.parametrize("kind", ["pdf", "json"])
def test_image_first_refuses_both_until_the_first_impression(
    reader: FlaskClient, services: Services, read: ReadStudy, kind: str
) -> None:
    turn_on(services, image_first=True)

    refused = reader.get(f"{read.path}/report.{kind}")
    send(reader, f"{read.path}/impression?series={read.series}", any="probably absent")

    assert refused.status_code == 403
    assert "reads the image first" in refused.text
    assert reader.get(f"{read.path}/report.{kind}").status_code == 200
    assert downloads(services, read) == [kind.upper()]


def downloads(services: Services, read: ReadStudy) -> list[str]:
    with services.database.read() as session:
        events = session.scalars(
            select(AuditEvent)
            .where(AuditEvent.action == REPORT_DOWNLOADED, AuditEvent.study_id == read.study)
            .order_by(AuditEvent.id)
        ).all()
    for event in events:
        assert [told["analysis"] for told in event.details["analyses"]] == [read.analysis]
    return [event.details["as"] for event in events]


def test_each_download_is_kept_and_names_no_patient(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    answers = [reader.get(f"{read.path}/report.{kind}") for kind in ("pdf", "pdf", "json")]

    assert downloads(services, read) == ["PDF", "PDF", "JSON"]
    for answer in answers:
        name = answer.headers["Content-Disposition"]
        assert name.startswith('attachment; filename="falx-report-research-use-only-')
        assert "Doe" not in name
        assert answer.headers["Cache-Control"] == "no-store"
    assert "Doe" not in str(PdfReader(io.BytesIO(answers[0].data)).metadata)


@pytest.mark.parametrize("kind", ["pdf", "json"])
def test_only_who_is_logged_in_gets_it(client: FlaskClient, read: ReadStudy, kind: str) -> None:
    answer = client.get(f"{read.path}/report.{kind}")

    assert answer.status_code == 302
    assert "/login" in answer.location


def test_the_data_have_the_facts_of_the_page(
    reader: FlaskClient, services: Services, read: ReadStudy
) -> None:
    told = json.loads(reader.get(f"{read.path}/report.json").data)
    refuse(services, read)
    refused = json.loads(reader.get(f"{read.path}/report.json").data)["series"][0]

    assert told["notice"] == NOTICE
    assert (told["study"]["patient_name"], told["study"]["state"]) == ("Doe^Jane", "flagged")
    (series,) = told["series"]
    assert [finding["label"] for finding in series["findings"]] == [*LABELS]
    assert series["findings"][0] == {
        "label": "any",
        "state": "flagged",
        "probability": 0.9,
        "flagged_from": 0.5,
        "sensitivity_there": {"value": 0.9, "interval": [0.8, 1.0]},
        "specificity_there": {"value": 0.9, "interval": [0.8, 1.0]},
        "not_flagged_below": 0.5,
    }
    assert series["model"]["sha256"] == "0" * 64
    assert [one["slice"] for one in series["suspicious_slices"]] == [3, 2]
    assert (refused["not_analysed"], refused["findings"]) == ("No head is seen in the pixels.", [])


def test_the_report_page_leads_to_both(reader: FlaskClient, read: ReadStudy) -> None:
    page = reader.get(f"{read.path}/report").text

    assert f'href="{read.path}/report.pdf"' in page
    assert f'href="{read.path}/report.json"' in page
