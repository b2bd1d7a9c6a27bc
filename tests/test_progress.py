"""A bar says on the error stream how much is done."""

import pytest

from model.system.progress import counting, progress_bar


def test_the_bar_counts_what_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("series") as bar:
        show = counting(bar, "anatomy")
        show(3, 8)
        show(5, 8)

    written = capsys.readouterr()
    assert "anatomy" in written.err
    assert "5/8 series" in " ".join(written.err.split())
    assert not written.out


def test_a_bar_that_is_not_shown_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(shown=False) as bar:
        counting(bar, "anatomy")(1, 2)

    assert not capsys.readouterr().err
