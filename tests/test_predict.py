"""`python -m model.predict`: a file, a folder or a zip, in one line to probabilities."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import predict
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import make_series
from model.labels import LABELS


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated head of three slices, and a file that is none."""
    folder = tmp_path_factory.mktemp("head")
    write_series(folder, make_series(0, Scan(n_slices=3, spacing_mm=25, pixels=256)))
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_folder_gives_probabilities_for_each_slice_in_order(
    head: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = predict.main([str(head), "--json", "--device", "cpu"])

    told = json.loads(capsys.readouterr().out)
    (series,) = told["series"]
    assert code == 0
    assert told["notice"] == "Research use only, not for clinical use."
    assert series["simulated"] is True
    assert [one["name"] for one in series["slices"]] == ["001.dcm", "002.dcm", "003.dcm"]
    assert tuple(series["probabilities"]) == LABELS
    assert [one["name"] for one in told["refused"]] == ["notes.txt"]


def test_a_single_slice_is_enough(head: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict.main([str(head / "002.dcm"), "--device", "cpu"]) == 0

    assert "highest" in capsys.readouterr().out


def test_a_zip_is_read_and_the_pictures_are_written(head: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "head.zip", "w") as archive:
        for path in head.glob("*.dcm"):
            archive.write(path, path.name)

    code = predict.main(
        [str(tmp_path / "head.zip"), "--png", str(tmp_path / "png"), "--device", "cpu"]
    )

    pictures = sorted((tmp_path / "png" / "series-1").glob("*.png"))
    with Image.open(pictures[0]) as picture:
        assert picture.size == (3 * 256, 256 + predict.NOTICE_ROWS)
        notice = np.asarray(picture)[256:]
    assert notice.max() > 128
    assert (code, len(pictures)) == (0, 3)


def test_nothing_to_analyse_is_a_failure_with_a_reason(
    head: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = predict.main([str(head / "notes.txt"), "--device", "cpu"])

    assert code == 1
    assert "notes.txt is not a DICOM file" in capsys.readouterr().out


def test_a_missing_model_is_told(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = predict.main([str(head), "--model", str(tmp_path)])

    assert code == 1
    assert "falx.json" in capsys.readouterr().err
