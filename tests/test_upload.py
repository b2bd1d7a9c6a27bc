"""Whatever is uploaded is stored once, or refused with its reason, and nothing else is touched."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app import jobs
from app.db.models import Base, Instance, Job, Series, Study, now
from app.ingest import ingest
from app.services import Services
from clinic import csrf_token, post_files, upload, upload_folder
from ct_factory import ct_file
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import make_series
from model.dicom.sandbox import SandboxedReader
from model.dicom.sources import Source

ON_EVERY_DATABASE = True


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated head CT of four slices."""
    folder = tmp_path_factory.mktemp("head")
    write_series(folder, make_series(0, Scan(n_slices=4, spacing_mm=20)))
    return folder


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def count(services: Services, table: type[Base]) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def kept_files(services: Services) -> list[Path]:
    return [path for path in (services.settings.data / "files").rglob("*") if path.is_file()]


def test_a_folder_becomes_one_study_with_its_job(
    reader: FlaskClient, services: Services, head: Path
) -> None:
    page = upload_folder(reader, head)

    assert "<strong>4</strong> stored" in page.text
    tables = (Study, Series, Instance, Job)
    assert [count(services, table) for table in tables] == [1, 1, 4, 1]
    assert "SIMULATED" in page.text


def test_a_zip_gives_the_same_as_a_folder(
    reader: FlaskClient, services: Services, head: Path
) -> None:
    archive = zipped({f"deep/in/{path.name}": path.read_bytes() for path in head.glob("*.dcm")})

    page = upload(reader, ("head.zip", archive))

    assert "<strong>4</strong> stored" in page.text
    assert count(services, Instance) == 4
    assert list(services.storage.incoming.iterdir()) == []


def test_a_folder_field_is_taken_too(reader: FlaskClient, services: Services, head: Path) -> None:
    files = [(f"head/{path.name}", path.read_bytes()) for path in head.glob("*.dcm")]

    upload(reader, *files, field="folder")

    assert count(services, Instance) == 4


def test_the_same_file_twice_is_one_instance(
    reader: FlaskClient, services: Services, head: Path
) -> None:
    upload_folder(reader, head)

    page = upload_folder(reader, head)

    assert "<strong>0</strong> stored" in page.text
    assert "<strong>4</strong> already there" in page.text
    assert count(services, Instance) == 4
    assert len(kept_files(services)) == 8  # four originals, four decoded slices


def test_refused_files_are_listed_and_the_others_go_on(
    reader: FlaskClient, services: Services, head: Path
) -> None:
    good = (head / "001.dcm").read_bytes()

    page = upload(
        reader,
        ("good.dcm", good),
        ("empty.dcm", b""),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(200)),
        ("cut.dcm", (head / "002.dcm").read_bytes()[:5000]),
    )

    assert "<strong>1</strong> stored" in page.text
    assert "<strong>3</strong> refused" in page.text
    for name in ("empty.dcm", "picture.png", "cut.dcm"):
        assert name in page.text
    assert "PNG picture" in page.text
    assert count(services, Instance) == 1
    assert len(kept_files(services)) == 2


def test_the_uid_of_a_stored_slice_with_another_image_is_refused(
    reader: FlaskClient, services: Services, head: Path
) -> None:
    content = (head / "003.dcm").read_bytes()
    changed = bytearray(content)
    changed[-200_000:-100_000] = bytes(100_000)
    upload(reader, ("first.dcm", content))

    page = upload(reader, ("second.dcm", bytes(changed)))

    assert "SOP Instance UID of a slice that is already stored, but another image" in page.text
    assert count(services, Instance) == 1


def test_a_broken_uid_shared_by_two_patients_never_mixes_them(
    reader: FlaskClient, services: Services, head: Path
) -> None:
    content = (head / "001.dcm").read_bytes()
    other = (head / "002.dcm").read_bytes().replace(b"SIMULATED^HEAD", b"SOMEBODY^ELSE ")
    patient_id = next(iter(_patient_ids(head)))
    other = other.replace(patient_id, b"X" * len(patient_id))

    upload(reader, ("one.dcm", content), ("two.dcm", other))

    assert count(services, Study) == 2


def _patient_ids(head: Path) -> set[bytes]:
    import pydicom

    return {str(pydicom.dcmread(path).PatientID).encode() for path in head.glob("*.dcm")}


def test_thousands_of_junk_files_are_answered_in_one_line(
    reader: FlaskClient, services: Services
) -> None:
    junk = zipped({f"junk/{number}.bin": b"junk %d" % number for number in range(5000)})

    page = upload(reader, ("junk.zip", junk))

    assert "<strong>5000</strong> refused" in page.text
    assert "5000 files" in page.text
    assert page.text.count("<details>") == 1
    assert kept_files(services) == []


def test_nothing_chosen_is_said(reader: FlaskClient) -> None:
    page = upload(reader, ("", b""))

    assert page.status_code == 400
    assert "No file was chosen" in page.text


def test_nothing_chosen_is_said_where_the_page_sends_by_itself(page: Page) -> None:
    page.get_by_role("link", name="Upload", exact=True).click()
    page.get_by_role("button", name="Upload and analyse").click()

    expect(page.get_by_role("status")).to_have_text(re.compile("No file was chosen"))
    expect(page.get_by_role("button", name="Upload and analyse")).to_be_enabled()


def test_a_form_that_is_out_of_date_stores_nothing_and_says_so(
    reader: FlaskClient, services: Services
) -> None:
    page = post_files(reader, [("a.dcm", ct_file())], "files", "an old token")

    assert page.status_code == 400
    assert "The form is out of date" in page.text
    assert "Nothing was changed" in page.text
    assert count(services, Instance) == 0


def test_an_upload_over_the_cap_is_refused_with_the_setting(
    app: Flask, reader: FlaskClient, services: Services
) -> None:
    token = csrf_token(reader, "/upload")
    app.config["MAX_CONTENT_LENGTH"] = 1000

    page = post_files(reader, [("a.dcm", bytes(5000))], "files", token)

    assert page.status_code == 413
    assert "FALX_MAX_REQUEST_BYTES" in page.text
    assert count(services, Instance) == 0


def test_a_folder_of_more_files_than_flask_allows_by_default_is_taken(reader: FlaskClient) -> None:
    files = [(f"head/{number}.bin", b"junk %d" % number) for number in range(1200)]

    page = upload(reader, *files, field="folder")

    assert "<strong>1200</strong> refused" in page.text


def test_a_visitors_files_are_not_even_read(client: FlaskClient) -> None:
    answer = client.post("/upload", data=b"x" * 100_000, content_type="multipart/form-data")

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login")


def test_only_the_upload_takes_large_requests(client: FlaskClient) -> None:
    answer = client.post("/login", data={"username": "x" * 2_000_000})

    assert answer.status_code == 413


def test_slices_whose_sender_broke_off_are_analysed_after_a_while(
    services: Services, head: Path
) -> None:
    sources = [Source(path.name, path.read_bytes()) for path in sorted(head.glob("*.dcm"))]

    def broken() -> Iterator[Source]:
        yield sources[0]
        raise ConnectionError("the sender is gone")

    with SandboxedReader() as file_reader, pytest.raises(ConnectionError, match="gone"):
        ingest(services, file_reader, broken(), user_id=None)

    assert jobs.claim(services.database, "worker", 30, 3) is None
    with services.database.write() as session:
        session.scalars(select(Job)).one().queued_at = now() - jobs.ARRIVAL_TIMEOUT
    assert jobs.claim(services.database, "worker", 30, 3) is not None


def test_without_the_token_nothing_is_stored(
    reader: FlaskClient, services: Services, head: Path
) -> None:
    content = (head / "001.dcm").read_bytes()

    page = post_files(reader, [("a.dcm", content)], "files", token="")

    assert page.status_code == 400
    assert count(services, Instance) == 0


def test_markup_in_a_file_name_stays_text(reader: FlaskClient) -> None:
    page = upload(reader, ("<script>alert(1)</script>.dcm", b"junk"))

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_a_visitor_is_sent_to_the_login(client: FlaskClient, services: Services) -> None:
    answer = client.get("/upload")

    assert answer.status_code == 302
    assert "/login" in answer.headers["Location"]
