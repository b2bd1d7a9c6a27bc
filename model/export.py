"""Write the artefact of a calibrated and measured run: ``python -m model.export --run ...``."""

import argparse
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console

from model.architecture.familiarity import FAMILIARITY_FILE, read_familiarity
from model.architecture.series_head import SERIES_HEAD_FILE, SeriesHead, read_series_head
from model.artifact import CARD_NAME, NETWORK_NAME
from model.errors import TrainingError
from model.evaluation.prediction_store import weights_digest
from model.exporting.card import build_card
from model.exporting.torchscript import network_bytes, script
from model.golden import write_golden
from model.network import HemorrhageNetwork
from model.results import LOCALISATION, ROBUSTNESS, SENSITIVITY, UNFAMILIAR, read_result
from model.training.trained import Trained, load_trained

_TOLERANCE: Final = 0.1
"""In logits, and as a share of them; half precision usually stays ten times below it."""


def read_needed(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """Read a result without which there is no card.

    Raises
    ------
    TrainingError
        It is missing, damaged or lacks what a card needs: no card without metrics and provenance.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise TrainingError(
            f"{path.name} cannot be read ({problem}): a card needs metrics and provenance; "
            "run model.calibrate and model.evaluate first."
        ) from problem
    missing = [name for name in needed if not content.get(name)]
    if missing:
        raise TrainingError(
            f"{path.name} lacks {', '.join(missing)}: a card needs metrics and provenance."
        )
    return content


def load_measured(run: Path) -> tuple[Trained, dict[str, Any], dict[str, Any]]:
    """Load the network that was calibrated and measured, and both results.

    Raises
    ------
    TrainingError
        A result is missing, or of other weights than the run has now.
    """
    calibration = read_needed(
        run / "calibration.json", ("input_size", "temperature", "thresholds", "weights")
    )
    evaluation = read_needed(
        run / "evaluation.json", ("metrics", "thresholds", "parts", "evaluations", "weights")
    )
    trained = load_trained(run, calibration["checkpoint"], calibration["input_size"])
    digest = weights_digest(trained.network)
    stale = [
        name
        for name, result in (("calibration", calibration), ("evaluation", evaluation))
        if result["weights"] != digest
    ]
    if stale:
        raise TrainingError(
            f"The {' and the '.join(stale)} of {run} are of other weights than its checkpoint "
            f"{calibration['checkpoint']}.pt and series head: calibrate and evaluate again."
        )
    if "per_study" not in evaluation["metrics"]:
        raise TrainingError(
            f"{run / 'evaluation.json'} has no figures per study, as those of earlier versions: "
            "evaluate again."
        )
    if any(
        evaluation["thresholds"][label][point]["threshold"] != value
        for label, points in calibration["thresholds"].items()
        for point, value in points.items()
    ):
        raise TrainingError(f"{run} was calibrated again after it was measured: evaluate again.")
    return trained, calibration, evaluation


def attach_familiarity(
    run: Path, network: HemorrhageNetwork, calibration: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Give a run's network the familiarity that was fitted to it, if there is one.

    Returns
    -------
    What the card says of it (`model.unfamiliar.UnfamiliarFacts`), or None.

    Raises
    ------
    TrainingError
        As of `read_result`, or what was fitted is damaged or of other weights.
    """
    found = read_result(run, UNFAMILIAR, calibration)
    if found is None:
        return None
    fitted = read_familiarity(run / FAMILIARITY_FILE)
    if fitted.weights != calibration["weights"]:
        raise TrainingError(
            f"{run / FAMILIARITY_FILE} was fitted to other weights than were calibrated: run "
            f"{UNFAMILIAR.command} again."
        )
    network.familiarity = fitted.build()
    return found


def card_of(run: Path, version: str, note: str) -> tuple[dict[str, Any], HemorrhageNetwork]:
    """Put the card of a run together, all but the SHA-256, and give the network that it is of.

    Raises
    ------
    TrainingError
        A result is missing, or of other weights than the run has now.
    """
    trained, calibration, evaluation = load_measured(run)
    figures = None
    if isinstance(trained.network.series_head, SeriesHead):
        figures = read_series_head(run / SERIES_HEAD_FILE).figures
    card = build_card(
        trained,
        calibration,
        evaluation,
        version=version,
        series_head=figures,
        robustness=read_result(run, ROBUSTNESS, calibration),
        localisation=read_result(run, LOCALISATION, calibration),
        sensitivity=read_result(run, SENSITIVITY, calibration),
        unfamiliar=attach_familiarity(run, trained.network, calibration),
        note=note,
    )
    return card, trained.network


def compiled(network: HemorrhageNetwork, *, half: bool) -> bytes:
    """Compile a network, and see that the file says what the network says.

    Parameters
    ----------
    network
        Used up.
    half
        Whether weights are stored in half precision.

    Raises
    ------
    TrainingError
        The two differ, as when weights leave the range of half precision.
    """
    generator = torch.Generator().manual_seed(0)
    hu = torch.randint(-1000, 1500, (3, 200, 180), generator=generator).to(torch.int16)
    z_mm = torch.arange(3) * 5.0
    with torch.inference_mode():
        expected, _ = network(hu, z_mm)
    scripted = script(network, half=half)
    content = network_bytes(scripted)
    with torch.inference_mode():
        found, _ = scripted.float()(hu, z_mm)
    if not torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
        difference = (found - expected).abs().max().item()
        raise TrainingError(
            f"The compiled network's logits differ by {difference:.3g} from the network's: export "
            "with --precision single, or look at its weights."
        )
    return content


def write_pair(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: all are on the disk before the first takes its place.

    A kill between the two renames leaves a network beside another one's card, which is refused by
    its SHA-256.

    Raises
    ------
    OSError
        The disk is full or not writable; the old files stay, no partial ones do.
    """
    partial = {path: path.with_name(path.name + ".part") for path in contents}
    try:
        for path, content in contents.items():
            with partial[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in contents:
            partial[path].replace(path)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> None:
    """Write `falx.pt`, `falx.json` and `falx.golden.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--run", type=Path, required=True, help="the run's folder")
    add("--to", type=Path, required=True, help="folder of the artefact, as FALX_MODEL names it")
    add("--version", required=True, help="of the weights, as 1.0.0")
    add("--note", default="", help="what else the card should say of the run")
    add("--precision", choices=("half", "single"), default="half", help="of the weights (half)")
    options = parser.parse_args(arguments)
    card, network = card_of(options.run, options.version, options.note)
    weights = compiled(network, half=options.precision == "half")
    card["sha256"] = hashlib.sha256(weights).hexdigest()
    options.to.mkdir(parents=True, exist_ok=True)
    network_path, card_path = options.to / NETWORK_NAME, options.to / CARD_NAME
    write_pair({network_path: weights, card_path: (json.dumps(card, indent=1) + "\n").encode()})
    golden_path = write_golden(options.to)
    Console().print(
        f"{card['name']} {card['version']}, {card['architecture']}, series head: "
        f"{card['series_head'].split(':')[0].split(';')[0]}\nwritten: {network_path} "
        f"({len(weights) / 1e6:.1f} MB), {card_path} and {golden_path}"
    )


if __name__ == "__main__":
    from model.system.command import run

    run(main)
