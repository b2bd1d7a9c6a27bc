"""Verdicts given in the clinic train a network, without anything done by hand in between."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import select

from app.cli import cli
from app.db.models import Instance, Review, Series, Study
from app.reading.slices import ordered_instances
from app.reports.labels import LabelExportError, export_labels
from app.reports.slice_labels import DISAGREE, SOMEWHERE, UNSAID, slice_labels
from app.reports.training_files import KEPT, BurnedInError, training_file
from app.services import Services
from app.verdicts.record import Standing
from cache_factory import write_cache
from clinic import upload
from ct_factory import JPEG_LS_LOSSLESS, ct_file
from model import cache, train
from model.data.cached import open_cache
from model.labels import LABELS, SUBTYPES
from model.notice import NOTICE
from model.training.checkpoint import load_checkpoint
from read_study import send

NAME = "Rossi^Carla"
ROOT = "1.3.51.5145.987654"


def slice_file(study: int, number: int, **more: str) -> bytes:
    rng = np.random.default_rng(10 * study + number)
    hu = rng.integers(-1000, 80, (64, 64)).astype(np.int16)
    uid = f"{ROOT}.{study}"
    facts = {
        "PatientName": NAME,
        "PatientID": f"SECRET-{study}",
        "StudyInstanceUID": uid,
        "SeriesInstanceUID": f"{uid}.1",
        "SOPInstanceUID": f"{uid}.1.{number}",
        "InstanceNumber": str(number),
        "ImagePositionPatient": f"-100\\-100\\{5 * number}",
    }
    return ct_file(hu, None, JPEG_LS_LOSSLESS, **{**facts, **more})


def series_of(services: Services, patient: str) -> tuple[Series, list[Instance]]:
    with services.database.read() as session:
        series = session.scalars(
            select(Series).join(Study).where(Study.patient_id == patient)
        ).one()
    return series, ordered_instances(services.database, series.id)[0]


def give_verdict(client: FlaskClient, series: Series, **fields: str) -> None:
    address = f"/studies/{series.study_id}/reviews?series={series.id}"
    answer = send(client, address, **fields)
    assert answer.status_code == 200, answer.text


@pytest.fixture
def reviewed(reader: FlaskClient, services: Services) -> Services:
    """Two studies of four slices: one clear, one with a subdural on its second slice."""
    upload(reader, *((f"{s}{n}.dcm", slice_file(s, n)) for s in (1, 2) for n in (1, 2, 3, 4)))
    clear, _ = series_of(services, "SECRET-1")
    bleeding, slices = series_of(services, "SECRET-2")
    give_verdict(reader, clear, quick="rest absent")
    words = {"subdural": {slices[0].id: "absent", slices[1].id: "present"}}
    give_verdict(
        reader,
        bleeding,
        slice_verdicts=json.dumps(words),
        quick="rest absent",
        **{"subdural-verdict": "present"},
    )
    return services


def test_verdicts_of_the_clinic_become_a_cache_and_a_training_step(
    reviewed: Services, tmp_path: Path
) -> None:
    folder, filled, run = tmp_path / "labels", tmp_path / "cache", tmp_path / "run"
    settings = reviewed.settings
    told = CliRunner().invoke(
        cli,
        ["export-labels", "--to", str(folder)],
        env={
            "FALX_DATA": str(settings.data),
            "FALX_DATABASE_URL": settings.database_url,
        },
    )
    assert told.exit_code == 0, told.output
    assert "6 slices of 2 studies, 2 patients" in told.output
    assert f"left out, 2 slices: {SOMEWHERE}" in told.output

    named = ["--title=Ours", "--licence=none", f"--labels={folder / 'labels.csv'}"]
    cache.main(["folder", f"--root={folder}", *named, f"--to={filled}", "--size=32", "--workers=1"])
    base = write_cache(tmp_path / "base", patients=8, slices=4)
    train.main(
        [f"--cache={base}", f"--cache={filled}", f"--run={run}", "--rotation=none", "--epochs=1",
         "--architecture=test_resnet", "--size=32", "--batch-size=4", "--slices-per-epoch=4",
         "--device=cpu"]
    )  # fmt: skip

    ours = open_cache(filled).frame
    assert ours[list(LABELS)].sum().to_dict() == {
        **dict.fromkeys(LABELS, 0),
        "any": 1,
        "subdural": 1,
    }
    assert set(ours["patient"]) <= set(load_checkpoint(run / "last.pt")["parts"]["train"])


def test_nothing_that_names_the_patient_is_exported(reviewed: Services, tmp_path: Path) -> None:
    export_labels(reviewed, tmp_path / "labels")

    files = sorted((tmp_path / "labels").rglob("*.dcm"))
    assert len(files) == 6
    for path in files:
        exported = pydicom.dcmread(path)
        added = {"SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"} | {
            "Modality", "PatientID", "PatientName", "PatientIdentityRemoved"
        } | {"DeidentificationMethod"}  # fmt: skip
        assert {element.keyword for element in exported} <= {*KEPT} | added
        for secret in (b"Rossi", b"SECRET", ROOT.encode()):
            assert secret not in path.read_bytes()
            assert secret.decode() not in str(path)
        assert exported.PatientIdentityRemoved == "YES"
    with (tmp_path / "labels" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["patient"] for row in rows}) == 2
    assert "SECRET" not in str(rows)
    assert (tmp_path / "labels" / "NOTICE.txt").read_text() == f"{NOTICE}\n"


def test_pixels_are_those_that_were_received() -> None:
    original = slice_file(1, 1)
    uid = pydicom.uid.generate_uid(prefix=None)

    exported = training_file(original, patient="p", study=uid, series=uid, image=uid)

    before, after = (pydicom.dcmread(io.BytesIO(data)) for data in (original, exported))
    assert after.PixelData == before.PixelData
    assert after.file_meta.TransferSyntaxUID == JPEG_LS_LOSSLESS
    assert after.ImagePositionPatient == before.ImagePositionPatient


def test_text_burned_into_pixels_stays_here() -> None:
    uid = pydicom.uid.generate_uid(prefix=None)

    with pytest.raises(BurnedInError):
        training_file(
            slice_file(1, 1, BurnedInAnnotation="YES"),
            patient="p",
            study=uid,
            series=uid,
            image=uid,
        )


def test_without_certain_labels_no_folder_is_left(services: Services, tmp_path: Path) -> None:
    with pytest.raises(
        LabelExportError, match="No slice has certain labels: no study has a verdict"
    ):
        export_labels(services, tmp_path / "labels")
    assert list(tmp_path.glob("labels*")) == []

    (tmp_path / "labels").mkdir()
    with pytest.raises(LabelExportError, match="is there already: name a new folder"):
        export_labels(services, tmp_path / "labels")


def said(verdicts: dict[str, str], regions: tuple[str, ...] = (), **on_slice: str) -> Review:
    """A verdict; `regions` and `on_slice` speak of the slice "x"."""
    return Review(
        verdicts=verdicts,
        slice_verdicts={label: {"x": word} for label, word in on_slice.items()},
        regions=[{"label": label, "instance": "x"} for label in regions],
    )


NONE = dict.fromkeys(SUBTYPES, "absent")
SUBDURAL = {**NONE, "subdural": "present"}


@pytest.mark.parametrize(
    ("readers", "adjudication", "expected"),
    [
        ([said({"any": "absent"})], None, []),
        ([said(NONE)], None, []),
        ([said(SUBDURAL)], None, SOMEWHERE),
        ([said(SUBDURAL, subdural="present")], None, ["any", "subdural"]),
        ([said(SUBDURAL, regions=("subdural",))], None, ["any", "subdural"]),
        ([said(SUBDURAL, subdural="absent")], None, []),
        ([said({"subdural": "present"}, subdural="present")], None, UNSAID),
        ([said({}, any="absent")], None, []),
        ([said({}, any="present")], None, UNSAID),
        ([said({**NONE, "any": "present"})], None, SOMEWHERE),
        ([said({**NONE, "any": "present"}, any="present")], None, ["any"]),
        ([said({"any": "absent"}), said({"any": "present"})], None, DISAGREE),
        ([said(SUBDURAL, subdural="present"), said(SUBDURAL, subdural="absent")], None, DISAGREE),
        ([said({"any": "absent"}), said(SUBDURAL)], said({"any": "absent"}), []),
        (
            [said({"any": "absent"}), said(SUBDURAL, subdural="present")],
            said({"subdural": "present"}),
            ["any", "subdural"],
        ),
    ],
)
def test_only_what_is_certain_is_a_label(
    readers: list[Review], adjudication: Review | None, expected: list[str] | str
) -> None:
    labels = slice_labels(Standing(readers, adjudication), "x")

    if isinstance(expected, str):
        assert (labels.left_out, labels.targets) == (expected, {})
    else:
        assert labels.left_out == ""
        assert [label for label in LABELS if labels.targets[label]] == expected
        assert tuple(labels.targets) == LABELS
