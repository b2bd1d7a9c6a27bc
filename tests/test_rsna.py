"""The RSNA 2019 download is read as it is, and none of its traps stops a run."""

import itertools
import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from model.data import rsna
from model.data.dataset import LeftOut, SourceSlice, count_kinds
from model.data.rsna import RsnaSet
from model.data.rsna_labels import read_label_table
from model.dicom.slice_reader import ReadLimits, read_slice
from model.errors import TrainingError
from model.labels import LABELS
from rsna_factory import CSV_LABELS, TRUNCATED, RsnaTree, write_rsna_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> RsnaTree:
    return write_rsna_tree(tmp_path_factory.mktemp("rsna"))


@pytest.fixture(scope="module")
def slices(tree: RsnaTree) -> dict[str, SourceSlice]:
    """All slices that can be read."""
    data_set = RsnaSet(tree.root)
    results = data_set.read(data_set.index().names)
    return {result.name: result for result in results if isinstance(result, SourceSlice)}


def write_csv(path: Path, rows: Iterable[tuple[str, object]]) -> Path:
    path.write_text("ID,Label\n" + "".join(f"{row},{label}\n" for row, label in rows))
    return path


def rows_of(image: str, *ones: str) -> list[tuple[str, int]]:
    return [(f"{image}_{label}", int(label in ones)) for label in CSV_LABELS]


def test_the_index_lists_the_labelled_images_and_counts_the_rest(tree: RsnaTree) -> None:
    index = RsnaSet(tree.root).index()

    indexed = dict(zip(index.names, map(tuple, index.targets.tolist()), strict=True))
    assert set(indexed) == set(tree.labels) | set(tree.unreadable)
    assert {name: indexed[name] for name in tree.labels} == tree.labels
    assert count_kinds(index.left_out) == tree.left_out
    assert index.targets.dtype == np.int8
    assert sorted(np.concatenate(index.units).tolist()) == list(range(len(index.names)))


def test_any_is_1_wherever_a_subtype_is(tree: RsnaTree) -> None:
    assert tree.labels[tree.corrected_any][0] == 1

    targets = RsnaSet(tree.root).index().targets

    assert np.array_equal(targets[:, 0], targets[:, 1:].max(axis=1))
    assert (targets.sum(axis=0) > 0).all()


def test_unreadable_files_are_left_out_by_name_and_the_rest_is_read(
    tree: RsnaTree, slices: dict[str, SourceSlice]
) -> None:
    assert TRUNCATED in tree.unreadable
    assert set(slices) == set(tree.labels)

    left_out = list(RsnaSet(tree.root).read([*tree.unreadable, "ID_000000000"]))

    reasons = [*tree.unreadable.items(), ("ID_000000000", "is not there")]
    for result, (name, reason) in zip(left_out, reasons, strict=True):
        assert isinstance(result, LeftOut)
        assert result.name == name
        assert reason in result.detail


def test_patients_and_studies_are_those_of_the_files(
    tree: RsnaTree, slices: dict[str, SourceSlice]
) -> None:
    assert {name: one.patient for name, one in slices.items()} == tree.patient_of
    assert {name: one.study for name, one in slices.items()} == tree.study_of
    assert len(set(tree.study_of.values())) > len(set(tree.patient_of.values()))


def test_wrapped_values_and_padding_are_air(tree: RsnaTree, slices: dict[str, SourceSlice]) -> None:
    for name in tree.wrapped:
        assert slices[name].hu[0].max() < -900, "air, not 3,096 HU"
        assert any("wrapped" in warning for warning in slices[name].warnings)
    for name in tree.padded:
        assert (slices[name].hu[:6] == -1024).all()
        assert slices[name].hu[32].max() > 800, "bone"
        assert any("were raised" in warning for warning in slices[name].warnings)


def test_two_windows_and_other_sizes_are_read(
    tree: RsnaTree, slices: dict[str, SourceSlice]
) -> None:
    for name in tree.two_windows:
        assert slices[name].attributes["WindowCenter"] == "00040\\00040"
        assert any("several windows" in warning for warning in slices[name].warnings)
    assert {name: slices[name].hu.shape for name in tree.shapes} == tree.shapes
    assert any(rows != columns for rows, columns in tree.shapes.values())


def test_slices_ascend_along_the_head_also_with_a_tilted_gantry(
    tree: RsnaTree, slices: dict[str, SourceSlice]
) -> None:
    ascending = [slices[name].z_mm for name in tree.tilted]

    assert np.diff(ascending) == pytest.approx(np.cos(np.radians(15)) * 15, abs=0.01)


def test_identical_pixels_stand_under_several_patients(
    tree: RsnaTree, slices: dict[str, SourceSlice]
) -> None:
    for pair in (tree.same_pixels_same_labels, tree.same_pixels_other_labels):
        first, second = (slices[name] for name in pair)
        assert np.array_equal(first.hu, second.hu)
        assert first.patient != second.patient


def test_training_reads_what_service_reads(tree: RsnaTree, slices: dict[str, SourceSlice]) -> None:
    name = tree.wrapped[0]
    path = tree.root / "stage_2_train" / f"{name}.dcm"

    served = read_slice(path.read_bytes(), path.name, ReadLimits())

    assert np.array_equal(served.hu, slices[name].hu)
    assert served.warnings == slices[name].warnings


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("stage", [1, 2])
def test_both_stages_are_found_in_the_folder_or_one_below(
    tmp_path: Path, stage: int, nested: bool
) -> None:
    tree = write_rsna_tree(tmp_path, patients=2, slices=2, stage=stage, traps=False, nested=nested)

    data_set = RsnaSet(tmp_path, stage)

    index = data_set.index()
    assert index.names == sorted(tree.labels)
    assert index.left_out == []
    assert all(isinstance(one, SourceSlice) for one in data_set.read(index.names))


def test_the_test_images_are_listed_by_the_sample_submission_or_else_by_the_files(
    tmp_path: Path,
) -> None:
    tree = write_rsna_tree(tmp_path, patients=2, slices=2, traps=False)

    by_sample = rsna.test_names(tmp_path, 2)
    (tmp_path / "stage_2_sample_submission.csv").unlink()
    by_files = rsna.test_names(tmp_path, 2)

    assert by_sample == by_files == list(tree.test_images)
    to_predict = RsnaSet(tmp_path, 2, "test")
    assert all(isinstance(one, SourceSlice) for one in to_predict.read(by_sample))
    with pytest.raises(TrainingError, match="test images of RSNA have no labels"):
        to_predict.index()


def test_without_test_images_nothing_can_be_submitted(tmp_path: Path) -> None:
    (tmp_path / "stage_2_test").mkdir()

    with pytest.raises(TrainingError, match="stage_2_test holds no test image"):
        rsna.test_names(tmp_path, 2)


def test_the_other_stage_is_named_where_it_is_there(tmp_path: Path) -> None:
    write_rsna_tree(tmp_path, patients=1, slices=1, stage=1, traps=False)

    with pytest.raises(TrainingError, match=r"stage_2_train\.csv.* use --stage 1"):
        RsnaSet(tmp_path).index()


def test_what_is_missing_is_said_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere is no folder"):
        RsnaSet(tmp_path / "nowhere").index()
    with pytest.raises(TrainingError, match=f"{tmp_path}.*stage_2_train.csv.*kaggle competitions"):
        RsnaSet(tmp_path).index()

    write_csv(tmp_path / "stage_2_train.csv", rows_of("ID_000000001"))
    with pytest.raises(TrainingError, match="holds the images, stage_2_train/ or"):
        RsnaSet(tmp_path).index()

    (tmp_path / "stage_2_train").mkdir()
    with pytest.raises(TrainingError, match=r"None of the 1 labelled images .*ID_000000001\.dcm"):
        RsnaSet(tmp_path).index()

    write_csv(tmp_path / "stage_2_train.csv", rows_of("ID_000000001")[:5])
    with pytest.raises(TrainingError, match=r"No image of .* has six labels that agree"):
        RsnaSet(tmp_path).index()


def test_the_set_travels_into_reading_processes(tree: RsnaTree) -> None:
    data_set = RsnaSet(tree.root)

    assert pickle.loads(pickle.dumps(data_set)) == data_set  # noqa: S301


ROW = "ID_000000001_any"

WRONG_CSV = {
    "": "is empty; it needs a header with ID, Label",
    "ID,Label\n": "has a header and no row",
    "Image,Label\nx,1\n": "has no column ID: it has Image, Label, where ID, Label are needed",
    f"ID,Label\n{ROW},0\n{ROW},1,1\n": "cannot be read as CSV: .*line 3",
    f"ID,Label\n{ROW},0,0\n": "more values than its header",
    f"ID,Label\n{ROW},0\nID_12_any,0\n": "line 3: the ID 'ID_12_any' is not in the form ID_<9 hex",
    f"ID,Label\n{ROW}\n\nID_000000001_bleed,0\n": "line 4: the ID 'ID_000000001_bleed' is not in",
    "ID,Label\n../../etc/passwd_any,0\n": "line 2: the ID '../../etc/passwd_any' is not in",
    f"ID,Label\n{ROW},0.6\n": "line 2: the Label '0.6' is neither 0 nor 1",
    f"ID,Label\n{ROW},\n": "line 2: the Label '' is neither 0 nor 1",
    f"ID,Label\n\n{ROW},0\n{ROW},x\n{ROW},y\n": "line 4: the Label 'x' is .* as in 1 more rows",
}


@pytest.mark.parametrize(("text", "reason"), WRONG_CSV.items(), ids=lambda text: repr(text)[:40])
def test_a_csv_in_another_form_is_refused_with_the_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)

    with pytest.raises(TrainingError, match=f"labels.csv.*{reason}"):
        read_label_table(path)


def test_a_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"ID,Label\n\xff\xfe\x00,1\n")

    with pytest.raises(TrainingError, match=r"labels.csv cannot be read as CSV"):
        read_label_table(path)


def test_blank_lines_spaces_and_line_ends_of_windows_are_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    text = "ID, Label\n" + "".join(
        f"{row}, {one}\n\n" for row, one in rows_of("ID_00000000a", "any")
    )
    path.write_bytes(text.replace("\n", "\r\n").encode())

    table = read_label_table(path)

    assert table.images.tolist() == ["ID_00000000a"]
    assert table.targets.tolist() == [[1, 0, 0, 0, 0, 0]]
    assert table.left_out == []


def test_two_hundred_thousand_rows_are_parsed_as_a_whole(tmp_path: Path) -> None:
    images = [f"ID_{number * 7919 % 16**9:09x}" for number in range(34_000)]
    positive = itertools.cycle([(), ("any", "subdural")])
    rows = [
        row for image, ones in zip(images, positive, strict=False) for row in rows_of(image, *ones)
    ]

    table = read_label_table(write_csv(tmp_path / "labels.csv", rows))

    assert table.images.tolist() == sorted(images)
    assert dict(zip(LABELS, table.targets.sum(axis=0).tolist(), strict=True)) == {
        **dict.fromkeys(LABELS, 0),
        "any": 17_000,
        "subdural": 17_000,
    }


def test_a_stray_file_among_the_images_is_passed_over(tmp_path: Path) -> None:
    tree = write_rsna_tree(tmp_path, patients=2, slices=2, traps=False)
    (tmp_path / "stage_2_train" / "Thumbs.db").write_bytes(b"")
    shutil.copy(tmp_path / "stage_2_train.csv", tmp_path / "stage_2_train" / "copy.csv")

    index = RsnaSet(tmp_path).index()

    assert set(index.names) == set(tree.labels)
    assert index.left_out == []
