"""A notebook shows slices by subtype, and a file's metadata, with one call each."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cache_factory import write_cache, write_originals
from ct_factory import ct_file
from model.data.cached import CachedSet, open_cache
from model.errors import TrainingError
from model.exploration.gallery import display_dicom_image, show_dicom_metadata, windowed_strip
from model.report.drawing import Drawing
from model.windowing import MODEL_WINDOWS


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    return open_cache(write_cache(tmp_path_factory.mktemp("cache")))


def titles(figure: Drawing) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def texts(figure: Drawing) -> str:
    return "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_slices_of_a_subtype_fill_the_grid(cached: CachedSet) -> None:
    figure = display_dicom_image(cached.frame, "any", 3, 2)

    shown = cached.frame.set_index("name").loc[titles(figure)]
    assert len(shown) == 6
    assert (shown["any"] == 1).all()
    assert len(figure.axes) == 6


def test_a_part_of_the_frame_shows_its_own_pixels(cached: CachedSet) -> None:
    part = cached.frame[cached.frame["patient"] > "simulated:p004"]

    figure = display_dicom_image(part, "subdural", 2, 1)

    drawn = np.asarray(figure.axes[0].images[0].get_array())
    row = cached.frame["row"][cached.frame["name"] == titles(figure)[0]].item()
    assert np.array_equal(drawn, windowed_strip(cached.hu[row], MODEL_WINDOWS[:1]))


def test_fewer_slices_than_places_leave_places_empty(cached: CachedSet) -> None:
    assert len(titles(display_dicom_image(cached.frame, "epidural", 4, 4))) == 2


def test_several_windows_stand_side_by_side(cached: CachedSet) -> None:
    figure = display_dicom_image(cached.frame, "any", 1, 1, MODEL_WINDOWS)

    assert np.asarray(figure.axes[0].images[0].get_array()).shape == (32, 96)


def test_a_data_frame_of_files_needs_no_cache(tmp_path: Path) -> None:
    data = write_originals(tmp_path, patients=2, slices=2)
    frame = pd.read_csv(data.labels_csv).assign(any=lambda table: table["epidural"])
    frame["file"] = [str(tmp_path / name) for name in frame["file"]]

    assert titles(display_dicom_image(frame, "epidural", 2, 2)) == ["p001_001"]


def test_a_notebook_shows_the_figure_without_pyplot(cached: CachedSet) -> None:
    assert display_dicom_image(cached.frame, "any", 1, 1)._repr_png_().startswith(b"\x89PNG")


def test_a_label_that_does_not_exist_is_refused(cached: CachedSet) -> None:
    with pytest.raises(TrainingError, match="There is no label 'stroke' here: any, epidural"):
        display_dicom_image(cached.frame, "stroke", 1, 1)


def test_a_subtype_without_slices_is_told(cached: CachedSet) -> None:
    without = cached.frame[cached.frame["epidural"] == 0]

    with pytest.raises(TrainingError, match="No slice of this data frame has epidural bleeding"):
        display_dicom_image(without, "epidural", 1, 1)


def test_a_data_frame_that_leads_to_no_pixels_is_refused(cached: CachedSet) -> None:
    bare = pd.DataFrame({"any": [1]})

    with pytest.raises(TrainingError, match="none of the columns path, file, filename"):
        display_dicom_image(bare, "any", 1, 1)


def test_a_gallery_has_places(cached: CachedSet) -> None:
    with pytest.raises(TrainingError, match="needs a column, a row"):
        display_dicom_image(cached.frame, "any", 0, 1)


def test_the_metadata_of_a_file_are_shown_beside_its_slice(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(ct_file(WindowCenter="40\\80", PatientName="Dollar$^$Sign"))

    figure = show_dicom_metadata(str(path))

    assert "WindowCenter" in texts(figure)
    assert "40\\80" in texts(figure)
    assert "Dollar$" in texts(figure)
    assert titles(figure) == [
        "brain 40/80",
        "subdural 80/200",
        "bone 600/2800",
        "soft-tissue 40/400",
    ]
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "is not there"), (b"text", "is not a DICOM file")]
)
def test_a_file_that_is_no_slice_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "one.dcm"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(TrainingError, match=rf"one\.dcm {message}"):
        show_dicom_metadata(path)
