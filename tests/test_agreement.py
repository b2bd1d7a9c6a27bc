"""Per cent and kappa are those of the literature, and compare what is comparable."""

import csv
import io
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.metrics import cohen_kappa_score

from app.db.models import Analysis, Review, random_id
from app.services import Services
from app.verdicts.agreement import agreement, comparisons
from app.verdicts.record import FIRST_IMPRESSION, VERDICT, WITHDRAWAL
from model.finding import FLAGGED, INDETERMINATE, NOT_FLAGGED
from model.labels import LABELS
from model.notice import NOTICE
from read_study import add_read_study, give_verdict

_seconds = count()


def pairs(**counts: int) -> list[tuple[str, str]]:
    """`pa=5`: five times present, then absent."""
    words = {"p": "present", "a": "absent"}
    return [(words[k[0]], words[k[1]]) for k, n in counts.items() for _ in range(n)]


def row(user: str, kind: str = VERDICT, study: str = "s", **verdicts: str) -> Review:
    states = dict.fromkeys(LABELS, NOT_FLAGGED) | {"any": FLAGGED, "epidural": INDETERMINATE}
    return Review(
        id=random_id(),
        study_id=study,
        series_id=f"{study}.1",
        user_id=user,
        kind=kind,
        verdicts=verdicts,
        slice_verdicts={},
        regions=[],
        analysis=Analysis(states=states),
        created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(_seconds)),
    )


def test_kappa_is_that_of_a_worked_example() -> None:
    counted = agreement(pairs(pp=20, pa=5, ap=10, aa=15))

    assert (counted.n, counted.share) == (50, 0.7)
    assert counted.kappa.value == pytest.approx(0.4)
    assert counted.in_words == "70 % alike, kappa 0.40, n = 50"


def test_the_share_has_the_interval_of_a_worked_example() -> None:
    # 81 of 263: R. G. Newcombe, Statistics in Medicine 17, 1998, 857-872, table I, method 3
    assert agreement(pairs(pp=81, pa=182)).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert agreement([]).interval is None


@pytest.mark.parametrize(
    "counts", [{"pp": 3, "aa": 9, "pa": 2}, {"pa": 4, "ap": 4}, {"pp": 1, "pa": 7}]
)
def test_kappa_is_that_of_another_program(counts: dict[str, int]) -> None:
    rated = pairs(**counts)

    assert agreement(rated).kappa.value == pytest.approx(
        cohen_kappa_score(*zip(*rated, strict=True))
    )


def test_kappa_has_the_interval_of_another_program() -> None:
    # The example of ci.kappa in the R package statpsych
    found = agreement(pairs(aa=31, ap=12, pa=4, pp=58)).kappa

    assert found.value == pytest.approx(0.6756757)
    assert found.interval == pytest.approx((0.5317210, 0.8196303), abs=1e-6)


def test_the_interval_of_kappa_is_that_of_many_samples() -> None:
    shares = {"pp": 0.25, "pa": 0.1, "ap": 0.05, "aa": 0.6}
    drawn = np.random.default_rng(0).multinomial(400, list(shares.values()), size=1000)
    kappas = [agreement(pairs(**dict(zip(shares, one, strict=True)))).kappa.value for one in drawn]

    low, high = agreement(pairs(pp=100, pa=40, ap=20, aa=240)).kappa.interval or (0, 0)

    assert (low, high) == pytest.approx(np.percentile(np.array(kappas), [2.5, 97.5]), abs=0.01)


def test_of_few_pairs_kappa_has_no_interval_and_a_reason() -> None:
    few = agreement(pairs(pp=20, pa=1, ap=9, aa=3)).kappa
    alike = agreement(pairs(pp=20, aa=20)).kappa

    assert (few.interval, alike.interval, alike.value) == (None, None, 1)
    assert few.reason == "needs each word 5 times from each of the two; the rarest: 4"
    assert alike.reason == "all alike, which is no proof of full agreement"
    assert agreement(pairs(pa=20)).kappa.reason.endswith("the rarest: 0")
    assert agreement(pairs(pp=4)).kappa.reason == "both said always the same"


def test_without_variety_there_is_no_kappa_and_without_pairs_no_share() -> None:
    assert agreement(pairs(pp=4)).kappa.value is None
    assert agreement(pairs(pp=4)).in_words == "100 % alike, kappa not defined, n = 4"
    assert agreement([]).in_words == "nothing to compare"


def test_the_newest_verdict_is_compared_and_no_indeterminate_finding() -> None:
    reviews = [
        row("rita", any="disagree"),
        row("rita", any="agree", epidural="present"),
        row("rob", study="t", any="disagree"),
    ]

    model_and_verdict = comparisons(reviews)[0].by_label

    assert (model_and_verdict["any"].n, model_and_verdict["any"].share) == (2, 0.5)
    assert model_and_verdict["epidural"].n == 0
    assert model_and_verdict["subdural"].n == 1  # without any hemorrhage there is none of its kinds


def test_first_impressions_are_compared_as_they_were_first() -> None:
    reviews = [
        row("rita", kind=FIRST_IMPRESSION, any="probably absent", subdural="undecided"),
        row("rita", kind=FIRST_IMPRESSION, any="definitely present"),
    ]

    compared = comparisons(reviews)[1].by_label

    assert (compared["any"].n, compared["any"].share) == (1, 0)
    assert compared["subdural"].n == 0


def test_readers_are_compared_where_both_decided() -> None:
    withdrawn = row("tom", study="t", any="present")
    taken_back = row("tom", kind=WITHDRAWAL, study="t")
    taken_back.withdraws = withdrawn.id
    reviews = [
        row("rita", any="present"),
        row("rob", any="absent"),
        row("rita", study="t", any="present"),
        withdrawn,
        taken_back,
    ]

    compared = comparisons(reviews)[2].by_label

    assert (compared["any"].n, compared["any"].share) == (1, 0)


def test_the_page_is_there_as_csv(administrator: FlaskClient, services: Services) -> None:
    give_verdict(administrator, add_read_study(services), any_verdict="agree")

    answer = administrator.get("/admin/agreement.csv").data.decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(answer)))
    assert len(rows) == 3 * len(LABELS)
    assert (rows[0]["notice"], rows[0]["raters"]) == (NOTICE, "Model and verdict")
    assert (rows[0]["hemorrhage"], rows[0]["judged_by_both"], rows[0]["alike"]) == (
        "any",
        "1",
        "1.0",
    )
    assert (rows[0]["kappa"], rows[0]["kappa_low"]) == ("", "")
    assert rows[0]["kappa_without_interval"] == "both said always the same"
    assert float(rows[0]["alike_low"]) == pytest.approx(0.2065, abs=1e-4)
    assert 'href="/admin/agreement.csv"' in administrator.get("/admin/agreement").text
