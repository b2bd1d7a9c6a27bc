"""What one synthetic head has of its own, drawn from its seed."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Head:
    """One head.

    Parameters
    ----------
    seed
        What it was drawn from; also where its textures begin.
    width, length, height
        Over those of a usual adult's head.
    turn, roll, pitch
        How it lies, in degrees: turned to a side, leaning to a side, chin raised.
    shift_mm
        Of its middle from the scanner's, to the left and to the back.
    uneven_mm
        How far all shapes stray from their formulae, left and right differently.
    skull_mm, scalp_mm
        Thickness of the vault's bone and of what covers it.
    taper
        How much narrower the forehead is.
    atrophy
        0 (young: narrow sulci) to 1 (old: wide sulci and cisterns).
    ventricles, ventricle_skew
        Width of the ventricles over the usual, and how much the left ones exceed the right ones.
    grey_hu, white_hu, fluid_hu
        Of cortex and nuclei, white matter, and cerebrospinal fluid.
    sinus
        Size of the frontal sinus over the usual; small ones are missing.
    cells
        Share of the mastoid that is air.
    calcified_pineal, calcified_plexus
        Whether these harmless calcifications are there.
    """

    seed: int
    width: float
    length: float
    height: float
    turn: float
    roll: float
    pitch: float
    shift_mm: tuple[float, float]
    uneven_mm: float
    skull_mm: float
    scalp_mm: float
    taper: float
    atrophy: float
    ventricles: float
    ventricle_skew: float
    grey_hu: float
    white_hu: float
    fluid_hu: float
    sinus: float
    cells: float
    calcified_pineal: bool
    calcified_plexus: bool


def draw_head(seed: int) -> Head:
    """Draw a head; the same seed gives the same one."""
    rng = np.random.default_rng((seed, 0))

    def near(usual: float, spread: float) -> float:
        """Draw from a bell that ends at two standard deviations."""
        return usual + spread * float(np.clip(rng.normal(), -2, 2))

    size, atrophy = near(0.975, 0.025), float(rng.beta(1.4, 2.0))
    grey = near(40.0, 1.2)
    return Head(
        seed=seed,
        width=size * near(1.0, 0.03),
        length=size * near(1.0, 0.02),
        height=size * near(1.0, 0.02),
        turn=near(0.0, 3.0),
        roll=near(0.0, 1.5),
        pitch=near(0.0, 3.5),
        shift_mm=(near(0.0, 3.0), near(0.0, 3.0)),
        uneven_mm=near(1.4, 0.35),
        skull_mm=near(6.4, 1.0),
        scalp_mm=near(6.0, 1.2),
        taper=near(0.12, 0.03),
        atrophy=atrophy,
        ventricles=near(0.58 + 0.6 * atrophy, 0.1),
        ventricle_skew=near(0.0, 0.08),
        grey_hu=grey,
        white_hu=grey - near(8.2, 0.8),
        fluid_hu=near(6.0, 1.5),
        sinus=near(1.0, 0.3),
        cells=near(0.5, 0.15),
        calcified_pineal=bool(rng.random() < 0.5),
        calcified_plexus=bool(rng.random() < 0.4),
    )
