"""The exploration report tells what the data are and what is broken, in one file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cache_factory import write_cache, write_originals
from ct_factory import ct_file
from model import explore
from model.data import cache_writer
from model.data.cached import CachedSet, open_cache
from model.data.rsna import RsnaSet
from model.data.simulated import SimulatedSet
from model.errors import TrainingError
from model.exploration.tables import (
    cooccurrence,
    label_table,
    repeated_pixels,
    size_counts,
    slice_distances,
    spread,
    study_table,
    warning_counts,
    window_counts,
)
from model.labels import LABELS, SUBTYPES
from rsna_factory import RsnaTree, write_rsna_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> RsnaTree:
    return write_rsna_tree(tmp_path_factory.mktemp("rsna"))


@pytest.fixture(scope="module")
def rsna(tree: RsnaTree, tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    folder = tmp_path_factory.mktemp("cache")
    cache_writer.write_cache(RsnaSet(tree.root), folder, size=32)
    return open_cache(folder)


@pytest.fixture(scope="module")
def report(rsna: CachedSet) -> str:
    return explore.explore([rsna]).html()


def labelled(*rows: tuple[str, str, tuple[int, ...]]) -> pd.DataFrame:
    """A frame of (patient, study, targets)."""
    patients, studies, targets = zip(*rows, strict=True)
    table = pd.DataFrame(np.array(targets), columns=list(LABELS))
    return table.assign(patient=patients, study=studies)


THREE = labelled(
    ("a", "a1", (1, 1, 0, 0, 0, 1)),
    ("a", "a1", (1, 0, 0, 0, 0, 1)),
    ("a", "a2", (0, 0, 0, 0, 0, 0)),
    ("b", "b1", (1, 0, 0, 0, 0, 1)),
)


def test_labels_are_counted_by_slice_study_and_patient() -> None:
    table = label_table(THREE)

    rows = dict(zip(LABELS, table.to_numpy().tolist(), strict=True))
    assert rows["subdural"] == [3, 75, 2, 2]
    assert rows["epidural"] == [1, 25, 1, 1]
    assert rows["intraventricular"] == [0, 0, 0, 0]


def test_labels_that_occur_together_are_counted() -> None:
    counts = cooccurrence(THREE)

    assert counts[LABELS.index("epidural"), LABELS.index("subdural")] == 1
    assert counts[LABELS.index("subdural"), LABELS.index("subdural")] == 3
    assert (counts == counts.T).all()


def test_studies_have_slices_and_positives() -> None:
    assert study_table(THREE).reset_index().to_numpy().tolist() == [
        ["a1", "a", 2, 2],
        ["a2", "a", 1, 0],
        ["b1", "b", 1, 1],
    ]


def test_distances_are_taken_within_a_series_only() -> None:
    frame = pd.DataFrame({"series": ["s", "s", "t", "t"], "z_mm": [0.0, 5.0, 100.0, np.nan]})

    assert slice_distances(frame).tolist() == pytest.approx([5.0, np.nan], nan_ok=True)


def test_frequent_sizes_come_first_and_rare_ones_together() -> None:
    frame = pd.DataFrame({"rows": [512, 512, 408, 768], "columns": [512, 512, 374, 768]})

    assert size_counts(frame, most=1) == [("512 x 512", 2), ("2 others", 2)]


def test_header_windows_are_counted_and_so_is_none() -> None:
    frame = pd.DataFrame({"window_center": [40, 40, np.nan], "window_width": [80, 80, np.nan]})

    assert window_counts(frame) == [("40/80", 2), ("none", 1)]


def test_warnings_that_differ_in_numbers_are_one_kind() -> None:
    frame = pd.DataFrame({"warnings": ["", "Wrapped at 4096. | 3 px", "5 px", "Wrapped at 4096."]})

    assert warning_counts(frame) == {"Wrapped at 4096.": 2, "… px": 2}


def test_repeated_pixels_are_found_but_not_among_blank_slices() -> None:
    frame = pd.DataFrame(
        {"pixel_hash": ["a", "a", "b", "c", "c"], "blank": [False, False, False, True, True]}
    )

    assert repeated_pixels(frame).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(("most", "expected"), [(2, [1, 8]), (3, [1, 4, 8]), (9, [1, 2, 4, 6, 8])])
def test_examples_are_spread_over_all_that_there_are(most: int, expected: list[int]) -> None:
    chosen = np.isin(np.arange(10), [1, 2, 4, 6, 8])

    assert spread(chosen, most).tolist() == expected
    assert spread(np.zeros(4, bool), most).tolist() == []


def test_the_command_writes_the_report_and_all_metadata(
    rsna: CachedSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_cache(tmp_path / "other", patients=2)

    explore.main([f"--cache={rsna.folder}", f"--cache={other}", f"--to={tmp_path / 'report'}"])

    table = pd.read_parquet(tmp_path / "report" / "slices.parquet")
    assert table["data_set"].value_counts().to_dict() == {
        "rsna": len(rsna.frame),
        "simulated": 8,
    }
    assert table.columns[1:].tolist() == rsna.frame.columns.tolist()
    text = (tmp_path / "report" / "report.html").read_text()
    assert "rsna: Labels" in text
    assert "simulated: Galleries" in text


def test_the_report_needs_nothing_from_elsewhere(report: str) -> None:
    assert 'src="http' not in report
    assert "<script" not in report
    assert "<link" not in report
    assert "Research use only, not for clinical use." in report


def test_the_report_sets_rsna_beside_the_published_numbers(report: str) -> None:
    assert "97,103" in report
    assert "107,933" in report


def test_the_report_counts_what_is_broken(report: str, tree: RsnaTree) -> None:
    for kind, count in tree.left_out.items():
        assert f'<td>{kind}</td><td class="number">{count}</td>' in report
    for name in tree.unreadable:
        assert name in report
    assert "12-bit values had wrapped around" in report
    assert '(blank ones aside)</td><td class="number">4</td>' in report
    for name in tree.same_pixels_other_labels:
        assert name in report


def test_every_subtype_has_its_gallery(report: str, rsna: CachedSet) -> None:
    for subtype in SUBTYPES:
        assert f"{subtype}: {rsna.frame[subtype].sum()} slices" in report


def test_a_set_without_a_subtype_has_a_report_too(tmp_path: Path) -> None:
    cache_writer.write_cache(SimulatedSet(1, 3, pixels=32), tmp_path, size=32)

    text = explore.explore([open_cache(tmp_path)]).html()

    assert "epidural: 0 slices" in text
    assert "SIMULATED" in text


def test_names_in_the_data_are_no_markup(tmp_path: Path) -> None:
    data = write_originals(tmp_path / "data", patients=1, slices=2)
    evil = "<img src=x>"
    (data.root / "p000_000.dcm").write_bytes(ct_file(StudyInstanceUID="1.2"))
    labels = data.labels_csv.read_text().replace(",p000,", f",{evil},")
    data.labels_csv.write_text(labels)
    cache_writer.write_cache(data, tmp_path / "cache", size=32, name=evil)

    text = explore.explore([open_cache(tmp_path / "cache")]).html()

    assert evil not in text
    assert "&lt;img src=x&gt;" in text


def test_two_caches_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = write_cache(tmp_path / "one", patients=2)

    with pytest.raises(TrainingError, match="Two caches have one name"):
        explore.main([f"--cache={folder}", f"--cache={folder}", f"--to={tmp_path}"])
