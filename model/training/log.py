"""The log of a run: a row an epoch, as CSV and for TensorBoard."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import torch

from model.system.files import write_atomically
from model.system.memory import peak_resident_mb

LOG_FILE: Final = "log.csv"
TENSORBOARD_FOLDER: Final = "tensorboard"


@dataclass(frozen=True)
class EpochRow:
    """What is logged of an epoch.

    Parameters
    ----------
    epoch
        From 1.
    train_loss, held_out_loss
        Weighted log loss of the augmented draws as they were learnt from, and of the tune
        patients' slices under the averaged weights; nan where there are none.
    auc_any
        Of the same slices; nan where they are of one class.
    learning_rate
        At the epoch's end.
    slices_per_second
        In training, of all processes together.
    peak_memory_mb
        Of this process: on the GPU, or resident on the CPU.
    seconds
        Of the epoch's training and evaluation.
    """

    epoch: int
    train_loss: float
    held_out_loss: float
    auc_any: float
    learning_rate: float
    slices_per_second: float
    peak_memory_mb: float
    seconds: float


def record(run: Path, row: EpochRow) -> None:
    """Add a row to the run's logs; a row of the same epoch, from before a kill, is replaced."""
    _record_csv(run / LOG_FILE, row)
    _record_tensorboard(run / TENSORBOARD_FOLDER, row)


def read_log(run: Path) -> list[dict[str, float]]:
    """The logged epochs; none where there is no log."""
    path = run / LOG_FILE
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def peak_memory_mb(device: torch.device) -> float:
    """The most memory held so far: on the GPU, or resident in this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return peak_resident_mb()


def _record_csv(path: Path, row: EpochRow) -> None:
    rows = [old for old in read_log(path.parent) if old["epoch"] < row.epoch]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(EpochRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(old | {"epoch": int(old["epoch"])} for old in rows)
    writer.writerow(asdict(row))
    write_atomically(path, text.getvalue().encode())


def _record_tensorboard(folder: Path, row: EpochRow) -> None:
    from torch.utils.tensorboard import SummaryWriter

    # Rows of this epoch and later ones, from before a kill, are not shown any more.
    with SummaryWriter(str(folder), purge_step=row.epoch) as writer:
        for name, value in asdict(row).items():
            if name != "epoch":
                writer.add_scalar(name, value, row.epoch)
