"""A folder of one's own DICOM files and a CSV become a data set, or the CSV's line is named."""

from pathlib import Path

import pytest

from ct_factory import ct_file
from model.data.dataset import LeftOut, SourceSlice, count_kinds
from model.data.own_folder import OwnFolderSet
from model.errors import TrainingError

SUBTYPE_COLUMNS = "epidural,intraparenchymal,intraventricular,subarachnoid,subdural"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three files, two of which share a bare name, and one that is no DICOM."""
    root = tmp_path / "scans"
    for path, number, patient in (("a", 1, "P1"), ("x/b.dcm", 2, "P2"), ("y/b.dcm", 3, None)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        data = ct_file(
            SOPInstanceUID=f"1.2.{number}",
            PatientID=patient,
            ImagePositionPatient=f"-100\\-100\\{5 * number}",
            InstanceNumber=f"{number}",
        )
        (root / path).write_bytes(data)
    (root / "notes.txt").write_text("no DICOM")
    return root


def own_set(root: Path, text: str) -> OwnFolderSet:
    labels = root.parent / "labels.csv"
    labels.write_text(text)
    return OwnFolderSet(root, labels, "Our heads", "We", "Not to be passed on")


def named(root: Path, *rows: str, more: str = "") -> OwnFolderSet:
    """A set whose CSV has these rows under `file`, the subtypes, and more columns."""
    return own_set(root, "\n".join([f"file,{SUBTYPE_COLUMNS}{more}", *rows]))


def test_files_are_named_by_path_or_by_a_bare_name_that_occurs_once(root: Path) -> None:
    (root / "z").mkdir()
    (root / "a").rename(root / "z" / "a")

    index = named(root, "x/b.dcm,0,0,0,0,1", "a,0,0,0,0,0", "./y/b.dcm,1,0,0,1,0").index()

    assert list(index.names) == ["x/b.dcm", "y/b.dcm", "z/a"]
    assert index.targets.tolist() == [[1, 0, 0, 0, 0, 1], [1, 1, 0, 0, 1, 0], [0] * 6]
    assert index.left_out == []


def test_files_are_named_by_their_uids(root: Path) -> None:
    text = (
        f"sop_instance_uid,{SUBTYPE_COLUMNS}\n1.2.3,0,0,0,0,0\n1.2.1,0,1,0,0,0\n1.2.9,0,0,0,0,0\n"
    )

    index = own_set(root, text).index()

    assert list(index.names) == ["a", "y/b.dcm"]
    assert index.targets.tolist() == [[1, 0, 1, 0, 0, 0], [0] * 6]
    assert [(one.name, one.kind) for one in index.left_out] == [("1.2.9", "label without file")]


def test_slices_are_read_with_patient_and_place(root: Path) -> None:
    data_set = named(root, "a,0,0,0,0,0", "x/b.dcm,0,0,0,0,0")

    first, second = data_set.read(data_set.index().names)

    assert isinstance(first, SourceSlice)
    assert isinstance(second, SourceSlice)
    assert (first.name, first.patient, first.z_mm, first.number) == ("a", "P1", 5.0, 1)
    assert (second.name, second.patient, second.z_mm, second.number) == ("x/b.dcm", "P2", 10.0, 2)


def test_a_file_without_a_patient_is_left_out_unless_the_csv_names_one(root: Path) -> None:
    (without,) = named(root, "y/b.dcm,0,0,0,0,0").read(["y/b.dcm"])
    other = root.parent / "other"
    other.mkdir()
    root = root.rename(other / "scans")
    stated = named(root, "x/b.dcm,0,0,0,0,0,", "y/b.dcm,0,0,0,0,0,P7", more=",patient")
    in_file, in_csv = stated.read(["x/b.dcm", "y/b.dcm"])

    assert isinstance(without, LeftOut)
    assert without.kind == "no patient"
    assert isinstance(in_file, SourceSlice)
    assert isinstance(in_csv, SourceSlice)
    assert (in_file.patient, in_csv.patient) == ("P2", "P7")


def test_a_patient_may_be_stated_by_uid(root: Path) -> None:
    text = f"sop_instance_uid,{SUBTYPE_COLUMNS},patient\n1.2.1,0,0,0,0,0,Q1\n"

    (one,) = own_set(root, text).read(["a"])

    assert isinstance(one, SourceSlice)
    assert one.patient == "Q1"


def test_any_may_be_stated_alone_and_follows_the_subtypes(root: Path) -> None:
    rows = ("a,0,0,0,0,0,1", "x/b.dcm,0,1,0,0,0,0", "y/b.dcm,0,0,0,0,0,0")

    index = named(root, *rows, more=",any").index()

    assert index.targets[:, 0].tolist() == [1, 1, 0]
    assert count_kinds(index.left_out) == {"any contradicted": 1}


def test_what_is_not_there_or_not_clear_is_left_out_and_counted(root: Path) -> None:
    index = named(root, "a,0,0,0,0,0", "b.dcm,0,0,0,0,0", "c.dcm,0,0,0,0,0").index()

    assert list(index.names) == ["a"]
    assert count_kinds(index.left_out) == {"label without file": 2}


def test_a_file_that_is_no_dicom_is_left_out_when_it_is_read(root: Path) -> None:
    data_set = named(root, "notes.txt,0,0,0,0,0", "a,0,0,0,0,0")

    read, left_out = data_set.read(data_set.index().names)

    assert isinstance(read, SourceSlice)
    assert isinstance(left_out, LeftOut)
    assert "is not a DICOM file" in left_out.detail


WRONG_ROWS = {
    "a,0,0,0,0,2": r"labels\.csv, line 2: the subdural '2' is neither 0 nor 1",
    "a,0,0,0,0,": r"labels\.csv, line 2: the subdural '' is neither 0 nor 1",
    "a,0,0,0,0": r"labels\.csv, line 2: the subdural '' is neither 0 nor 1",
    "a,0,0,0,0,0\n\na,0,0,0,0,0": r"labels\.csv, line 4: the file 'a' was named before, in line 2",
    ",0,0,0,0,1": r"labels\.csv, line 2: the file '' is empty",
    "../a,0,0,0,0,0": r"line 2: the file '\.\./a' leads out of the folder",
    "x/../../a,0,0,0,0,0": "leads out of the folder",
    "/etc/passwd,0,0,0,0,0": r"line 2: the file '/etc/passwd' leads out",
    "x\\..\\..\\a,0,0,0,0,0": "leads out of the folder",
    "C:\\scans\\a,0,0,0,0,0": "leads out of the folder",
    "c,0,0,0,0,0": r"None of the 1 rows of .*labels\.csv names a file below .*scans.* is 'c'",
}


@pytest.mark.parametrize(("row", "reason"), WRONG_ROWS.items(), ids=WRONG_ROWS)
def test_a_wrong_row_is_refused_with_its_line(root: Path, row: str, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        named(root, row).index()


def test_a_file_named_by_path_and_by_bare_name_is_named_twice(root: Path) -> None:
    (root / "y" / "b.dcm").unlink()

    with pytest.raises(TrainingError, match=r"line 3: the file 'b\.dcm' is the file x/b\.dcm, wh"):
        named(root, "x/b.dcm,0,0,0,0,0", "b.dcm,0,0,0,0,0").index()


def test_missing_columns_are_named_beside_those_that_are_there(root: Path) -> None:
    with pytest.raises(TrainingError, match="has no column subdural: it has file, epidural"):
        own_set(
            root, "file,epidural,intraparenchymal,intraventricular,subarachnoid\na,0,0,0,0\n"
        ).index()
    with pytest.raises(TrainingError, match="neither a column file nor sop_instance_uid: it has"):
        own_set(root, f"name,{SUBTYPE_COLUMNS}\na,0,0,0,0,0\n").index()


@pytest.mark.parametrize(("title", "licence"), [("", "free"), ("Our heads", " ")])
def test_the_card_needs_a_title_and_a_licence(root: Path, title: str, licence: str) -> None:
    labels = own_set(root, "").labels_csv

    with pytest.raises(TrainingError, match="needs a title and a licence"):
        OwnFolderSet(root, labels, title, "We", licence).index()


def test_a_missing_folder_or_csv_is_said(root: Path) -> None:
    data_set = OwnFolderSet(root, root / "absent.csv", "Our heads", "We", "free")

    with pytest.raises(TrainingError, match=r"absent\.csv is not there"):
        data_set.index()
    with pytest.raises(TrainingError, match="nowhere is no folder"):
        OwnFolderSet(root / "nowhere", root, "Our heads", "We", "free").index()


def test_a_real_series_is_read_by_its_uids(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "ge-head"
    by_name = own_set_of(folder, tmp_path / "names.csv", "file", [f"{n:02d}.dcm" for n in (1, 2)])
    slices = [one for one in by_name.read(by_name.index().names) if isinstance(one, SourceSlice)]
    uids = [one.attributes["SOPInstanceUID"] for one in slices]

    by_uid = own_set_of(folder, tmp_path / "uids.csv", "sop_instance_uid", uids)

    assert list(by_uid.index().names) == ["01.dcm", "02.dcm"]
    assert [one.patient for one in slices] == ["someone"] * 2


def own_set_of(root: Path, labels: Path, column: str, keys: list[str]) -> OwnFolderSet:
    rows = [f"{key},0,0,0,0,0,someone" for key in keys]
    labels.write_text("\n".join([f"{column},{SUBTYPE_COLUMNS},patient", *rows]))
    return OwnFolderSet(root, labels, "Our heads", "We", "free")
