"""Carry a large file in pieces, as where a borrowed machine returns only small files.

``python -m model.pieces --split run/last.pt --to FOLDER [--compact]`` there, ``python -m
model.pieces --join FOLDER --to run/last.pt`` here; pieces that came in several parts are
put into one folder before.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from model.errors import TrainingError
from model.system.files import write_atomically, write_json

MANIFEST_FILE: Final = "pieces.json"
PIECE_BYTES: Final = 16_000_000
"""A little less than the 16 MiB that such machines allow a file."""


def split(file: Path, folder: Path, piece_bytes: int = PIECE_BYTES) -> int:
    """Cut a file into numbered pieces with a manifest of their checksums.

    Parameters
    ----------
    file
        What to cut.
    folder
        Where the pieces go; pieces of before are removed.
    piece_bytes
        Of each but the last.

    Returns
    -------
    How many.

    Raises
    ------
    TrainingError
        There is no such file.
    """
    if not file.is_file():
        raise TrainingError(f"There is no file {file} to cut into pieces.")
    for old in folder.glob(f"{file.name}.[0-9][0-9][0-9]"):
        old.unlink()
    whole = hashlib.sha256()
    pieces: list[dict[str, str]] = []
    with file.open("rb") as source:
        while content := source.read(piece_bytes):
            name = f"{file.name}.{len(pieces):03d}"
            write_atomically(folder / name, content)
            whole.update(content)
            pieces.append({"name": name, "sha256": hashlib.sha256(content).hexdigest()})
    manifest = {"name": file.name, "sha256": whole.hexdigest(), "pieces": pieces}
    write_json(folder / MANIFEST_FILE, manifest)
    return len(pieces)


def join(folder: Path, file: Path) -> None:
    """Put the pieces of a folder together; the file appears only once it is whole.

    Raises
    ------
    TrainingError
        It names the pieces that are missing or damaged.
    """
    manifest = _read_manifest(folder)
    missing = [
        piece["name"] for piece in manifest["pieces"] if not (folder / piece["name"]).exists()
    ]
    damaged = [
        piece["name"]
        for piece, content in _contents(folder, manifest)
        if hashlib.sha256(content).hexdigest() != piece["sha256"]
    ]
    if missing or damaged:
        raise TrainingError(
            f"{folder} does not hold all of {manifest['name']}: "
            f"{_listed('missing', missing)}{_listed('damaged', damaged)}copy these again."
        )
    partial = file.with_name(file.name + ".part")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as target:
            for _, content in _contents(folder, manifest):
                target.write(content)
            target.flush()
            os.fsync(target.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if all({"name", "sha256"} <= piece.keys() for piece in content["pieces"]):
            return content
        problem = "a piece has no name or checksum"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = str(error)
    raise TrainingError(
        f"{path} cannot be read ({problem}): copy it from where the pieces were made."
    )


def _contents(
    folder: Path, manifest: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """The pieces that are there, one in memory at a time."""
    for piece in manifest["pieces"]:
        path = folder / piece["name"]
        if path.exists():
            yield piece, path.read_bytes()


def _listed(what: str, names: list[str]) -> str:
    return f"{what} {', '.join(names)}; " if names else ""


def main(arguments: list[str] | None = None) -> None:
    """Split or join, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m model.pieces", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--split", type=Path, metavar="FILE", help="the file to cut")
    what.add_argument("--join", type=Path, metavar="FOLDER", help="where the pieces are")
    add = parser.add_argument
    add("--to", type=Path, required=True, help="folder of the pieces, or the file they make")
    add(
        "--compact",
        action="store_true",
        help="of a checkpoint, only the averaged weights in half precision: to export from, or to "
        "go on from approximately (exactly needs the whole file)",
    )
    options = parser.parse_args(arguments)
    if options.join:
        join(options.join, options.to)
        print(f"{options.to}: {options.to.stat().st_size:,} bytes, as they were split.")
        return
    cut = _split_compact if options.compact else split
    print(f"{options.to}: {cut(options.split, options.to)} pieces and {MANIFEST_FILE}")


def _split_compact(checkpoint: Path, folder: Path) -> int:
    """Cut what `model.training.compact` keeps of a checkpoint; how many pieces there are."""
    from model.training.checkpoint import load_checkpoint, save_checkpoint
    from model.training.compact import compact

    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / checkpoint.name
    try:
        save_checkpoint(whole, compact(load_checkpoint(checkpoint)))
        return split(whole, folder)
    finally:
        whole.unlink(missing_ok=True)


if __name__ == "__main__":
    from model.system.command import run

    run(main)
