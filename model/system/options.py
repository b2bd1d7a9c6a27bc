"""Options that commands of `model/` have in common."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from model.errors import TrainingError


def at_least(least: int, option: str) -> Callable[[str], int]:
    """Make what reads the whole number of an option.

    Raises
    ------
    TrainingError
        When it reads a smaller one.
    """

    def whole_number(text: str) -> int:
        number = int(text)
        if number < least:
            raise TrainingError(f"{option} must be {least} or more.")
        return number

    return whole_number


def add_run(parser: ArgumentParser) -> None:
    """Whose results are read and written."""
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")


def add_rotations(parser: ArgumentParser) -> None:
    """Who judges in the name of a run that learnt from everybody."""
    parser.add_argument(
        "--rotations",
        type=Path,
        help="folder with rotation-0, rotation-1 .., if the run learnt from everybody",
    )


def add_draws(parser: ArgumentParser) -> None:
    """How many resamples make an interval."""
    parser.add_argument(
        "--draws",
        type=at_least(2, "--draws"),
        default=1000,
        help="resamples of patients for intervals (1000)",
    )


def add_machine(parser: ArgumentParser, work: str = "reading") -> None:
    """How many processes do a kind of work, and where the network runs."""
    parser.add_argument("--workers", type=int, default=1, help=f"{work} processes (1)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
