"""Put trained runs together as one, whose logits and maps are the mean of theirs.

``python -m model.ensemble --runs A B --to C`` makes of runs of one recipe a run that is calibrated,
measured and exported as any other. With ``--rotations FOLDER`` it makes one of each rotation of a
recipe: the rotation's run together with those others that did not learn from its test patients.
"""

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console

from model.cross_validation.rotations import differing_in, runs_of
from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec
from model.training.checkpoint import LAST, load_checkpoint, save_checkpoint
from model.training.trained import averaged_network

Content = Mapping[str, Any]

_SAME: Final = ("epoch", "step", "spec")
"""What members' checkpoints have in common beside their recipe."""


def put_together(runs: Sequence[Path], to: Path) -> list[str]:
    """Write the checkpoint of runs as one.

    Parameters
    ----------
    runs
        Two or more folders of runs of one recipe.
    to
        Folder of the run to be made.

    Returns
    -------
    The patients from whom no member learnt, and whom the first run tests.

    Raises
    ------
    TrainingError
        There is one run alone, or they differ in more than their patients and their seed.
    """
    contents = [load_checkpoint(run / LAST) for run in runs]
    require_alike(runs, contents)
    networks = [
        averaged_network(content, run / LAST) for run, content in zip(runs, contents, strict=True)
    ]
    whole = ensemble_of(networks)
    parts = parts_together(contents)
    content = {
        name: contents[0][name] for name in ("recipe", "processes", "caches", "epoch", "step")
    } | {
        "folds": contents[0]["folds"],
        "members": {str(run.resolve()): _digest(run) for run in runs},
        "seeds": [content["recipe"]["seed"] for content in contents],
        "spec": asdict(whole.spec),
        "average": whole.state_dict(),
        "parts": parts,
        "prior_shift": _mean(contents, "prior_shift"),
        "prevalence": _mean(contents, "prevalence"),
        "seconds": sum(one["seconds"] for one in contents),
    }
    to.mkdir(parents=True, exist_ok=True)
    save_checkpoint(to / LAST, content)
    return parts["test"]


def is_of_its_members(run: Path) -> bool:
    """Whether a run was put together of runs that are still as they were then."""
    if not (run / LAST).exists():
        return False
    members = load_checkpoint(run / LAST).get("members", {})
    return bool(members) and all(
        (Path(member) / LAST).exists() and _digest(Path(member)) == digest
        for member, digest in members.items()
    )


def require_alike(runs: Sequence[Path], contents: Sequence[Content]) -> None:
    """See that runs can be members of one.

    Raises
    ------
    TrainingError
        As of `put_together`.
    """
    if len(runs) < 2:
        raise TrainingError(f"{len(runs)} run is nothing to put together: name two or more.")
    first = contents[0]
    for run, other in zip(runs[1:], contents[1:], strict=True):
        differing = differing_in(first["recipe"], other["recipe"])
        differing += [name for name in _SAME if first[name] != other[name]]
        if _patients(first) != _patients(other):
            differing.append("data")
        if differing:
            raise TrainingError(
                f"{runs[0]} and {run} differ in more than patients and seed "
                f"({', '.join(differing)}): their mean is no run of either."
            )
    if first["spec"]["pooling"] != "gap" or first["spec"].get("members", 1) != 1:
        raise TrainingError(
            f"{runs[0]} is pooled with an exponent of its own or is several "
            "networks already: only plain networks pooled by the mean can be put together."
        )


def ensemble_of(networks: Sequence[HemorrhageNetwork]) -> HemorrhageNetwork:
    """One network that says the mean of several of one spec, in evaluation mode."""
    spec: NetworkSpec = networks[0].spec
    whole = HemorrhageNetwork(replace(spec, members=len(networks))).eval()
    state = whole.state_dict()
    for number, network in enumerate(networks):
        for name, value in network.state_dict().items():
            part, _, rest = name.partition(".")
            if f"{part}.members.{number}.{rest}" in state:
                state[f"{part}.members.{number}.{rest}"] = value
    heads = [network.head for network in networks]
    state["head.weight"] = torch.cat([head.weight for head in heads], dim=1) / len(heads)
    state["head.bias"] = torch.stack([head.bias for head in heads]).mean(dim=0)
    whole.load_state_dict(state)
    return whole


def parts_together(contents: Sequence[Content]) -> dict[str, list[str]]:
    """Parts of runs as one: who taught a member taught it; the others are what the first says."""
    taught = set[str]().union(*(content["parts"]["train"] for content in contents))
    parts = {
        name: [patient for patient in patients if patient not in taught]
        for name, patients in contents[0]["parts"].items()
    }
    return parts | {"train": sorted(taught)}


def beside(rotation: Path, contents: Mapping[Path, Content]) -> list[Path]:
    """A rotation's run, and the others that did not learn from its test patients.

    Raises
    ------
    TrainingError
        There is no other.
    """
    test = {*contents[rotation]["parts"]["test"]}
    others = [
        run
        for run, content in contents.items()
        if run != rotation and not test & {*content["parts"]["train"]}
    ]
    if not others:
        raise TrainingError(
            f"Every other run learnt from test patients of {rotation}: train all rotations."
        )
    return [rotation, *others]


def ensemble_rotations(rotations: Path, to: Path) -> dict[Path, list[Path]]:
    """Write for each rotation of a recipe the run of it and of those beside it.

    Returns
    -------
    Folder written to its members.

    Raises
    ------
    TrainingError
        As of `beside`, of `put_together`, or of `model.cross_validation.rotations.runs_of`.
    """
    contents = {run: trained.content for run, trained in runs_of(rotations).items()}
    members = {to / run.name: beside(run, contents) for run in contents}
    for folder, runs in members.items():
        put_together(runs, folder)
    return members


def _patients(content: Content) -> set[str]:
    return {patient for patients in content["parts"].values() for patient in patients}


def _digest(run: Path) -> str:
    with (run / LAST).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mean(contents: Sequence[Content], name: str) -> list[float]:
    mean: list[float] = np.mean([content[name] for content in contents], axis=0).tolist()
    return mean


def main(arguments: list[str] | None = None) -> None:
    """Write the checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--runs", type=Path, nargs="+", help="of one recipe, from several seeds")
    source.add_argument("--rotations", type=Path, help="folder of rotation-0, rotation-1, ...")
    add("--to", type=Path, required=True, help="the run's folder, or that of the rotations' runs")
    options = parser.parse_args(arguments)
    if options.rotations:
        made = ensemble_rotations(options.rotations, options.to)
    else:
        put_together(options.runs, options.to)
        made = {options.to: options.runs}
    for folder, runs in made.items():
        Console().print(f"{folder}: {' and '.join(run.name for run in runs)}")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
