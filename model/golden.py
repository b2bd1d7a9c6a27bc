"""See that weights answer here as they did where they were made: ``python -m model.golden``.

Beside the artefact lie its probabilities of synthetic heads that the program makes itself, so that
an installation needs nothing else to check itself. `--write` makes that file.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.data.synthetic.scan import Scan
from model.data.synthetic.series import bleeding_of, make_series
from model.errors import ArtifactError
from model.labels import LABELS
from model.predictor import Predictor, load_predictor
from model.system.files import write_json

GOLDEN_NAME: Final = "falx.golden.json"
CPU_TOLERANCE: Final = 1e-4
GPU_TOLERANCE: Final = 1e-3
"""In probability: convolutions of a GPU round to fewer bits (TF32)."""

_WEIGHTS: Final = Path(__file__).parent / "weights"
_SCAN: Final = Scan(n_slices=5, spacing_mm=24, thickness_mm=2, pixels=192)
_DECIMALS: Final = 6


@dataclass(frozen=True)
class Difference:
    """Where an answer is farthest from the golden one, and by how much in probability."""

    where: str
    value: float


@cache
def golden_inputs() -> dict[str, list[NDArray[np.int16]]]:
    """Make what is answered: name to slices int16[H, W] in HU, upward, 24 mm apart."""
    tilted = make_series(3, replace(_SCAN, tilt_degrees=15), bleeding_of("subdural")).hu
    return {
        "head without bleeding": list(make_series(1, _SCAN).hu),
        "head with epidural bleeding": list(make_series(6, _SCAN, bleeding_of("epidural")).hu),
        "head with subdural bleeding, tilted gantry": list(tilted),
        "single slice without bleeding, 512 pixels": list(make_series(4, Scan(n_slices=1)).hu),
        "single slice with bleeding, not square": [tilted[3][:, 20:-10]],
        "constant": [np.full((256, 256), 40, np.int16)],
    }


def answers(predictor: Predictor) -> dict[str, list[list[float]]]:
    """Name of an input to the probabilities of its slices, in `LABELS` order."""
    return {
        name: np.round(_probabilities(predictor, hu).astype(np.float64), _DECIMALS).tolist()
        for name, hu in golden_inputs().items()
    }


def _probabilities(predictor: Predictor, hu: list[NDArray[np.int16]]) -> NDArray[np.float32]:
    z_mm = (np.arange(len(hu)) * _SCAN.spacing_mm).astype(np.float32)
    return predictor.predict(hu, z_mm, lambda _done: None).probabilities


def write_golden(folder: Path) -> Path:
    """Write `falx.golden.json` beside the artefact of a folder, as a CPU answers.

    Raises
    ------
    ArtifactError
        The artefact is missing, changed or damaged.
    """
    predictor = load_predictor(folder, "cpu")
    path = folder / GOLDEN_NAME
    write_json(path, {"sha256": predictor.card.sha256, "probabilities": answers(predictor)})
    return path


def read_golden(folder: Path, sha256: str) -> dict[str, NDArray[np.float64]]:
    """Read the golden answers of an artefact: name of an input to float64[S, 6].

    Raises
    ------
    ArtifactError
        There are none, they are damaged, or of another artefact than that of this SHA-256.
    """
    path = folder / GOLDEN_NAME
    anew = "write it with `python -m model.golden --write` where these weights are known to be good"
    try:
        content: Mapping[str, Any] = json.loads(path.read_text())
        of_weights = str(content["sha256"])
        golden = {
            name: np.array(rows, np.float64).reshape(-1, len(LABELS))
            for name, rows in content["probabilities"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ArtifactError(f"{path} cannot be read ({problem!r}): {anew}.") from problem
    if of_weights != sha256:
        raise ArtifactError(
            f"{path} is of weights with SHA-256 {of_weights[:12]}..., these have "
            f"{sha256[:12]}...: {anew}."
        )
    return golden


def compare_with_golden(predictor: Predictor, folder: Path) -> Difference:
    """Answer the golden inputs, and find the greatest difference.

    Raises
    ------
    ArtifactError
        The golden answers cannot be used, or were made by another version of this program.
    """
    golden, inputs = read_golden(folder, predictor.card.sha256), golden_inputs()
    if {name: len(rows) for name, rows in golden.items()} != {k: len(v) for k, v in inputs.items()}:
        raise ArtifactError(
            f"{folder / GOLDEN_NAME} answers other inputs than this version of the program makes: "
            "use the version that these weights came with, or write it anew."
        )
    found = []
    for name, hu in inputs.items():
        off = np.abs(_probabilities(predictor, hu) - golden[name])
        number, label = np.unravel_index(int(off.argmax()), off.shape)
        found.append(Difference(f"{name}, slice {number + 1}, {LABELS[label]}", float(off.max())))
    return max(found, key=lambda one: one.value)


def main(arguments: list[str] | None = None) -> None:
    """Check the artefact of a folder, or write its golden answers.

    Raises
    ------
    ArtifactError
        The artefact or its golden answers cannot be used, or they differ.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=Path, default=_WEIGHTS, help="folder of the artefact (the one in service)")
    add("--write", action="store_true", help="write the golden answers instead of checking them")
    add("--device", default="cpu", help="cpu, cuda or auto, to check (cpu)")
    options = parser.parse_args(arguments)
    if options.write:
        print(f"written: {write_golden(options.model)}")
        return
    predictor = load_predictor(options.model, options.device)
    worst = compare_with_golden(predictor, options.model)
    tolerance = CPU_TOLERANCE if predictor.device == "cpu" else GPU_TOLERANCE
    told = f"{worst.value:.1e} in probability ({worst.where}) on {predictor.device}"
    if worst.value > tolerance:
        raise ArtifactError(
            f"These weights do not answer as where they were made: off by {told}, allowed is "
            f"{tolerance:g}. Look for other versions of torch or NumPy than requirements.txt has."
        )
    print(f"as where the weights were made: off by at most {told}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
