"""A report is one HTML file: tables, drawings and slices, every text escaped."""

import math

import numpy as np
import pandas as pd
import pytest

from model.notice import NOTICE
from model.report import BLUE, Page, Picture, new_figure


def test_the_notice_and_the_title_stand_on_the_page() -> None:
    text = Page("Evaluation", "of a run").html()

    assert NOTICE in text
    assert "<h1>Evaluation</h1>" in text
    assert "of a run" in text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (1234, '<td class="number">1,234</td>'),
        (0.12345678, '<td class="number">0.1235</td>'),
        (np.int64(7), '<td class="number">7</td>'),
        (math.nan, '<td class="number">–</td>'),
        (None, '<td class="number">–</td>'),
        (True, "<td>yes</td>"),
        ("<b>", "<td>&lt;b&gt;</td>"),
    ],
)
def test_a_cell_is_shown_as_what_it_is(value: object, cell: str) -> None:
    assert cell in Page("T").table(["x"], [[value]]).html()


def test_a_table_without_rows_says_none() -> None:
    assert "none" in Page("T").table(["x"], []).html()


def test_a_data_frame_is_a_table_with_its_index() -> None:
    frame = pd.DataFrame({"AUC": [0.9]}, index=pd.Index(["any"], name="label"))

    text = Page("T").frame(frame, caption="Figures").html()

    assert "<caption>Figures</caption>" in text
    assert '<td>any</td><td class="number">0.9</td>' in text


@pytest.mark.parametrize(("raster", "form"), [(False, "<svg"), (True, "data:image/png;base64,")])
def test_a_drawing_is_part_of_the_page(raster: bool, form: str) -> None:
    figure, axes = new_figure(2, 1)
    axes.plot([0, 1], color=BLUE, label="<script>")
    axes.legend()

    text = Page("T").figure(figure, 'a "curve"', raster=raster).html()

    assert form in text
    assert "a &#34;curve&#34;" in text
    assert "<script>" not in text


def test_slices_are_part_of_the_page() -> None:
    pictures = [Picture(np.zeros((8, 8), np.uint8), "ID_1, <any> 0.9")]

    text = Page("T").images(pictures, "Worst").html()

    assert "data:image/jpeg;base64," in text
    assert "ID_1, &lt;any&gt; 0.9" in text


def test_sections_are_listed_and_divided_in_paragraphs() -> None:
    page = Page("T")
    for heading in ("One", "Two", "Three"):
        page.section(heading, "First.\n\nSecond.").notes(["A note."])

    text = page.html()

    assert '<a href="#section-3">Three</a>' in text
    assert text.count("<p>Second.</p>") == 3
    assert text.count("<li>A note.</li>") == 3
