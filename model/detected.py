"""What a card says of how often simulated blood is found, by its size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.measured import Estimate, parse_estimate


@dataclass(frozen=True)
class Reached:
    """The share of some simulated slices whose P(any) reaches the screen and the alert threshold.

    Parameters
    ----------
    slices, patients
        How many slices, and in how many patients' heads.
    """

    slices: int
    patients: int
    screen: Estimate
    alert: Estimate


@dataclass(frozen=True)
class SizeClass:
    """Slices with an area of visible blood in mm², the second None where it has no end."""

    above_mm2: float
    to_mm2: float | None
    reached: Reached


@dataclass(frozen=True)
class SensitivityBySize:
    """How often simulated blood is found in slices, each judged alone, and what is taken for it.

    Parameters
    ----------
    patients, slices
        In all.
    by_size
        Of all that bleed (`any`), and of those with blood of one subtype alone.
    without_blood
        `all` of it, and by what was put in instead.
    runs
        By so many runs of a recipe, each on patients from whom it did not learn.
    """

    patients: int
    slices: int
    by_size: Mapping[str, tuple[SizeClass, ...]]
    without_blood: Mapping[str, Reached]
    runs: int


def size_of_bleeding(above_mm2: float, to_mm2: float | None) -> str:
    """A class of area in words."""
    if to_mm2 is None:
        return f"more than {above_mm2:g} mm²"
    return f"{above_mm2:g} to {to_mm2:g} mm²" if above_mm2 else f"up to {to_mm2:g} mm²"


def parse_sensitivity(content: dict[str, Any] | None) -> SensitivityBySize | None:
    """Read a card's `sensitivity`, where it has any."""
    if content is None:
        return None
    return SensitivityBySize(
        patients=content["patients"],
        slices=content["slices"],
        by_size={
            label: tuple(
                SizeClass(one["above_mm2"], one["to_mm2"], _reached(one)) for one in classes
            )
            for label, classes in content["by_size"].items()
        },
        without_blood={one["kind"]: _reached(one) for one in content["without_blood"]},
        runs=content["runs"],
    )


def _reached(content: dict[str, Any]) -> Reached:
    points = (parse_estimate(content[name]) for name in ("screen", "alert"))
    return Reached(content["slices"], content["patients"], *points)
