"""Fit the head over a series on the tune patients: ``python -m model.train_series_head --run ...``.

The encoder never learnt from these patients, so their embeddings are like those of new ones.
"""

import argparse
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from model.architecture.series_head import SERIES_HEAD_FILE
from model.errors import TrainingError
from model.evaluation.prediction_store import weights_digest
from model.evaluation.predictions import predict_patients
from model.labels import LABELS
from model.system.device import device_named
from model.system.files import write_atomically
from model.system.options import add_machine, add_run
from model.training.encoded_series import encoded_series
from model.training.series_fitting import Fitting, fit_series_head
from model.training.trained import load_trained


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Raises
    ------
    TrainingError
        A value lies outside its range.
    """
    usual = Fitting()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_run(parser)
    add("--checkpoint", choices=("last", "best"), default="last", help="which weights (last)")
    add("--epochs", type=int, nargs="+", default=usual.epochs, help="to choose from (3 6 12)")
    add("--folds", type=int, default=usual.folds, help="of the inner cross-validation (5)")
    add("--hidden", type=int, default=usual.hidden, help="width of the head (64)")
    add("--seed", type=int, default=usual.seed, help="of everything random (0)")
    add_machine(parser)
    options = parser.parse_args(arguments)
    if options.folds < 2 or options.hidden < 1 or min(options.epochs) < 1:
        raise TrainingError("--folds must be 2 or more, --hidden and --epochs 1 or more.")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Write the run's `series_head.pt`, or remove it where a head does not help."""
    options = parse_arguments(arguments)
    device = device_named(options.device)
    trained = load_trained(options.run, options.checkpoint, series_head=False)
    encoder = weights_digest(trained.network)
    predictions = predict_patients(
        trained.network.to(device),
        trained.sets,
        trained.content["parts"]["tune"],
        workers=options.workers,
        embeddings=True,
    )
    fitting = Fitting(
        epochs=tuple(options.epochs),
        folds=options.folds,
        hidden=options.hidden,
        seed=options.seed,
    )
    fitted = fit_series_head(encoded_series(predictions), fitting, encoder, device)
    path = options.run / SERIES_HEAD_FILE
    console = Console()
    if isinstance(fitted, str):
        path.unlink(missing_ok=True)
        console.print(f"{fitted} Each slice keeps its own probabilities.")
        return
    content = io.BytesIO()
    torch.save(vars(fitted), content)
    write_atomically(path, content.getvalue())
    _show(console, fitted.figures, path)


def _show(console: Console, figures: Mapping[str, Any], path: Path) -> None:
    console.print(
        f"{figures['patients']} tune patients, {figures['slices']} slices, {figures['epochs']} "
        f"epochs; averaged over neighbours, then corrected: log loss on patients "
        f"that the correction did not see, in {figures['folds']} folds:"
    )
    kinds = ("alone", "averaged", "with_head")
    columns = (
        *(figures[f"log_loss_{kind}"] for kind in kinds),
        figures["widths_mm"],
        figures["blend"],
    )
    for label, alone, averaged, with_head, width, blend in zip(LABELS, *columns, strict=True):
        losses = f"alone {alone:.4f}  averaged {averaged:.4f}  with head {with_head:.4f}"
        console.print(f"{label:>18}  {losses}  width {width:g} mm  blend {blend}")
    weighted = (f"{kind.replace('_', ' ')} {figures[f'weighted_{kind}']:.4f}" for kind in kinds)
    console.print(f"{'weighted':>18}  {'  '.join(weighted)}\nwritten: {path}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
