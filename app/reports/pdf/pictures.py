"""The slices that a report shows, as pictures to be put on paper."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from app.db.models import Analysis
from app.render import full_heat, heat_png, window_png
from app.reports.report import SeriesReport
from app.reports.shown_slices import Picture
from app.storage import HEAT, HU, Storage, StorageError
from model.labels import LABELS
from model.windowing import Window

HEAT_OPACITY: Final = 0.6
"""As the viewer shows a map at first."""


@dataclass(frozen=True)
class Drawn:
    """A picture of a slice as PNG, and what it shows."""

    png: bytes
    title: str


@dataclass(frozen=True)
class DrawnSlice:
    """A slice in its windows and under its map; empty, with the reason, if it cannot be read."""

    picture: Picture
    drawn: Sequence[Drawn]
    problem: str = ""


def drawn_slices(
    storage: Storage, part: SeriesReport, windows: Sequence[Window]
) -> list[DrawnSlice]:
    """Draw the pictures of a series, in each window and, in the first one, under its map.

    A slice that cannot be read takes no other with it.
    """
    found = []
    for picture in part.pictures:
        try:
            found.append(DrawnSlice(picture, [*_drawn(storage, part, picture, windows)]))
        except StorageError:
            found.append(DrawnSlice(picture, (), "The stored slice cannot be read."))
    return found


def _drawn(
    storage: Storage, part: SeriesReport, picture: Picture, windows: Sequence[Window]
) -> Iterator[Drawn]:
    hu = storage.read_array(HU, picture.instance.id)
    for window in windows:
        title = f"{window.name}, C {window.center:.0f} W {window.width:.0f}"
        yield Drawn(window_png(hu, window), title)
    if part.page.analysis:
        overlay = _heat(storage, part.page.analysis, picture)
        title = f"{windows[0].name}, {part.page.heat_name.lower()} of {picture.heat_label}"
        yield Drawn(_laid_over(window_png(hu, windows[0]), overlay), title)


def _heat(storage: Storage, analysis: Analysis, picture: Picture) -> bytes:
    maps = storage.read_array(HEAT, analysis.id)[:, LABELS.index(picture.heat_label)]
    size = (picture.instance.rows, picture.instance.columns)
    return heat_png(maps[picture.heat_position], full_heat(maps, analysis.heat), *size)


def _laid_over(grey: bytes, overlay: bytes) -> bytes:
    below = Image.open(io.BytesIO(grey)).convert("RGB")
    above = Image.open(io.BytesIO(overlay))
    strength = above.getchannel("A").point([round(HEAT_OPACITY * level) for level in range(256)])
    below.paste(above.convert("RGB"), mask=strength)
    buffer = io.BytesIO()
    below.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
