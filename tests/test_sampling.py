"""Every way of sampling draws what it promises, and its effect on logits can be undone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.data.sampling import SAMPLINGS, draw, drawing_shares, pass_length, prior_shift
from model.errors import TrainingError
from model.labels import LABELS


def targets_with(positives: int, negatives: int) -> NDArray[np.int8]:
    """`positives` epidural slices, then negative ones."""
    targets = np.zeros((positives + negatives, len(LABELS)), np.int8)
    targets[:positives, :2] = 1
    return targets


def one_pass(targets: NDArray[np.int8], sampling: str, share: float = 0.5) -> NDArray[np.int64]:
    return draw(targets, sampling, share, range(pass_length(targets, sampling, share)), (0,))


def test_without_sampling_a_pass_shows_every_slice_once() -> None:
    targets = targets_with(positives=10, negatives=90)

    assert sorted(one_pass(targets, "none")) == list(range(100))


def test_undersampling_shows_every_positive_once_and_as_many_negatives() -> None:
    drawn = one_pass(targets_with(positives=10, negatives=90), "under")

    assert sorted(drawn[drawn < 10]) == list(range(10))
    assert len(set(drawn[drawn >= 10])) == len(drawn[drawn >= 10]) == 10


def test_oversampling_shows_every_negative_once_and_every_positive_equally_often() -> None:
    drawn = one_pass(targets_with(positives=10, negatives=90), "over")

    assert sorted(drawn[drawn >= 10]) == list(range(10, 100))
    assert np.bincount(drawn[drawn < 10]).tolist() == [9] * 10


def test_hybrid_sampling_repeats_positives_and_leaves_negatives_out() -> None:
    drawn = one_pass(targets_with(positives=100, negatives=900), "hybrid")

    assert (drawn < 100).mean() == pytest.approx(0.5, abs=0.05)
    assert len(drawn) == 1000
    assert len(set(drawn[drawn >= 100])) < 500


def test_hybrid_sampling_draws_a_rare_subtype_more_often_than_a_common_one() -> None:
    targets = targets_with(positives=20, negatives=20)
    targets[0, 1:] = (0, 0, 0, 0, 1)

    shares = drawing_shares(targets, "hybrid", 0.5)

    assert shares[0] > shares[1]


def test_hybrid_sampling_draws_a_positive_without_a_subtype() -> None:
    targets = targets_with(positives=2, negatives=2)
    targets[0, 1:] = 0

    assert drawing_shares(targets, "hybrid", 0.5)[0] > 0


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_what_is_drawn_has_the_shares_that_are_told(sampling: str) -> None:
    targets = targets_with(positives=10, negatives=90)
    many = range(200 * pass_length(targets, sampling, 0.35))

    drawn = np.bincount(draw(targets, sampling, 0.35, many, (0,)), minlength=100) / len(many)

    shares = drawing_shares(targets, sampling, 0.35)
    assert shares.sum() == pytest.approx(1)
    assert drawn == pytest.approx(shares, abs=0.005)
    assert shares[:10].sum() == pytest.approx(0.1 if sampling == "none" else 0.35, abs=0.01)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_draws_in_two_spans_are_those_of_one(sampling: str) -> None:
    targets = targets_with(positives=3, negatives=10)

    def take(span: range) -> list[int]:
        return list(draw(targets, sampling, 0.35, span, (7, 1)))

    assert take(range(20)) + take(range(20, 45)) == take(range(45))


def test_another_seed_gives_another_order() -> None:
    targets = targets_with(positives=10, negatives=90)

    first, second = (draw(targets, "none", 0.5, range(100), (seed,)) for seed in (0, 1))

    assert first.tolist() != second.tolist()


def test_undersampling_never_repeats_and_oversampling_never_leaves_out() -> None:
    mostly_positive = targets_with(positives=9, negatives=1)

    assert sorted(one_pass(mostly_positive, "under", 0.1)) == list(range(10))
    assert set(one_pass(mostly_positive, "over", 0.1)) == set(range(10))


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(("positives", "negatives"), [(4, 0), (0, 4)])
def test_one_class_alone_cannot_be_trained_on(
    sampling: str, positives: int, negatives: int
) -> None:
    with pytest.raises(TrainingError, match=rf"without hemorrhage; here {positives} of 4 show it"):
        drawing_shares(targets_with(positives, negatives), sampling, 0.35)


def test_the_prior_shift_takes_logits_back_to_the_true_prevalence() -> None:
    shift = prior_shift(np.array([0.1, 0.2]), np.array([0.5, 0.2]))

    drawn_log_odds = 0.0
    assert 1 / (1 + np.exp(-(drawn_log_odds + shift[0]))) == pytest.approx(0.1)
    assert shift[1] == pytest.approx(0)


def test_a_label_that_never_occurs_has_a_finite_shift() -> None:
    assert np.isfinite(prior_shift(np.array([0.0]), np.array([0.0]))).all()
