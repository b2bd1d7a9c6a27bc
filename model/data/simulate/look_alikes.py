"""All that only looks like bleeding and is labelled negative, by name."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from model.data.simulate.artefacts import beam_hardening, metal_streaks, motion
from model.data.simulate.bone_gap import bone_gap
from model.data.simulate.dura import dense_dura, dense_tentorium, dense_transverse_sinus
from model.data.simulate.head_frame import HeadFrame
from model.data.simulate.lesion import Lesion
from model.data.simulate.mimics import (
    atrophy,
    calcified_ganglia,
    calcified_pineal,
    calcified_plexus,
    dense_vessel,
    old_infarct,
    partial_volume,
)
from model.data.simulate.scalp import scalp_hematoma

Draw = Callable[[HeadFrame, np.random.Generator], Sequence[Lesion]]

LOOK_ALIKES: Final[dict[str, Draw]] = {
    "calcified pineal": calcified_pineal,
    "calcified plexus": calcified_plexus,
    "calcified ganglia": calcified_ganglia,
    "dense vessel": dense_vessel,
    "old infarct": old_infarct,
    "partial volume": partial_volume,
    "dense dura": dense_dura,
    "dense transverse sinus": dense_transverse_sinus,
    "dense tentorium": dense_tentorium,
    "atrophy": atrophy,
    "scalp hematoma": scalp_hematoma,
    "bone gap": bone_gap,
    "beam hardening": beam_hardening,
    "metal streaks": metal_streaks,
    "motion": motion,
}
"""Name to how it is drawn for a head."""


def draw_look_alike(name: str, frame: HeadFrame, rng: np.random.Generator) -> Sequence[Lesion]:
    """Draw one look-alike for a head; it need not show in every slice."""
    return LOOK_ALIKES[name](frame, rng)
