"""Bars on the error stream: how much of a long step is done, how fast it goes, what is left."""

from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_SPEED_SECONDS: Final = 120.0
"""Over which a speed is taken: series and chunks of a cache come in bursts."""


class _Speed(ProgressColumn):
    """How many a second, of late."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def progress_bar(counted: str = "slices", *, shown: bool = True) -> Progress:
    """A bar that counts, says how fast that goes and how long it will take."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(counted),
        _Speed(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        speed_estimate_period=_SPEED_SECONDS,
        disable=not shown,
    )


def counting(bar: Progress, description: str) -> Callable[[int, int], None]:
    """Add a task to a bar; returns what shows how many are done, and of how many."""
    task = bar.add_task(description, total=None)

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    return show


def training_bar(*, shown: bool) -> Progress:
    """A bar of an epoch's steps, with what its task has as `status`; it goes when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
    )
