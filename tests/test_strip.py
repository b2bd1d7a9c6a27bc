"""The strip along a series: bars of what was analysed; the rest never looks like one of them."""

from app.reading.strip import strip_of


def test_a_bar_stands_for_each_probability_on_its_side_of_the_threshold() -> None:
    strip = strip_of([0.1, 0.5, 0.9], threshold=0.5)

    assert strip.under == "M0.08 100v-10.0h0.84V100z"
    assert strip.over == "M1.08 100v-50.0h0.84V100zM2.08 100v-90.0h0.84V100z"
    assert strip.n_unknown == 0


def test_what_was_not_analysed_has_neither_bar_nor_ground() -> None:
    strip = strip_of([None, 0.0], threshold=0.5)

    assert strip.known == "M1 0h1v100h-1z"
    assert strip.over + strip.under == "M1.08 100v-0.0h0.84V100z"
    assert strip.n_unknown == 1


def test_a_series_without_result_is_unknown_throughout() -> None:
    strip = strip_of([None] * 3, threshold=1.0)

    assert (strip.known, strip.over, strip.under, strip.n_unknown) == ("", "", "", 3)
