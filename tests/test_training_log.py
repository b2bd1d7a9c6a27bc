"""The logs hold each epoch once, whatever was killed in between."""

import math
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.training.log import EpochRow, peak_memory_mb, read_log, record


def row(epoch: int, loss: float = 0.5) -> EpochRow:
    return EpochRow(epoch, loss, loss, math.nan, 1e-3, 10.0, 100.0, 1.0)


def test_an_epoch_that_was_done_again_is_logged_once(tmp_path: Path) -> None:
    for epoch, loss in [(1, 0.5), (2, 0.4), (2, 0.3), (3, 0.2)]:
        record(tmp_path, row(epoch, loss))

    logged = [(line["epoch"], line["held_out_loss"]) for line in read_log(tmp_path)]
    assert logged == [(1, 0.5), (2, 0.3), (3, 0.2)]
    assert not list(tmp_path.glob("*.part"))


def test_the_csv_has_a_header_and_an_epoch_a_line(tmp_path: Path) -> None:
    record(tmp_path, row(1))
    record(tmp_path, row(2))

    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0].startswith("epoch,train_loss,held_out_loss,auc_any,learning_rate")
    assert [line.partition(",")[0] for line in lines[1:]] == ["1", "2"]


def test_tensorboard_shows_the_same(tmp_path: Path) -> None:
    for epoch, loss in [(1, 0.5), (2, 0.4), (2, 0.25)]:
        record(tmp_path, row(epoch, loss))

    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    events = [(event.step, event.value) for event in shown.Scalars("held_out_loss")]
    assert events == [(1, 0.5), (2, 0.25)]


def test_memory_is_that_of_the_process() -> None:
    before = peak_memory_mb(torch.device("cpu"))

    held = torch.ones(50 * 2**20 // 4 + int(before) * 2**18)

    assert peak_memory_mb(torch.device("cpu")) > before + held.nbytes / 2**20 - before - 1
