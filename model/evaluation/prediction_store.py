"""Predictions of a part, kept in the run's folder, so that no command predicts twice."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.evaluation.predictions import FRAME_COLUMNS, Predictions, predict_with_each
from model.labels import LABELS
from model.system.device import device_named
from model.system.files import write_atomically

if TYPE_CHECKING:
    # Reading processes import this module, and do without torch.
    from model.network import HemorrhageNetwork
    from model.training.trained import Trained


def identity_of(trained: "Trained", part: str) -> dict[str, Any]:
    """What predictions depend on: the weights with their series head, the input, the slices."""
    content, network = trained.content, trained.network
    slices = hashlib.sha256()
    for cached in trained.sets:
        frame = cached.frame[cached.frame["patient"].isin(content["parts"][part])]
        rows = pd.util.hash_pandas_object(frame[["name", "patient", *LABELS]], index=False)
        slices.update(cached.name.encode() + rows.to_numpy().tobytes())
    return {
        "part": part,
        "epoch": content["epoch"],
        "step": content["step"],
        "weights": weights_digest(network),
        "spec": asdict(network.spec),
        "input_size": network.preprocess.input_size,
        "slices": slices.hexdigest(),
    }


def weights_digest(network: "HemorrhageNetwork") -> str:
    """SHA-256 of all weights and buffers, the series head's among them."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def predict_part(
    run: Path,
    trained: Mapping[int, "Trained"],
    part: str,
    *,
    device: str = "cpu",
    workers: int = 1,
) -> dict[int, Predictions]:
    """Predict a part at each input size, or take what the run's folder keeps of the same weights.

    Parameters
    ----------
    run
        The run's folder; `predictions-<part>-<size>.parquet` are written there.
    trained
        Input size to what `load_trained` made for it.
    part
        `tune`, `calibrate` or `test`.
    device
        `auto`, `cpu`, `cuda`, ...; where the networks are moved to, if they are needed.
    workers
        Reading processes.

    Raises
    ------
    TrainingError
        The device is not there, or an original cannot be read any more.
    """
    found: dict[int, Predictions] = {}
    identities = {size: identity_of(one, part) for size, one in trained.items()}
    for size, identity in identities.items():
        kept = read_predictions(_path(run, part, size), identity)
        if kept is not None:
            found[size] = kept
    missing = [size for size in trained if size not in found]
    if missing:
        networks = [trained[size].network.to(device_named(device)) for size in missing]
        one = trained[missing[0]]
        made = predict_with_each(networks, one.sets, one.content["parts"][part], workers=workers)
        for size, predictions in zip(missing, made, strict=True):
            write_predictions(_path(run, part, size), predictions, identities[size])
            found[size] = predictions
    return found


def _path(run: Path, part: str, size: int) -> Path:
    return run / f"predictions-{part}-{size}.parquet"


def write_predictions(path: Path, predictions: Predictions, identity: Mapping[str, Any]) -> None:
    """Keep predictions (without embeddings) and what they depend on, atomically."""
    table = pa.Table.from_pandas(predictions.frame, preserve_index=False)
    for kind, logits in (("slice", predictions.slice_logits), ("series", predictions.logits)):
        for label, column in zip(LABELS, logits.T, strict=True):
            table = table.append_column(f"{kind}_logit_{label}", pa.array(column))
    buffer = io.BytesIO()
    metadata = {b"identity": json.dumps(identity).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def read_predictions(path: Path, identity: Mapping[str, Any]) -> Predictions | None:
    """Read kept predictions; None where there are none, or they are of something else."""
    try:
        table = pq.read_table(path)
        kept = json.loads((table.schema.metadata or {}).get(b"identity", b"null"))
    except (OSError, ValueError):
        return None
    if kept != identity:
        return None
    frame = table.to_pandas()
    slice_logits, logits = (
        frame[[f"{kind}_logit_{label}" for label in LABELS]].to_numpy(np.float32)
        for kind in ("slice", "series")
    )
    return Predictions(frame[list(FRAME_COLUMNS)], slice_logits, logits)
