"""What the viewer in the browser must know of each slice, besides its pixels."""

import math
from collections.abc import Mapping
from typing import Any

from app.db.models import Instance, SliceResult
from app.reading.sides import sides_of
from app.reading.slices import placement_of
from model.dicom.series import position_along_normal_mm


def slice_state(instance: Instance, result: SliceResult | None) -> dict[str, Any]:
    """One slice as JSON; lengths in mm, probabilities in 0..1, None for what is not known.

    `spacing_mm` is the distance of rows, then of columns (DICOM PS3.3 10.7.1.3).
    """
    along = position_along_normal_mm(placement_of(instance))
    return {
        "instance": instance.id,
        "rows": instance.rows,
        "columns": instance.columns,
        "spacing_mm": instance.pixel_spacing_mm,
        "sides": sides_of(instance.orientation),
        "position_mm": None if math.isnan(along) else round(along, 2),
        "thickness_mm": instance.slice_thickness_mm,
        "window": file_window(instance.attributes),
        "heat_position": result.position if result else None,
        "probabilities": result.probabilities if result else None,
    }


def file_window(attributes: Mapping[str, str]) -> dict[str, float] | None:
    """The first window that the file itself proposes (PS3.3 C.11.2.1.2), if it is one.

    Parameters
    ----------
    attributes
        DICOM keyword -> text, several values divided by a backslash.
    """
    try:
        center, width = (
            float(attributes[keyword].partition("\\")[0])
            for keyword in ("WindowCenter", "WindowWidth")
        )
    except (KeyError, ValueError):
        return None
    usable = math.isfinite(center) and math.isfinite(width) and width > 0
    return {"center": center, "width": width} if usable else None
