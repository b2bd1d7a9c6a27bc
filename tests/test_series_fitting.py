"""Fitting a series head: only what helps patients that it did not see is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model import train_series_head
from model.architecture.series_head import SERIES_HEAD_FILE, FittedHead, SeriesHead, describe
from model.errors import TrainingError
from model.labels import LABELS
from model.training.encoded_series import EncodedSeries, deal_patients, encoded_series
from model.training.series_fitting import Fitting, choose, fit_series_head
from model.training.trained import load_trained
from prediction_factory import some_predictions
from run_factory import write_runs

SIZE = 16
QUICK = Fitting(epochs=(4,), folds=3, hidden=16, batch_size=8)


def noisy_series(patients: int = 36, slices: int = 12, noise: float = 2.0) -> list[EncodedSeries]:
    """Every second patient bleeds through half of the head, all slices seen through noise.

    A slice alone is often wrong; its neighbours, which mostly have the same truth, know better.
    """
    generator = np.random.default_rng(3)
    series = []
    for patient in range(patients):
        truth = np.zeros((slices, len(LABELS)), np.float32)
        if patient % 2:
            first = int(generator.integers(0, slices // 2))
            truth[first : first + slices // 2] = 1
        said = 2 * truth - 1 + generator.normal(0, noise, (slices, 1))
        embeddings = np.repeat(said[:, :1], SIZE, axis=1) * np.linspace(-1, 1, SIZE)
        series.append(
            EncodedSeries(
                torch.from_numpy(embeddings.astype(np.float16)),
                torch.from_numpy(said.astype(np.float32)),
                torch.arange(slices) * 5.0,
                torch.from_numpy(truth),
                f"set:{patient}",
            )
        )
    return series


def test_where_neighbours_know_more_the_head_helps_on_patients_it_did_not_see() -> None:
    series = noisy_series()

    fitted = fit_series_head(series, replace(QUICK, epochs=(20,)), "abc")

    assert isinstance(fitted, FittedHead)
    assert fitted.figures["weighted_with_head"] < 0.9 * fitted.figures["weighted_alone"]
    assert max(fitted.figures["blend"]) > 0
    assert fitted.figures["weighted_averaged"] < fitted.figures["weighted_alone"]
    assert fitted.build().widths_mm.tolist() == fitted.figures["widths_mm"]
    assert min(fitted.figures["widths_mm"]) > 0
    told = describe(fitted.figures)
    assert "chosen on 36 tune patients" in told
    assert "averaged over neighbours (Gaussian, any" in told
    only_corrected = describe({**fitted.figures, "widths_mm": [0.0] * 6})
    assert "averaged" not in only_corrected
    assert "corrected by a bidirectional GRU" in only_corrected


def test_where_there_is_nothing_to_learn_there_is_no_head() -> None:
    generator = torch.Generator().manual_seed(0)
    series = [
        EncodedSeries(
            torch.randn(12, SIZE, generator=generator).half(),
            torch.zeros(12, 6),
            torch.arange(12) * 5.0,
            (torch.rand(12, 6, generator=generator) < 0.3).float(),
            f"set:{patient}",
        )
        for patient in range(12)
    ]
    for one in series[:4]:
        one.targets[:] = 0
    prevalence = torch.cat([one.targets for one in series]).mean(dim=0)
    for one in series:
        one.logits[:] = torch.logit(prevalence)

    told = fit_series_head(series, QUICK, "abc")

    assert isinstance(told, str)
    assert "made no label better than the slices alone" in told


def test_too_few_patients_get_no_head() -> None:
    told = fit_series_head(noisy_series(5), QUICK, "abc")

    assert told == (
        "No series head: of 5 tune patients 2 have hemorrhage and 3 have none; 3 of each are the "
        "least to judge it by."
    )


def test_a_label_of_too_few_patients_keeps_its_logits() -> None:
    series = noisy_series()
    for one in series[2:]:
        one.targets[:, 1] = 0

    fitted = fit_series_head(series, replace(QUICK, epochs=(20,)), "abc")

    assert isinstance(fitted, FittedHead)
    assert fitted.figures["patients_with"][1] == 1
    assert fitted.figures["blend"][1] == 0


def test_fitting_repeats_with_its_seed() -> None:
    first, second = (fit_series_head(noisy_series(18), QUICK, "abc") for _ in range(2))

    assert isinstance(first, FittedHead)
    assert isinstance(second, FittedHead)
    assert first.figures == second.figures
    for name, value in first.state.items():
        assert torch.equal(value, second.state[name])


def test_patients_are_dealt_whole_and_the_bleeding_ones_evenly() -> None:
    series = noisy_series(20)
    series += [replace(one) for one in series]

    fold_of = deal_patients(series, 5, seed=0)

    assert fold_of[:20].tolist() == fold_of[20:].tolist()
    bleeding = np.array([bool(one.targets[:, 0].any()) for one in series])
    assert np.bincount(fold_of[bleeding]).tolist() == [4] * 5


def test_epochs_and_blends_are_those_of_the_least_loss() -> None:
    targets = torch.tensor([[1.0] * 6, [0.0] * 6] * 2)
    good, bad = 4 * targets - 2, 2 - 4 * targets

    epochs, blend, losses = choose(
        torch.zeros(4, 6),
        targets,
        torch.tensor([0, 0, 1, 1]),
        {3: bad, 6: good},
        [True, False, True, True, True, True],
    )

    assert epochs == 6
    assert blend == [1, 0, 1, 1, 1, 1]
    assert losses["alone"] == pytest.approx([np.log(2)] * 6)
    assert losses["with_head"][0] == pytest.approx(np.log1p(np.exp(-2)))


def test_a_gain_that_a_single_patient_makes_does_not_count() -> None:
    targets = torch.tensor([[1.0] * 6] * 4)
    one_patient = torch.tensor([[4.0] * 6, [-0.1] * 6, [-0.1] * 6, [-0.1] * 6])

    _, blend, _ = choose(torch.zeros(4, 6), targets, torch.arange(4), {3: one_patient}, [True] * 6)

    assert blend == [0] * 6


def test_predictions_fall_apart_into_their_series() -> None:
    predictions = some_predictions(patients=6, slices=4)
    embeddings = np.arange(len(predictions.frame), dtype=np.float16)[:, None] * np.ones(SIZE)

    series = encoded_series(replace(predictions, embeddings=embeddings.astype(np.float16)))

    assert [len(one.logits) for one in series] == [4] * 10
    assert series[1].patient == series[0].patient != series[2].patient
    assert series[2].embeddings[:, 0].tolist() == [8, 9, 10, 11]
    assert series[2].z_mm.tolist() == [0, 5, 10, 15]


def test_embeddings_that_are_no_numbers_are_refused() -> None:
    predictions = some_predictions(patients=6, slices=4)
    embeddings = np.full((len(predictions.frame), SIZE), np.inf, np.float16)

    with pytest.raises(TrainingError, match="no finite numbers"):
        encoded_series(replace(predictions, embeddings=embeddings))


def test_the_command_fits_a_head_that_the_run_is_loaded_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = write_runs(tmp_path, "run", patients=80)

    train_series_head.main([f"--run={run}", "--epochs=20", "--hidden=16", "--device=cpu"])

    assert f"written: {run / SERIES_HEAD_FILE}" in capsys.readouterr().out.replace("\n", "")
    assert isinstance(load_trained(run).network.series_head, SeriesHead)
    assert not list(run.glob("*.part"))


def test_the_command_removes_a_head_that_does_not_belong_any_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = write_runs(tmp_path, "run")
    (run / SERIES_HEAD_FILE).write_bytes(b"of an earlier time")

    train_series_head.main([f"--run={run}", "--device=cpu"])

    assert "No series head: of 3 tune patients" in capsys.readouterr().out
    assert not (run / SERIES_HEAD_FILE).exists()


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--folds must be 2 or more"):
        train_series_head.main([f"--run={tmp_path}", "--folds=1"])
