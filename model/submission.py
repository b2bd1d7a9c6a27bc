"""Write the Kaggle submission for the RSNA 2019 test images from an artefact.

``python -m model.submission --weights model/weights --root R --to submission.csv``
"""

import argparse
import csv
import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from model.artifact import ModelCard
from model.data.dataset import LeftOut, SourceSlice
from model.data.rsna import STAGES, RsnaSet, find_folder, test_names
from model.errors import TrainingError
from model.evaluation.predictions import order_in_series, served_positions
from model.labels import LABELS, SUBTYPES
from model.system.files import write_atomically
from model.system.progress import progress_bar
from model.system.read_ahead import read_ahead

if TYPE_CHECKING:
    # Reading processes import this module, and do without torch.
    from model.predictor import Predictor

_ROW_LABELS: Final = (*SUBTYPES, "any")
"""The order of an image's rows in Kaggle's sample submission."""
_HEADERS_AT_ONCE: Final = 256
_NAMED: Final = 20


@dataclass(frozen=True)
class TestJob:
    """Test images to read together: some headers, or a series."""

    data_set: RsnaSet
    names: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """An image's six probabilities in `LABELS` order; `problem` says why it could not be read."""

    name: str
    probabilities: tuple[float, ...]
    problem: str = ""


# ----------------------------------------------------------------------------------------- reading


def read_series_uids(job: TestJob) -> list[str]:
    """The series of some images, from their headers; an image without one is a series by itself."""
    import pydicom

    folder = find_folder(job.data_set.root, job.data_set.stage, job.data_set.part)
    uids = []
    with warnings.catch_warnings():
        # The set's identifiers are no UIDs, and pydicom says so of each file.
        warnings.simplefilter("ignore")
        for name in job.names:
            try:
                header = pydicom.dcmread(
                    folder / f"{name}.dcm",
                    stop_before_pixels=True,
                    specific_tags=["SeriesInstanceUID"],
                    force=True,
                )
                uids.append(str(header.get("SeriesInstanceUID", "") or name))
            except Exception:  # noqa: BLE001  pydicom raises many kinds; the reader will say which
                uids.append(name)
    return uids


def read_images(job: TestJob) -> list[SourceSlice | LeftOut]:
    """Read a series' images."""
    return list(job.data_set.read(job.names))


def series_of_images(data_set: RsnaSet, names: Sequence[str], workers: int) -> list[list[str]]:
    """Group the images by series in one pass over the headers."""
    jobs = (
        TestJob(data_set, names[at : at + _HEADERS_AT_ONCE])
        for at in range(0, len(names), _HEADERS_AT_ONCE)
    )
    uids: list[str] = []
    with progress_bar() as progress:
        task = progress.add_task("headers", total=len(names))
        for some in read_ahead(read_series_uids, jobs, workers):
            uids += some
            progress.advance(task, len(some))
    groups = pd.Series(names, dtype=object).groupby(uids, sort=True)
    return [list(group) for _, group in groups]


# -------------------------------------------------------------------------------------- predicting


def training_prevalence(card: ModelCard) -> tuple[float, ...]:
    """Share of the training slices with each label: what an unreadable image gets.

    Raises
    ------
    TrainingError
        The card does not say.
    """
    part = card.training.parts.get("train")
    if part is None or not part.slices:
        raise TrainingError("The model card does not say how many training slices have each label.")
    return tuple(part.slices_with[label] / part.slices for label in LABELS)


def answer_series(
    predictor: "Predictor", images: Sequence[SourceSlice | LeftOut], prevalence: tuple[float, ...]
) -> list[Answer]:
    """Predict a series as service does, its unreadable images apart."""
    answers = [
        Answer(image.name, prevalence, image.detail)
        for image in images
        if isinstance(image, LeftOut)
    ]
    slices = [image for image in images if isinstance(image, SourceSlice)]
    if not slices:
        return answers
    z_mm = np.array([one.z_mm for one in slices], np.float64)
    order = order_in_series(z_mm, np.array([one.number for one in slices]))
    thickness = np.array([one.slice_thickness_mm or np.nan for one in slices])
    prediction = predictor.predict(
        [slices[i].hu for i in order],
        served_positions(z_mm[order], thickness),
        lambda _done: None,
    )
    answers += [
        Answer(slices[i].name, tuple(map(float, row)))
        for i, row in zip(order, prediction.probabilities, strict=True)
    ]
    return answers


# ---------------------------------------------------------------------------------------- progress


class Progress:
    """The answers so far, in a file beside the submission, which outlives a kill.

    Parameters
    ----------
    path
        The file; its first line says of what weights and images it is, and another's is begun anew.
    identity
        What that line must say.
    """

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self.path = path
        self.answers: dict[str, Answer] = {}
        first = json.dumps(identity) + "\n"
        kept = _whole_lines(path)
        if not kept.startswith(first):
            kept = first
        write_atomically(path, kept.encode())
        for row in csv.reader(io.StringIO(kept[len(first) :])):
            self._keep(Answer(row[0], tuple(map(float, row[1:7])), row[7]))

    def add(self, answers: Sequence[Answer]) -> None:
        """Keep a series' answers."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for answer in answers:
            self._keep(answer)
            problem = " ".join(answer.problem.split())
            writer.writerow([answer.name, *answer.probabilities, problem])
        with self.path.open("a") as file:
            file.write(text.getvalue())

    def _keep(self, answer: Answer) -> None:
        self.answers[answer.name] = answer


def _whole_lines(path: Path) -> str:
    """What a file holds up to its last line break: a kill may have cut the line after it."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
    return text[: text.rfind("\n") + 1]


# -------------------------------------------------------------------------------------------- main


def answer_all(
    predictor: "Predictor", data_set: RsnaSet, names: Sequence[str], kept: Progress, workers: int
) -> None:
    """Answer every image that has no answer yet, series by series."""
    if len(kept.answers) == len(names):
        return
    prevalence = training_prevalence(predictor.card)
    missing = [
        series
        for series in series_of_images(data_set, names, workers)
        if not all(name in kept.answers for name in series)
    ]
    jobs: Iterator[TestJob] = (TestJob(data_set, series) for series in missing)
    with progress_bar() as progress:
        task = progress.add_task("predicting", total=len(names))
        progress.advance(task, len(names) - sum(map(len, missing)))
        for images in read_ahead(read_images, jobs, workers):
            kept.add(answer_series(predictor, images, prevalence))
            progress.advance(task, len(images))


def submission_csv(names: Sequence[str], answers: Mapping[str, Answer]) -> bytes:
    """The submission: six rows an image, in the order of Kaggle's sample."""
    columns: list[NDArray[np.str_]] = []
    table = np.array([answers[name].probabilities for name in names])
    for label in _ROW_LABELS:
        ids = np.char.add(np.array(names), f"_{label},")
        columns.append(np.char.add(ids, np.char.mod("%.8g", table[:, LABELS.index(label)])))
    rows = np.stack(columns, axis=1).ravel()
    return ("ID,Label\n" + "\n".join(rows.tolist()) + "\n").encode()


def main(arguments: list[str] | None = None) -> None:
    """Write the submission; killed and started again, it goes on where it was."""
    from model.predictor import load_predictor

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--weights", type=Path, required=True, help="folder of the artefact")
    add("--root", type=Path, required=True, help="the unpacked download")
    add("--stage", type=int, choices=STAGES, default=2, help="of the competition (2)")
    add("--to", type=Path, required=True, help="the CSV to write")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--workers", type=int, default=os.cpu_count() or 1, help="reading processes (all cores)")
    options = parser.parse_args(arguments)
    names = test_names(options.root, options.stage)
    data_set = RsnaSet(options.root.resolve(), options.stage, "test")
    predictor = load_predictor(options.weights, options.device)
    identity = {
        "weights": predictor.card.sha256,
        "root": str(data_set.root),
        "images": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    }
    kept = Progress(options.to.with_name(options.to.name + ".progress"), identity)
    answer_all(predictor, data_set, names, kept, options.workers)
    write_atomically(options.to, submission_csv(names, kept.answers))
    kept.path.unlink()
    _report(Console(), options.to, names, kept.answers)


def _report(
    console: Console, path: Path, names: Sequence[str], answers: Mapping[str, Answer]
) -> None:
    bad = [answers[name] for name in names if answers[name].problem]
    console.print(f"{path}: {len(names):,} images, {len(LABELS) * len(names):,} rows")
    if bad:
        console.print(
            f"{len(bad):,} images could not be read and got the prevalence of the training slices:"
        )
    for answer in bad[:_NAMED]:
        console.print(f"  {answer.name}: {answer.problem}", highlight=False)
    if len(bad) > _NAMED:
        console.print(f"  and {len(bad) - _NAMED:,} more")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
