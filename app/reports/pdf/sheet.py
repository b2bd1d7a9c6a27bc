"""A sheet of the PDF: its margins, and what stands on each: notice, whose study, page n of m."""

import io
from collections.abc import Sequence
from typing import Any, Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate

from app.reports.pdf.text import BOLD, REGULAR, markup
from model.notice import NOTICE

SIDE: Final = 15 * mm
TOP: Final = 27 * mm
BOTTOM: Final = 17 * mm
WIDTH: Final = A4[0] - 2 * SIDE
"""Of what is written, in points."""

_NUMBER_WIDTH: Final = 25 * mm
"""For "Page n of m"."""

_NOTICE: Final = ParagraphStyle("notice", fontName=BOLD, fontSize=10, leading=13)
_PADDING: Final = 6.0
"""Points that the library keeps free inside the margins."""
_SMALL: Final = ParagraphStyle("running", fontName=REGULAR, fontSize=7.5, leading=9.5)


def sheets(story: Sequence[Flowable], whose: str, made: str) -> bytes:
    """The finished PDF.

    Parameters
    ----------
    story
        What is told, from the first sheet on.
    whose
        Patient and study in one or two lines, for each sheet.
    made
        By which site and for whom, for each sheet.
    """

    def running_head(canvas: Canvas, _document: Any) -> None:
        _place(canvas, Paragraph(NOTICE, _NOTICE), A4[1] - 8 * mm, WIDTH)
        _place(canvas, Paragraph(markup(whose), _SMALL), A4[1] - 13.5 * mm, WIDTH)
        canvas.line(SIDE, A4[1] - 22.5 * mm, A4[0] - SIDE, A4[1] - 22.5 * mm)
        _place(canvas, Paragraph(markup(made), _SMALL), 13 * mm, WIDTH - _NUMBER_WIDTH)

    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=SIDE - _PADDING,
        rightMargin=SIDE - _PADDING,
        topMargin=TOP,
        bottomMargin=BOTTOM,
        title="Falx report. " + NOTICE,
        author="Falx",
        lang="en",
    )
    document.build(
        [*story], onFirstPage=running_head, onLaterPages=running_head, canvasmaker=_Numbered
    )
    return buffer.getvalue()


def _place(canvas: Canvas, paragraph: Paragraph, top: float, width: float) -> None:
    _, height = paragraph.wrapOn(canvas, width, A4[1])
    paragraph.drawOn(canvas, SIDE, top - height)


class _Numbered(Canvas):
    """Writes each page's number and how many there are, once the last one is known."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "initialFontName": REGULAR})
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802  # the library's name
        """Put the page aside."""
        self._pages.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]  # the stubs lack it

    def save(self) -> None:
        """Number all pages and write them."""
        for number, page in enumerate(pages := self._pages, start=1):
            self.__dict__.update(page)
            self.setFont(REGULAR, 7.5)
            self.drawRightString(A4[0] - SIDE, 10 * mm, f"Page {number} of {len(pages)}")
            super().showPage()
        super().save()
