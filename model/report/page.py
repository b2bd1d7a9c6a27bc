"""One report: sections of text, tables, drawings and slices, rendered to one HTML file."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.notice import NOTICE
from model.report.drawing import data_address, picture_address, png_of, svg_of

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Picture:
    """A slice to show: uint8[H, W] or uint8[H, W, 3], and what stands below it."""

    pixels: NDArray[np.uint8]
    caption: str


@dataclass
class _Section:
    heading: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)


class Page:
    """A report that grows from top to bottom; each method adds to the last section.

    Parameters
    ----------
    title, subtitle
        What the report is about.
    """

    def __init__(self, title: str, subtitle: str = "") -> None:
        self.title = title
        self.subtitle = subtitle
        self._sections: list[_Section] = []

    def section(self, heading: str, text: str = "") -> Self:
        """Begin a section; a blank line in `text` divides paragraphs."""
        self._sections.append(_Section(heading, text))
        return self

    def table(
        self, head: Sequence[str], rows: Iterable[Sequence[object]], caption: str = ""
    ) -> Self:
        """Add a table; numbers stand to the right, None and nan are a dash."""
        cells = [[_cell(value) for value in row] for row in rows]
        return self._add(kind="table", head=list(head), rows=cells, caption=caption)

    def frame(self, frame: pd.DataFrame, caption: str = "", *, index: bool = True) -> Self:
        """Add a data frame as a table, its index as the first column."""
        shown = frame.reset_index() if index else frame
        return self.table([str(name) for name in shown.columns], shown.to_numpy(object), caption)

    def figure(self, figure: Figure, alt: str, caption: str = "", *, raster: bool = False) -> Self:
        """Add a drawing; `alt` says what it shows, `raster` makes it a PNG instead of SVG."""
        if raster:
            drawn = {"address": data_address(png_of(figure), "image/png")}
        else:
            drawn = {"svg": Markup(svg_of(figure))}  # noqa: S704 - matplotlib escapes texts
        return self._add(kind="figure", alt=alt, caption=caption, **drawn)

    def images(self, pictures: Iterable[Picture], caption: str = "", width: int = 180) -> Self:
        """Add slices side by side, each `width` pixels wide."""
        shown = [(picture_address(one.pixels), one.caption) for one in pictures]
        return self._add(kind="images", pictures=shown, caption=caption, width=width)

    def notes(self, sentences: Iterable[str]) -> Self:
        """Add a list of sentences."""
        return self._add(kind="notes", sentences=list(sentences))

    def html(self) -> str:
        """Render the report as one HTML document."""
        return _TEMPLATES.get_template("page.html").render(
            title=self.title, subtitle=self.subtitle, notice=NOTICE, sections=self._sections
        )

    def _add(self, **block: Any) -> Self:
        if not self._sections:
            self.section("")
        self._sections[-1].blocks.append(block)
        return self


def _cell(value: object) -> tuple[str, bool]:
    """Return a cell's text, and whether it is a number."""
    if value is None or value is pd.NA:
        return "–", True
    if isinstance(value, bool | np.bool_):
        return ("yes" if value else "no"), False
    if isinstance(value, int | np.integer):
        return f"{value:,}", True
    if isinstance(value, float | np.floating):
        return (f"{value:,.4g}" if math.isfinite(value) else "–"), True
    return str(value), False
