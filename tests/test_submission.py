"""The Kaggle submission: every image once, whole series, and on from where a kill stopped it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.config import PROJECT_ROOT
from model.data.dataset import SourceSlice
from model.data.rsna import RsnaSet
from model.errors import TrainingError
from model.labels import LABELS
from model.predictor import Predictor
from model.submission import (
    Answer,
    Progress,
    answer_all,
    main,
    series_of_images,
    submission_csv,
    training_prevalence,
)
from rsna_factory import RsnaTree, write_rsna_tree

WEIGHTS = PROJECT_ROOT / "model" / "weights"
IDENTITY = {"weights": "some"}


@pytest.fixture
def tree(tmp_path: Path) -> RsnaTree:
    """Three test series of four images."""
    return write_rsna_tree(tmp_path / "rsna", patients=3, slices=4, traps=False)


def images_of(tree: RsnaTree) -> RsnaSet:
    return RsnaSet(tree.root, part="test")


def file_of(tree: RsnaTree, name: str) -> Path:
    return tree.root / "stage_2_test" / f"{name}.dcm"


def test_the_submission_has_the_rows_of_the_sample_in_its_order(
    tree: RsnaTree, tmp_path: Path
) -> None:
    path = tmp_path / "submission.csv"

    main(["--weights", str(WEIGHTS), "--root", str(tree.root), "--to", str(path), "--workers", "1"])

    rows = pd.read_csv(path)
    sample = pd.read_csv(tree.root / "stage_2_sample_submission.csv")
    assert list(rows.columns) == ["ID", "Label"]
    assert sorted(rows["ID"]) == sorted(sample["ID"])
    assert rows["ID"].iloc[:6].str.rpartition("_")[2].tolist() == [*LABELS[1:], "any"]
    assert rows["ID"].iloc[::6].is_monotonic_increasing
    assert rows["Label"].between(0, 1).all()
    by_image = rows["Label"].to_numpy().reshape(-1, 6)
    assert (by_image[:, 5] >= by_image[:, :5].max(axis=1) - 1e-6).all()
    assert [item.name for item in tmp_path.iterdir() if item.name != "rsna"] == [path.name]


def test_an_image_is_predicted_within_its_series_from_the_neck_upward(
    tree: RsnaTree, tmp_path: Path, predictor: Predictor
) -> None:
    data_set, names = images_of(tree), list(tree.test_images)
    kept = Progress(tmp_path / "progress", IDENTITY)

    answer_all(predictor, data_set, names, kept, workers=1)

    read = [image for image in data_set.read(names) if isinstance(image, SourceSlice)]
    first = read[0].series
    series = sorted((one for one in read if one.series == first), key=lambda one: one.z_mm)
    z_mm = np.array([one.z_mm - series[0].z_mm for one in series], np.float32)
    expected = predictor.predict([one.hu for one in series], z_mm, lambda _done: None)
    found = [kept.answers[one.name].probabilities for one in series]
    assert len(series) == 4
    assert np.array(found) == pytest.approx(expected.probabilities)


def test_images_are_grouped_by_series_and_in_processes_alike(tree: RsnaTree) -> None:
    data_set, names = images_of(tree), list(tree.test_images)

    groups = series_of_images(data_set, names, workers=2)

    assert groups == series_of_images(data_set, names, workers=1)
    assert [len(group) for group in groups] == [4, 4, 4]
    assert sorted(name for group in groups for name in group) == names


def test_an_unreadable_image_gets_the_training_prevalence_and_is_named(
    tree: RsnaTree, tmp_path: Path, predictor: Predictor, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, gone = tree.test_images[0], tree.test_images[5]
    content = file_of(tree, cut).read_bytes()
    file_of(tree, cut).write_bytes(content[: len(content) // 2])
    file_of(tree, gone).unlink()
    path = tmp_path / "submission.csv"

    main(["--weights", str(WEIGHTS), "--root", str(tree.root), "--to", str(path), "--workers", "1"])

    labels = pd.read_csv(path, index_col="ID")["Label"]
    prevalence = training_prevalence(predictor.card)
    assert len(labels) == 6 * len(tree.test_images)
    for name in (cut, gone):
        found = [labels[f"{name}_{label}"] for label in LABELS]
        assert found == pytest.approx(prevalence)
    said = capsys.readouterr().out
    assert "2 images could not be read" in said
    assert cut in said
    assert gone in said


def test_after_a_kill_the_whole_series_that_were_answered_are_kept(
    tree: RsnaTree, tmp_path: Path, predictor: Predictor
) -> None:
    data_set, names = images_of(tree), list(tree.test_images)
    done, begun, _ = series_of_images(data_set, names, workers=1)
    path = tmp_path / "progress"
    mark = (0.125,) * 6
    Progress(path, IDENTITY).add([Answer(name, mark) for name in [*done, *begun]])
    # The kill came in the middle of the second series' last line.
    path.write_text(path.read_text()[:-9])

    kept = Progress(path, IDENTITY)
    answer_all(predictor, data_set, names, kept, workers=1)

    assert [kept.answers[name].probabilities for name in done] == [mark] * len(done)
    assert all(kept.answers[name].probabilities != mark for name in begun)
    again = Progress(path, IDENTITY)
    assert submission_csv(names, again.answers) == submission_csv(names, kept.answers)


def test_what_other_weights_answered_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    Progress(path, {"weights": "others"}).add([Answer("ID_000000001", (0.5,) * 6)])

    assert Progress(path, IDENTITY).answers == {}


def test_the_reason_of_an_unreadable_image_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    answer = Answer("ID_000000001", (0.5,) * 6, 'Cut short,\n "153,710" of 524,288 bytes.')
    Progress(path, IDENTITY).add([answer])

    kept = Progress(path, IDENTITY).answers["ID_000000001"]

    assert kept.problem == 'Cut short, "153,710" of 524,288 bytes.'


def test_without_test_images_there_is_no_submission(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="stage_2_test"):
        main(["--weights", str(WEIGHTS), "--root", str(tmp_path), "--to", str(tmp_path / "s.csv")])

    assert list(tmp_path.iterdir()) == []
