"""The evaluation's report: a file by itself, with every figure and the worst errors in it."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cache_factory import write_cache
from model.calibrate import Wishes, calibrate
from model.data.cached import CachedSet, open_cache
from model.evaluation.measurement import EvaluatedRun, compare, measure
from model.evaluation.predictions import FRAME_COLUMNS, Predictions
from model.evaluation.report import evaluation_page
from model.evaluation.worst_errors import in_three_windows, worst_rows
from model.labels import LABELS

FACTS = {
    "checkpoint": "best",
    "epoch": 3,
    "step": 1200,
    "weights": "0123456789abcdef" * 4,
}
LOOK = {"at": "2026-01-02T03:04:05+00:00", "weights": FACTS["weights"]}


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> CachedSet:
    return open_cache(write_cache(tmp_path_factory.mktemp("cache"), patients=14))


def run_on(cached: CachedSet, name: str = "x", seed: int = 0) -> EvaluatedRun:
    frame = cached.frame.assign(data_set=cached.name)[list(FRAME_COLUMNS)]
    noise = np.random.default_rng(seed).normal(0, 1, (len(frame), len(LABELS)))
    logits = (2.0 * cached.targets - 1 + noise).astype(np.float32)
    predictions = Predictions(frame, logits, logits)
    return EvaluatedRun(name, predictions, calibrate({64: predictions}, Wishes()))


def evaluated(run: EvaluatedRun, **more: Any) -> dict[str, Any]:
    part = {
        "patients": 14,
        "slices": 56,
        "patients_with": dict.fromkeys(LABELS, 2),
        "slices_with": dict.fromkeys(LABELS, 4),
    }
    return {
        **measure(run, [0.2] * 6, draws=50),
        "compared": [],
        "parts": {"train": part, "test": part},
        "evaluations": [LOOK],
        **FACTS,
        **more,
    }


@pytest.fixture(scope="module")
def html(cached: CachedSet) -> str:
    """The report of a run, looked at for the first time, compared with nothing."""
    run = run_on(cached)
    return evaluation_page(run, evaluated(run), [cached]).html()


def test_the_report_is_one_file_with_all_its_sections_and_pictures(
    cached: CachedSet, html: str
) -> None:
    headings = re.findall("<h2[^>]*>(.*?)</h2>", html)
    assert headings == [
        "Summary",
        "Figures",
        "ROC",
        "Precision and recall",
        "Reliability",
        "Thresholds",
        "Slices alone and the series head",
        "Worst errors",
    ]
    assert "best checkpoint, epoch 3, step 1,200; weights 0123456789ab; 2026-01-02" in html
    assert html.count("<svg") == 3
    # Four negatives a label, and a positive for each of its patients, up to four.
    assert html.count("<img") == 6 * 4 + (4 + 2 + 2 + 1 + 1 + 1)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    loss = evaluated(run_on(cached))["metrics"]["weighted_log_loss"]
    assert f"{loss['value']:.3f} [{loss['interval'][0]:.3f}, {loss['interval'][1]:.3f}]" in html


def test_labels_without_an_interval_are_named_with_the_reason(html: str) -> None:
    assert "No interval for epidural, intraparenchymal: patients it is measured on: 2" in html


def test_what_the_series_head_changes_of_studies_is_shown(cached: CachedSet, html: str) -> None:
    bare = run_on(cached)
    noisy = bare.predictions.slice_logits + np.float32(0.5)
    run = replace(bare, predictions=replace(bare.predictions, slice_logits=noisy))
    result = evaluated(run)

    shown = evaluation_page(run, result, [cached]).html()

    change = result["metrics"]["studies_by_slices_alone"]["change_by_series_head"]["any"]["brier"]
    assert f"{change['value']:+.4f}" in shown
    assert "Brier score, any" in shown
    assert "Brier score, any" not in html


def test_the_first_look_at_the_test_patients_is_said_to_be_the_first(html: str) -> None:
    assert "used for the first time in this run" in html


def test_a_later_report_counts_the_looks_and_holds_other_runs_against_this_one(
    cached: CachedSet,
) -> None:
    run, other = run_on(cached), run_on(cached, "another run", seed=1)
    compared = [compare(run, other, draws=50)]
    looks = [{**LOOK, "weights": "f" * 64}, LOOK, LOOK]

    html = evaluation_page(
        run, evaluated(run, compared=compared, evaluations=looks), [cached]
    ).html()

    assert "have been used 3 times" in html
    assert "2 of them with these weights" in html
    assert "Other runs on the same patients" in html
    assert "another run less x" in html
    assert f"{compared[0]['difference']['weighted_log_loss']['value']:+.4f} [" in html


def test_the_worst_errors_are_one_slice_a_study_worst_first(cached: CachedSet) -> None:
    run = run_on(cached)
    slices = run.predictions.slice_rows(run.probabilities).label(0)

    negatives = worst_rows(run, slices, of_class=0)
    positives = worst_rows(run, slices, of_class=1)

    assert slices.scores[negatives[0]] == slices.scores[slices.targets == 0].max()
    assert slices.scores[positives[0]] == slices.scores[slices.targets == 1].min()
    for rows in (negatives, positives):
        assert run.predictions.frame["study"].iloc[rows].is_unique
        assert len(rows) == 4
    assert (np.diff(slices.scores[negatives]) <= 0).all()
    assert (np.diff(slices.scores[positives]) >= 0).all()


def test_a_slice_is_shown_in_the_three_windows_side_by_side() -> None:
    hu = np.full((10, 10), 40, np.int16)

    pixels = in_three_windows(hu)

    assert pixels.shape == (10, 38)
    assert pixels.dtype == np.uint8
    assert [pixels[5, 5], pixels[5, 19], pixels[5, 33]] == [128, 76, 76]


def test_a_label_that_nobody_has_does_not_stop_the_report(
    cached: CachedSet,
) -> None:
    frame = cached.frame.assign(data_set=cached.name, epidural=0)[list(FRAME_COLUMNS)]
    run = run_on(cached)
    predictions = Predictions(frame, run.predictions.slice_logits, run.predictions.logits)
    bare = EvaluatedRun("x", predictions, calibrate({64: predictions}, Wishes()))

    html = evaluation_page(bare, evaluated(bare), [cached]).html()

    assert "no test patient to measure it on" in html
