"""What a subdural collection is made of: fresh, old or mixed blood, and how it settles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.data.simulate.box import Box
from model.data.simulate.chance import Spot
from model.data.simulate.noise import noise_plane
from model.data.simulate.slice_view import SliceView


@dataclass(frozen=True)
class BloodAge:
    """What a collection is made of: HU of its upper and its dependent part, and how uneven."""

    name: str
    hu: float
    dependent_hu: float
    patchy_hu: float


def draw_age(rng: np.random.Generator) -> BloodAge:
    """Draw an age: acute 46 to 82 HU, subacute as bright as brain, chronic 10 to 30, or mixed.

    In outline after Lee et al. 1997 (The computed tomographic attenuation and the age of subdural
    hematomas, Journal of Korean Medical Science 12: 353-359) and Osborn's Brain.
    """
    chance = rng.random()
    if chance < 0.62:
        hu = float(rng.uniform(46, 76))
        return BloodAge("acute", hu, hu + float(rng.uniform(0, 6)), float(rng.uniform(1.5, 6)))
    if chance < 0.7:
        hu = float(rng.uniform(38, 48))
        return BloodAge("near isodense", hu, hu + float(rng.uniform(0, 10)), 3.0)
    if chance < 0.9:
        hu = float(rng.uniform(26, 45))
        return BloodAge("mixed", hu, float(rng.uniform(50, 70)), float(rng.uniform(7, 13)))
    hu = float(rng.uniform(12, 25))
    return BloodAge("chronic", hu, hu + float(rng.uniform(0, 15)), 2.0)


def blood_hu(age: BloodAge, view: SliceView, box: Box, seed: Spot) -> NDArray[np.float32]:
    """HU of the blood: settled to the back, uneven."""
    x, y = view.places(box)
    _, along = view.head_places(box)
    settled = np.clip((along + 10) / 60, 0, 1)
    if age.name == "mixed":
        # Old and new blood layer, the border blurred by motion.
        settled = np.clip((along - 20) / 14 + 0.5, 0, 1)
    patchy = noise_plane(x, y, view.grid.z_mm, 11.0 if age.patchy_hu > 5 else 6.0, seed)
    hu = age.hu + (age.dependent_hu - age.hu) * settled + age.patchy_hu * patchy
    return np.asarray(np.clip(hu, 8, 90), np.float32)
