"""Text of any script for the PDF: escaped, in fonts that have its characters, in visual order."""

import html
import textwrap
import unicodedata
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final

from arabic_reshaper import ArabicReshaper
from bidi.algorithm import get_display
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont

_FOLDER: Final = Path(__file__).parent / "fonts"

REGULAR: Final = "DejaVuSans"
BOLD: Final = "DejaVuSans-Bold"
_EASTERN: Final = "WenQuanYiMicroHei"
_FILES: Final = {
    REGULAR: "DejaVuSans.ttf",
    BOLD: "DejaVuSans-Bold.ttf",
    _EASTERN: "wqy-microhei.ttc",
}

_MISSING: Final = "\N{REPLACEMENT CHARACTER}"

_RIGHT_TO_LEFT: Final = ("R", "AL")
"""Bidirectional classes of Hebrew and of Arabic (Unicode Standard Annex 9)."""

_LINE: Final = 80
"""Characters of a line that runs from right to left: lines are broken before they are turned."""

# The fonts do not have the one sign for the whole word.
_joined = ArabicReshaper({"ARABIC LIGATURE ALLAH": False}).reshape


def register_fonts() -> None:
    """Make the two usual fonts known; call it before the first text."""
    for name in (REGULAR, BOLD):
        _characters(name)


def markup(text: str) -> str:
    """A text as a paragraph takes it: nothing in it is markup, each character has a font.

    What no font has becomes the replacement character, what cannot be printed a space.
    """
    lines = [part for line in text.splitlines() for part in _visual(line)]
    return "<br/>".join(_in_fonts(line) for line in lines)


def _visual(line: str) -> list[str]:
    """The line from left to right; a line that must be turned is broken first."""
    clean = "".join(one if one.isprintable() else " " for one in unicodedata.normalize("NFC", line))
    if not any(unicodedata.bidirectional(one) in _RIGHT_TO_LEFT for one in clean):
        return [clean]
    return [str(get_display(_joined(part))) for part in textwrap.wrap(clean, _LINE)]


def _in_fonts(line: str) -> str:
    def piece(font: str | None, characters: str) -> str:
        if font is None:
            return _MISSING * len(characters)
        text = html.escape(characters)
        return f'<font name="{font}">{text}</font>' if font else text

    return "".join(piece(font, "".join(run)) for font, run in groupby(line, _font_of))


def _font_of(character: str) -> str | None:
    """Empty where the paragraph's own font has the character, None if no font has it."""
    code = ord(character)
    if code in _characters(REGULAR) and code in _characters(BOLD):
        return ""
    return next((name for name in (REGULAR, _EASTERN) if code in _characters(name)), None)


@cache
def _characters(name: str) -> frozenset[int]:
    """What a font has, loaded at its first use: the eastern one takes half a second."""
    font = TTFont(name, str(_FOLDER / _FILES[name]))
    registerFont(font)
    return frozenset(font.face.charToGlyph)
