"""Is it an axial CT of a head? Judged by attributes first, and by the pixels where they are silent.

A head wrongly refused is lost work, a chest wrongly analysed is a wrong result: what is certain is
refused, what is doubtful is analysed with a warning.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

ACCEPTED: Final = "Falx reads axial CT slices of the head."

_HEAD_WORDS: Final = re.compile(
    r"head|brain|skull|crani|crane|crâne|cereb|ceph|neuro|stroke|kopf|sch(ae|ä)del|hirn|t(e|ê)te\b|"
    r"cabe(z|ç)a|encef|testa\b|hoofd|huvud|hode\b|hjerne|hjärn|orbit|sinus|facial|face\b|temporal|"
    r"fossa|\b(hct|cct|nct|iac|ctb|ich|tbi|sah|sdh)\b|willis|頭|脑|颅|голов|мозг",
    re.IGNORECASE,
)
_OTHER_BODY_PARTS: Final = re.compile(
    r"chest|thora|lung|pulmon|abdom|pelvi|\bspine|cspine|c-spine|tspine|lspine|cervical|lumbar|"
    r"cardiac|heart|coronar|liver|hepat|kidney|renal|\bknee|\bhip\b|\bfoot|\bfeet|ankle|wrist|"
    r"\bhand|shoulder|elbow|extremit|femur|tibia|\bleg|\barm\b|\bneck|colon|aort|breast|"
    r"whole ?body|phantom\b|\bspecimen",
    re.IGNORECASE,
)
_NOT_SLICES: Final = {
    "LOCALIZER": "is a localizer (scout) image",
    "SCOUT": "is a localizer (scout) image",
    "SCREEN SAVE": "is a screen save",
    "SCREENSAVE": "is a screen save",
    "SCREENSHOT": "is a screen save",
    "DOSE": "is a dose report",
    "PERFUSION": "is a perfusion map",
    "CBF": "is a perfusion map",
    "CBV": "is a perfusion map",
    "MTT": "is a perfusion map",
    "TTP": "is a perfusion map",
    "TMAX": "is a perfusion map",
    "MIP": "is a maximum intensity projection",
    "MIN_IP": "is a minimum intensity projection",
    "PROJECTION IMAGE": "is a projection",
    "VOLUME RENDERING": "is a volume rendering",
    "VRT": "is a volume rendering",
    "CORONAL": "is a coronal image",
    "SAGITTAL": "is a sagittal image",
}
_SCOUT_WORDS: Final = re.compile(r"\b(scout|localizer|topogram|surview|scanogram)\b", re.IGNORECASE)
_LEAST_AXIAL_COSINE: Final = 0.64
"""Of the slice normal with the body's axis: 50 degrees, well beyond any gantry's tilt."""


def refuse_by_attributes(attributes: Mapping[str, str]) -> str | None:
    """Tell what makes a file no axial head CT slice, as a clause, or None.

    Parameters
    ----------
    attributes
        `CTSlice.attributes`: DICOM keyword -> text, several values divided by a backslash.
    """
    for value in attributes.get("ImageType", "").upper().split("\\"):
        if value.strip() in _NOT_SLICES:
            return _NOT_SLICES[value.strip()]
    if _SCOUT_WORDS.search(attributes.get("SeriesDescription", "")):
        return "is a localizer (scout) image"
    return _wrong_orientation(attributes) or _wrong_body_part(attributes)


def _wrong_orientation(attributes: Mapping[str, str]) -> str | None:
    """Refuse sagittal and coronal slices by Image Orientation Patient (PS3.3 C.7.6.2.1.1)."""
    try:
        values = [float(v) for v in attributes.get("ImageOrientationPatient", "").split("\\")]
    except ValueError:
        return None
    if len(values) != 6 or not all(abs(value) < 2 for value in values):
        return None
    normal = np.cross(values[:3], values[3:])
    length = float(np.linalg.norm(normal))
    # Not finite or not perpendicular unit vectors: no orientation, about which series warns.
    if not 0.9 < length < 1.1 or abs(normal[2]) >= _LEAST_AXIAL_COSINE * length:
        return None
    plane = "sagittal" if abs(normal[0]) > abs(normal[1]) else "coronal"
    return f"is a {plane} slice"


def _wrong_body_part(attributes: Mapping[str, str]) -> str | None:
    """Refuse where a body part is named, it is another one, and nothing says head.

    The series knows better than the study: after an accident, head and neck are one study.
    """
    if _says_head(attributes, "BodyPartExamined", "SeriesDescription"):
        return None
    problem = _names_another_part(attributes, "SeriesDescription")
    if problem is not None or _says_head(attributes, "StudyDescription", "ProtocolName"):
        return problem
    return _names_another_part(attributes, "BodyPartExamined", "StudyDescription", "ProtocolName")


def _says_head(attributes: Mapping[str, str], *keywords: str) -> bool:
    return any(_HEAD_WORDS.search(attributes.get(keyword, "")) for keyword in keywords)


def _names_another_part(attributes: Mapping[str, str], *keywords: str) -> str | None:
    for keyword in keywords:
        text = attributes.get(keyword, "")
        if _OTHER_BODY_PARTS.search(text):
            return f"shows another part of the body ({keyword} is {text[:64]!r})"
    return None


@dataclass(frozen=True)
class Eligibility:
    """Whether a series is analysed; `reason` says why not, as a sentence (empty if it is)."""

    eligible: bool
    reason: str
    warnings: tuple[str, ...]


_SAMPLED_SLICES: Final = 15
_COARSE_PIXELS: Final = 128
"""Slices are judged on a grid of about this size: a head then has pixels of 2 to 4 mm."""
_BODY_HU: Final = -300
_BONE_HU: Final = 250
_SOFT_HU: Final = (-20, 100)
_CHEST_WIDTH_MM: Final = 280.0
_LEAST_BODY_FRACTION: Final = 0.01
_ENOUGH_SLICES: Final = 5
"""So many slices of a head include one that shows a ring of skull."""
_MANY_SLICES: Final = 10
"""So many slices without a ring of skull, nor much bone as after a craniectomy, are no head."""
_LEAST_FIELD_MM: Final = 120.0
"""Of view; the smallest heads are wider."""
_LEAST_BONE_FRACTION: Final = 0.002
_HEAD_BONE_FRACTION: Final = 0.13
"""Of the body: base and top of a skull have 0.14 to 0.5 without a ring, trunks 0.05 to 0.1."""
_LEAST_BRAIN_FRACTION: Final = 0.12
"""Of the body: soft tissue inside a closed ring of bone. Heads reach 0.4 to 0.7, trunks 0.02."""


@dataclass(frozen=True)
class _SliceSigns:
    """What one slice shows: fractions of its body, and the body's width in mm where known."""

    body_fraction: float
    enclosed_fraction: float
    bone_fraction: float
    width_mm: float | None


def judge_series(
    hu: Sequence[NDArray[np.int16]], spacings_mm: Sequence[tuple[float, float] | None]
) -> Eligibility:
    """Judge by the pixels whether a series shows a head: soft tissue inside a ring of bone.

    Parameters
    ----------
    hu
        The slices in order, each int16[rows, columns], in HU.
    spacings_mm
        Of each slice, (row, column); None where unknown.

    Returns
    -------
    Refused are series without a body, those that show too little of it, and those without any
    closed skull that are as wide as a trunk, show no bone at all or have many slices. A few slices
    of the base or of the top of a skull show no ring but much bone. What is left is in doubt, and
    eligible with a warning.
    """
    if not hu:
        return Eligibility(False, "There is no slice to analyse.", ())
    field_mm = _field_mm(hu, spacings_mm)
    if field_mm is not None and field_mm < _LEAST_FIELD_MM:
        reason = f"The slices show a field of {field_mm:.0f} mm, which holds no whole head."
        return Eligibility(False, reason, ())
    chosen = np.unique(np.linspace(0, len(hu) - 1, min(_SAMPLED_SLICES, len(hu))).astype(int))
    signs = [_signs(hu[i], spacings_mm[i]) for i in chosen]
    bodies = [s for s in signs if s.body_fraction >= _LEAST_BODY_FRACTION]
    if not bodies:
        return Eligibility(False, "The slices show no body: there is nothing but air.", ())
    widths = [s.width_mm for s in bodies if s.width_mm is not None]
    is_wide = bool(widths) and float(np.median(widths)) > _CHEST_WIDTH_MM
    if max(s.enclosed_fraction for s in bodies) >= _LEAST_BRAIN_FRACTION:
        wide = ("Part of the series is wider than a head.",) if is_wide else ()
        return Eligibility(True, "", wide)
    if is_wide:
        width = float(np.median(widths))
        reason = f"The slices show a body {width:.0f} mm wide and no skull: this is no head."
        return Eligibility(False, reason, ())
    most_bone = max(s.bone_fraction for s in bodies)
    if most_bone < _LEAST_BONE_FRACTION:
        return Eligibility(False, "The slices show no bone: this is no head.", ())
    if most_bone >= _HEAD_BONE_FRACTION and len(bodies) < _ENOUGH_SLICES:
        return Eligibility(True, "", ())
    if len(bodies) >= _MANY_SLICES and most_bone < _HEAD_BONE_FRACTION:
        return Eligibility(False, "No slice shows a closed skull: this is no head.", ())
    doubt = "No closed skull is seen in these slices; make sure that they show a head."
    return Eligibility(True, "", (doubt,))


def _field_mm(
    hu: Sequence[NDArray[np.int16]], spacings_mm: Sequence[tuple[float, float] | None]
) -> float | None:
    """Width or height of the largest slice, whichever is more; None where no spacing is known."""
    sizes = [
        max(one.shape[0] * spacing[0], one.shape[1] * spacing[1])
        for one, spacing in zip(hu, spacings_mm, strict=True)
        if spacing is not None
    ]
    return max(sizes, default=None)


def _signs(hu: NDArray[np.int16], spacing_mm: tuple[float, float] | None) -> _SliceSigns:
    """Look at one slice on a coarse grid."""
    step = max(1, round(max(hu.shape) / _COARSE_PIXELS))
    rows, columns = (n // step * step for n in hu.shape)
    blocks = hu[:rows, :columns].reshape(rows // step, step, columns // step, step)
    # The densest pixel of a block closes the gaps that thin bone leaves on a coarse grid.
    densest = blocks.max(axis=(1, 3))
    typical = blocks[:, step // 2, :, step // 2]
    bone = densest > _BONE_HU
    body = _largest_part(typical > _BODY_HU)
    n_body = int(np.count_nonzero(body))
    if n_body == 0:
        return _SliceSigns(0.0, 0.0, 0.0, None)
    soft = (typical > _SOFT_HU[0]) & (typical < _SOFT_HU[1])
    # Fissures, sutures and the orbits leave gaps of a few millimetres in the ring.
    wall = _wider(bone)
    enclosed = ~wall & ~_reached_from_border(~wall) & soft
    filled_columns = np.flatnonzero(np.count_nonzero(body, axis=0) > 2)
    extent = float(np.ptp(filled_columns) + 1) * step if len(filled_columns) else 0.0
    return _SliceSigns(
        body_fraction=n_body / body.size,
        enclosed_fraction=float(np.count_nonzero(enclosed)) / n_body,
        bone_fraction=float(np.count_nonzero(bone & body)) / n_body,
        width_mm=None if spacing_mm is None else extent * spacing_mm[1],
    )


def _reached_from_border(passable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Flood a mask from its border inward, through edges but not corners."""
    reached = passable.copy()
    reached[1:-1, 1:-1] = False
    return _grow(reached, passable)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected part of a mask: the body without its table."""
    left, largest = mask.copy(), np.zeros_like(mask)
    n_left = int(np.count_nonzero(left))
    n_largest = 0
    while n_left > n_largest:
        seed = np.zeros_like(mask)
        seed[np.unravel_index(_deepest(left), mask.shape)] = True
        part = _grow(seed, left)
        n_part = int(np.count_nonzero(part))
        if n_part > n_largest:
            largest, n_largest = part, n_part
        left &= ~part
        n_left -= n_part
    return largest


def _deepest(mask: NDArray[np.bool_]) -> int:
    """Return the flat index of a pixel well inside a mask: of its longest row, the middle."""
    lengths = np.count_nonzero(mask, axis=1)
    row = int(np.argmax(lengths))
    columns = np.flatnonzero(mask[row])
    return row * int(mask.shape[1]) + int(columns[len(columns) // 2])


def _grow(seed: NDArray[np.bool_], within: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow a seed inside a mask until it is full, through edges."""
    grown = seed & within
    while True:
        wider = _wider(grown) & within
        if np.array_equal(wider, grown):
            return grown
        grown = wider


def _wider(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Widen a mask by one pixel through edges."""
    wider = mask.copy()
    wider[1:] |= mask[:-1]
    wider[:-1] |= mask[1:]
    wider[:, 1:] |= mask[:, :-1]
    wider[:, :-1] |= mask[:, 1:]
    return wider
