"""Letters at a picture's edges: where the patient's sides lie, as the file says."""

import math

import pytest

from app.reading.sides import sides_of

SUPINE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PRONE = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)


def tilted(degrees: float) -> tuple[float, ...]:
    """A gantry tilted about the axis from right to left."""
    return (1, 0, 0, 0, math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))


@pytest.mark.parametrize(
    ("orientation", "letters"), [(SUPINE, "RLAP"), (PRONE, "LRPA"), (tilted(5), "RLAP")]
)
def test_each_edge_has_its_letter(orientation: tuple[float, ...], letters: str) -> None:
    assert sides_of(orientation) == dict(
        zip(("left", "right", "top", "bottom"), letters, strict=True)
    )


def test_a_tilt_is_told_by_a_second_letter() -> None:
    sides = sides_of(tilted(-18.5))

    assert sides is not None
    assert (sides["top"], sides["bottom"]) == ("AH", "PF")


def test_what_the_file_does_not_say_nobody_knows() -> None:
    assert sides_of(None) is None
