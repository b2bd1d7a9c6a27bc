"""Drawings for reports: matplotlib figures that belong to nobody's screen, as SVG or PNG."""

import base64
import io
import re
from typing import Any, Final

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREY: Final = "#5f6b76"
COLOURS: Final = (BLUE, ORANGE, "#56b4e9", "#8a5fb0", "#e69f00", "#222222")
"""After Okabe and Ito (2008), one for each label: no red stands against green."""

_STYLE: Final[Any] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#222222",
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e7ea",
    "svg.fonttype": "none",
    # The same drawing is the same text, run after run.
    "svg.hashsalt": "falx",
}


class Drawing(Figure):
    """A figure that a notebook shows as the value of a cell, without pyplot."""

    def _repr_png_(self) -> bytes:
        return png_of(self)


def new_figure(width: float = 6.0, height: float = 3.0) -> tuple[Drawing, Axes]:
    """Make a figure of one axes; `width` and `height` in inches (1 inch is 96 pixels)."""
    figure, axes = new_figures(1, 1, width, height)
    return figure, axes[0]


def new_figures(
    rows: int, columns: int, width: float = 9.0, height: float = 3.0
) -> tuple[Drawing, list[Axes]]:
    """Make a figure of `rows` x `columns` axes, given row by row.

    It is not one of pyplot's, so that nothing has to be closed.
    """
    with rc_context(_STYLE):
        figure = Drawing(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def svg_of(figure: Figure) -> str:
    """Return a figure as an SVG element, without what only a file of its own needs."""
    text = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.DOTALL)


def png_of(figure: Figure, dots_per_inch: int = 130) -> bytes:
    """Return a figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="png", dpi=dots_per_inch)
    return buffer.getvalue()


def picture_address(grey: NDArray[np.uint8], quality: int = 85) -> str:
    """Return grey or colour pixels uint8[H, W] or [H, W, 3] as a JPEG in a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    return data_address(buffer.getvalue(), "image/jpeg")


def data_address(content: bytes, media_type: str) -> str:
    """Return bytes as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
