"""Read a file, folder or zip and tell the probabilities: ``python -m model.predict PATH``."""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from model.artifact import ModelCard
from model.dicom.eligibility import judge_series
from model.dicom.sandbox import SandboxedReader
from model.dicom.series import SeriesGeometry, order_slices
from model.dicom.slice_reader import CTSlice
from model.dicom.sources import Ignored, Source, SourceLimits, iter_sources
from model.errors import FalxError, InputRefusedError
from model.finding import finding_state
from model.labels import LABELS, by_label
from model.notice import NOTICE
from model.predictor import Predictor, SeriesPrediction, load_predictor
from model.system.memory import keep_freed_memory
from model.unfamiliar import judge_unfamiliarity
from model.windowing import MODEL_WINDOWS, grey_lookup

NOTICE_ROWS: Final = 18
WEIGHTS: Final = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class NamedSlice:
    """A slice and the file that it came from."""

    name: str
    ct_slice: CTSlice


@dataclass(frozen=True)
class SeriesReading:
    """One series in anatomical order, with the model's answer or the reason why there is none."""

    slices: list[NamedSlice]
    geometry: SeriesGeometry
    warnings: tuple[str, ...]
    refusal: str
    prediction: SeriesPrediction | None


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 0 if at least one series was analysed."""
    options = parse_arguments(arguments)
    try:
        slices, refusals = read_slices(options.path)
        predictor = load_predictor(options.model, options.device)
    except FalxError as error:
        sys.stderr.write(f"falx: {error}\n")
        return 1
    readings = [read_series(group, predictor) for group in by_series(slices)]
    if options.png:
        for number, reading in enumerate(readings, start=1):
            write_pictures(reading, options.png / f"series-{number}")
    if options.json:
        print(json.dumps(as_json(readings, refusals, predictor), indent=2))
    else:
        print_report(readings, refusals, predictor.card)
    return 0 if any(reading.prediction for reading in readings) else 1


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m model.predict", description=NOTICE)
    parser.add_argument("path", type=Path, help="a DICOM file, a folder or a zip archive")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--png", type=Path, metavar="FOLDER", help="write each slice's windows")
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="folder of the artefact")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser.parse_args(arguments)


def read_slices(path: Path) -> tuple[list[NamedSlice], list[InputRefusedError]]:
    """Read every file under `path`.

    Returns
    -------
    The slices, and a refusal for each file that is none.
    """
    slices: list[NamedSlice] = []
    refusals: list[InputRefusedError] = []
    with SandboxedReader() as reader:
        for source in iter_sources(path, SourceLimits()):
            if isinstance(source, InputRefusedError):
                refusals.append(source)
            elif isinstance(source, Source):
                try:
                    slices.append(NamedSlice(source.name, reader.read(source.data, source.name)))
                except InputRefusedError as refusal:
                    refusals.append(refusal)
            else:
                note_ignored(source)
    return slices, refusals


def note_ignored(source: Ignored) -> None:
    """Say on the error stream that a file was passed over."""
    sys.stderr.write(f"falx: {source.name}: passed over, {source.reason}\n")


def by_series(slices: Iterable[NamedSlice]) -> list[list[NamedSlice]]:
    """Group by series; of files with one SOP Instance UID the first counts."""
    groups: dict[str, dict[str, NamedSlice]] = {}
    for one in slices:
        group = groups.setdefault(one.ct_slice.series_instance_uid, {})
        group.setdefault(one.ct_slice.sop_instance_uid, one)
    return [list(group.values()) for group in groups.values()]


def read_series(group: list[NamedSlice], predictor: Predictor) -> SeriesReading:
    """Order the slices, judge whether they are a head CT, and predict."""
    geometry = order_slices([one.ct_slice for one in group])
    slices = [group[index] for index in geometry.order]
    hu = [one.ct_slice.hu for one in slices]
    eligibility = judge_series(hu, [one.ct_slice.pixel_spacing_mm for one in slices])
    told = dict.fromkeys(warning for one in slices for warning in one.ct_slice.warnings)
    warnings = (*geometry.warnings, *eligibility.warnings, *told)
    if not eligibility.eligible:
        return SeriesReading(slices, geometry, warnings, eligibility.reason, None)
    said = predictor.predict(hu, geometry.z_mm, on_progress=ProgressLine(len(hu)))
    familiar = judge_unfamiliarity(said.unfamiliarity, predictor.card.unfamiliar)
    return SeriesReading(
        slices=slices,
        geometry=geometry,
        warnings=(*familiar.warnings, *warnings),
        refusal=familiar.reason,
        prediction=said if familiar.eligible else None,
    )


class ProgressLine:
    """Counts the slices done on the error stream, if that is a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total

    def __call__(self, done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == self._total else ""
            sys.stderr.write(f"\r{done} of {self._total} slices{end}")


def write_pictures(reading: SeriesReading, folder: Path) -> None:
    """Write each slice's model windows side by side over the notice: 001.png is the lowest."""
    folder.mkdir(parents=True, exist_ok=True)
    simulated = reading.slices[0].ct_slice.simulated
    notice = f"SIMULATED. {NOTICE}" if simulated else NOTICE
    for number, one in enumerate(reading.slices, start=1):
        stored = np.ascontiguousarray(one.ct_slice.hu).view(np.uint16)
        windows = np.hstack([grey_lookup(window).take(stored) for window in MODEL_WINDOWS])
        rows, columns = windows.shape
        picture = Image.new("L", (columns, rows + NOTICE_ROWS))
        picture.paste(Image.fromarray(windows))
        ImageDraw.Draw(picture).text((4, rows + 3), notice, fill=255)
        picture.save(folder / f"{number:03d}.png")


def as_json(
    readings: list[SeriesReading], refusals: list[InputRefusedError], predictor: Predictor
) -> dict[str, Any]:
    """Everything that is known, for other programs."""
    card = predictor.card
    return {
        "notice": NOTICE,
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "device": predictor.device,
        "series": [series_json(reading, card) for reading in readings],
        "refused": [{"name": one.name, "reason": one.reason} for one in refusals],
    }


def series_json(reading: SeriesReading, card: ModelCard) -> dict[str, Any]:
    """One series: highest probabilities, states, and each slice's probabilities."""
    prediction = reading.prediction
    first = reading.slices[0].ct_slice
    facts: dict[str, Any] = {
        "series_instance_uid": first.series_instance_uid,
        "simulated": first.simulated,
        "analysed": prediction is not None,
        "refusal": reading.refusal,
        "warnings": list(reading.warnings),
        "probabilities": None,
        "states": None,
        "unfamiliarity": None,
        "slices": [],
    }
    if prediction is not None:
        highest = by_label(prediction.series_probabilities)
        facts["probabilities"] = highest
        facts["unfamiliarity"] = prediction.unfamiliarity
        facts["states"] = {label: finding_state(label, p, card) for label, p in highest.items()}
        facts["slices"] = [
            {
                "name": one.name,
                "sop_instance_uid": one.ct_slice.sop_instance_uid,
                "z_mm": float(z_mm),
                "probabilities": by_label(row),
            }
            for one, z_mm, row in zip(
                reading.slices, reading.geometry.z_mm, prediction.probabilities, strict=True
            )
        ]
    return facts


def print_report(
    readings: list[SeriesReading], refusals: list[InputRefusedError], card: ModelCard
) -> None:
    """Print the result for a person."""
    print(f"{NOTICE}\n{card.name} {card.version}, SHA-256 {card.sha256[:12]}")
    for number, reading in enumerate(readings, start=1):
        simulated = ", SIMULATED" if reading.slices[0].ct_slice.simulated else ""
        print(f"\nSeries {number}: {len(reading.slices)} slices{simulated}")
        for warning in reading.warnings:
            print(f"  ! {warning}")
        if reading.prediction is None:
            print(f"  NOT ANALYSED: {reading.refusal}")
        else:
            print_probabilities(reading, reading.prediction, card)
    for refusal in refusals:
        print(f"\nRefused: {refusal}")


def print_probabilities(
    reading: SeriesReading, prediction: SeriesPrediction, card: ModelCard
) -> None:
    """Print one line a slice, then the series' highest with their states."""
    print("  " + "".join(f"{label:>18}" for label in ("slice", *LABELS)))
    for one, row in zip(reading.slices, prediction.probabilities, strict=True):
        print(f"  {one.name[-18:]:>18}" + "".join(f"{p:>18.3f}" for p in row))
    print(f"  {'highest':>18}" + "".join(f"{p:>18.3f}" for p in prediction.series_probabilities))
    highest = by_label(prediction.series_probabilities)
    states = [finding_state(label, p, card) for label, p in highest.items()]
    print(f"  {'state':>18}" + "".join(f"{state:>18}" for state in states))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
