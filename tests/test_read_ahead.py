"""Work done ahead keeps its order, holds little in memory, and ends with an error, not a hang."""

import os
import signal
from collections.abc import Iterator

import pytest

from model.errors import TrainingError
from model.system.read_ahead import read_ahead


def doubled(number: int) -> int:
    return 2 * number


def refused(number: int) -> int:
    if number == 2:
        raise TrainingError(f"{number} cannot be read.")
    return number


def killed(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    assert list(read_ahead(doubled, iter(range(20)), workers)) == list(range(0, 40, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_raises_is_raised(workers: int) -> None:
    with pytest.raises(TrainingError, match="2 cannot be read"):
        list(read_ahead(refused, iter(range(5)), workers))


def test_only_a_few_jobs_are_taken_ahead_of_the_results() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    results = read_ahead(doubled, jobs(), 2)
    next(results)

    assert len(taken) <= 5
    results.close()  # type: ignore[attr-defined]


def test_a_killed_process_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TrainingError, match="with fewer --workers"):
        list(read_ahead(killed, iter(range(5)), 2))
