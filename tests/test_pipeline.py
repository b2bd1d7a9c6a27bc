"""One command leads from a data set to an artefact, stops when its time is up and goes on."""

import itertools
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cache_factory import draw_head
from model import pieces
from model.artifact import load_card
from model.data import cache_writer
from model.data.packed import write_pack
from model.data.simulated_bank import write_bank
from model.errors import TrainingError
from model.failure import read_failures
from model.labels import SUBTYPES
from model.pipeline import __main__ as pipeline
from model.pipeline.plan import Plan
from model.pipeline.steps import STEPS
from model.training.checkpoint import load_checkpoint
from test_ct_ich import HEADER, windowed

RECIPE = ["--architecture=test_resnet", "--size=32", "--batch-size=8", "--epochs=2"]
SMALL = ["--cache-size=32", "--device=cpu", "--workers=1", *RECIPE, "--slices-per-epoch=24"]
LAST = "robustness, localisation, sensitivity, familiarity, export, failures"


def write_ct_ich(root: Path, patients: int = 24, slices: int = 4) -> Path:
    """Heads in CT-ICH's form; every second patient bleeds, in the upper half of the slices."""
    generator = np.random.default_rng(0)
    rows = []
    for folder in ("brain", "bone"):
        (root / folder).mkdir(parents=True)
    for patient, number in itertools.product(range(patients), range(slices)):
        bleeds = patient % 2 == 1 and 2 * number >= slices
        subtype = patient // 2 % len(SUBTYPES)
        hu = draw_head(generator, subtype if bleeds else None)
        name = f"{patient:03d}_{number:02d}.jpg"
        Image.fromarray(windowed(hu, -20, 120)).save(root / "brain" / name, quality=95)
        Image.fromarray(windowed(hu, -900, 3200)).save(root / "bone" / name, quality=95)
        marks = [int(bleeds and at == subtype) for at in range(len(SUBTYPES))]
        rows.append(",".join(map(str, (patient, number, *marks, int(not bleeds), 0))) + "\n")
    (root / "labels.csv").write_text(HEADER + "".join(rows))
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ct_ich(tmp_path_factory.mktemp("download"))


def command(data: Path, work: Path, *options: str) -> list[str]:
    return [f"--root={data}", f"--work={work}", *SMALL, *options]


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a call that nothing disturbed."""
    work = tmp_path_factory.mktemp("finished")
    pipeline.main(command(data, work, "--version=1.2.3", "--heads=2"))
    return work


def written(work: Path) -> dict[str, int]:
    """When each file was written."""
    return {str(path): path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}


def plan_of(data: Path, work: Path, *options: str) -> Plan:
    return pipeline.plan_from(*pipeline.parse_arguments(command(data, work, *options)))


def out_of_time(plan: Plan) -> Plan:
    return replace(plan, deadline=time.monotonic())


class UpAfterOneChunk(Plan):
    """A plan whose time is up when the cache reports for the second time."""

    @property
    def minutes_left(self) -> float:
        one_is_there = any((self.cache / "parts").glob("*.parquet"))
        return -1.0 if one_is_there else 1.0


def same_weights(one: Path, other: Path) -> bool:
    first, second = (load_checkpoint(run / "last.pt")["average"] for run in (one, other))
    return all(torch.equal(value, second[name]) for name, value in first.items())


# --------------------------------------------------------------------------------------- the way


def test_one_command_makes_the_artefact(finished: Path) -> None:
    card = load_card(finished / "weights" / "falx.json")

    assert card.version == "1.2.3"
    assert "CT-ICH" in card.training.data_sets[0].title
    assert card.sensitivity is None  # heads of 32 pixels lend no slices
    failures = read_failures(finished / "weights", card.sha256)
    assert failures is not None
    assert failures.heads == 2


def test_what_is_done_is_not_done_again(
    data: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(finished)

    pipeline.main(command(data, finished, "--version=1.2.3"))

    assert written(finished) == before
    shown = capsys.readouterr().out
    assert (
        "done: cache, train, series-head, calibrate, evaluate, robustness, localisation, "
        "sensitivity, familiarity, export, failures" in shown
    )
    assert "left" not in shown


@pytest.mark.long
def test_weights_that_learnt_from_everybody_are_measured_by_the_rotations(
    simulated_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = tmp_path / "bank"
    write_bank(simulated_cache, bank, slices=30, seed=7)
    learnt = [f"--bank={bank}", "--simulate=0.5", "--map-weight=1", "--epochs=1"]
    folds = f"--folds={tmp_path / 'folds.csv'}"
    asked = [f"--cache={simulated_cache}", f"--work={tmp_path}", *SMALL, *learnt, folds]
    asked += ["--everybody", "--version=2.0.0", "--slices=24", "--until=export"]
    pipeline.main(asked)
    before = written(tmp_path)
    pipeline.main(asked)

    card = load_card(tmp_path / "weights" / "falx.json")
    parts = card.training.parts
    assert (parts["train"].patients, parts["test"].patients) == (10, 10)
    assert "one of 5 runs of this recipe" in parts["test"].used_for
    assert card.robustness is not None
    assert (card.robustness.patients, card.robustness.runs) == (10, 5)
    for found in (card.localisation, card.sensitivity):
        assert found is not None
        assert (found.slices, found.runs) == (24, 5)
    assert card.unfamiliar is not None
    assert "left: failures\n" in capsys.readouterr().out
    assert written(tmp_path) == before


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--rotation=1", "does not go with --everybody"),
        ("--checkpoint=best", "takes the last checkpoints"),
        ("--until=calibrate", "With --everybody the steps are cache, rotation-0"),
    ],
)
def test_what_does_not_go_with_everybody_is_refused(
    data: Path, tmp_path: Path, option: str, reason: str
) -> None:
    with pytest.raises(TrainingError, match=reason):
        pipeline.main(command(data, tmp_path, "--everybody", option))


def test_it_goes_on_from_any_step_in_which_the_time_was_up(
    data: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cache_writer, "CHUNK_SLICES", 40)
    plan = plan_of(data, tmp_path)
    cache, train = STEPS[0], STEPS[1]

    cache.do(UpAfterOneChunk(**vars(plan)))
    assert [path.name for path in (tmp_path / "cache" / "parts").iterdir()] == ["00000.parquet"]
    assert cache.left(plan) == "not filled"
    cache.do(plan)
    train.do(out_of_time(plan))
    assert train.left(plan) == "0 of 2 epochs and 1 steps done"
    pipeline.main(command(data, tmp_path, "--minutes=0"))
    shown = capsys.readouterr().out
    pipeline.main(command(data, tmp_path, "--until=train"))

    assert "done: cache\nthe time is up at train (0 of 2 epochs and 1 steps done)\n" in shown
    left = f"train, series-head, calibrate, evaluate, {LAST}"
    assert f"left: {left}\nrun the same" in shown
    assert same_weights(tmp_path / "run", finished / "run")


def test_what_stands_on_other_weights_is_done_again(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    work = Path(shutil.copytree(finished, tmp_path / "work"))
    plan = plan_of(data, work, "--version=1.2.3")
    content = load_checkpoint(work / "run" / "last.pt")
    content["average"]["head.bias"] += 0.1
    torch.save(content, work / "run" / "last.pt")

    left = [step.name for step in STEPS if step.left(plan)]

    assert left == ["series-head", "calibrate", "evaluate"]


def test_the_artefact_is_written_again_for_another_version(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    work = Path(shutil.copytree(finished, tmp_path / "work"))

    pipeline.main(command(data, work, "--version=1.2.4", "--until=export"))

    assert load_card(work / "weights" / "falx.json").version == "1.2.4"
    assert len(json.loads((work / "run" / "evaluation.json").read_text())["evaluations"]) == 1


# ---------------------------------------------------------------------------- on another machine


def test_training_from_a_pack_comes_home_and_is_finished_on_the_originals(
    data: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pack(finished / "cache", tmp_path / "cache.pack")
    away, home = tmp_path / "away", tmp_path / "home"
    options = [f"--packed={tmp_path / 'cache.pack'}", f"--work={away}", *SMALL]
    pipeline.main(options)
    shown = capsys.readouterr().out
    carried = tmp_path / "carried"
    pieces.main([f"--split={away / 'run' / 'last.pt'}", f"--to={carried}", "--compact"])
    shutil.copytree(finished / "cache", home / "cache")

    pieces.main([f"--join={carried}", f"--to={home / 'run' / 'last.pt'}"])
    shutil.rmtree(away)
    pipeline.main(command(data, home, "--until=calibrate"))

    left = f"series-head, calibrate, evaluate, {LAST}"
    assert f"done: cache, train\nleft: {left}" in shown
    content = load_checkpoint(home / "run" / "last.pt")
    assert content["caches"] == [{"folder": str(home / "cache"), "weight": 1.0}]
    assert (home / "run" / "calibration.json").exists()


def test_a_run_on_other_patients_is_not_taken_for_this_one(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    other = write_ct_ich(tmp_path / "other", patients=20, slices=2)
    shutil.copytree(finished / "run", tmp_path / "work" / "run")

    with pytest.raises(TrainingError, match=r"run/last\.pt was trained on other patients than"):
        pipeline.main(command(other, tmp_path / "work"))


# --------------------------------------------------------------------------------- what is wrong


def test_a_folder_that_is_no_known_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"is neither CT-ICH .* nor RSNA 2019"):
        pipeline.main(command(tmp_path, tmp_path / "work"))


def test_a_cache_of_another_size_is_not_used(data: Path, finished: Path) -> None:
    with pytest.raises(TrainingError, match=r"/cache is of .* with 32 pixels, asked for are .* 48"):
        pipeline.main(command(data, finished, "--cache-size=48"))


def test_another_recipe_is_another_run(data: Path, finished: Path) -> None:
    with pytest.raises(TrainingError, match=r"recipe\.epochs is 2 there, 3 here"):
        pipeline.main(command(data, finished, "--epochs=3"))


def test_several_processes_are_for_training_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(TrainingError, match=r"Several processes share only the training: start"):
        pipeline.main(command(data, tmp_path))


def test_the_run_lies_in_the_work_folder(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--run is not for this command"):
        pipeline.main(command(data, tmp_path, "--run=x"))


def test_data_must_come_from_somewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        pipeline.main([f"--work={tmp_path}"])

    assert "one of --root, --packed and --cache is needed" in capsys.readouterr().err


def test_caches_that_are_there_already_can_be_given(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = finished / "cache"
    pipeline.main([f"--cache={cache}", f"--work={tmp_path}", *SMALL, "--until=train"])

    assert load_checkpoint(tmp_path / "run" / "last.pt")["caches"][0]["folder"] == str(cache)
    assert "done: cache, train" in capsys.readouterr().out
    assert same_weights(tmp_path / "run", finished / "run")


def test_a_network_without_a_middle_is_exported_without_what_is_familiar(
    data: Path, finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished / "cache", tmp_path / "cache")
    network = ["--architecture=test_vit", "--size=64", "--epochs=1"]

    pipeline.main([*command(data, tmp_path, "--until=export"), *network])

    assert load_card(tmp_path / "weights" / "falx.json").unfamiliar is None
    plan = plan_of(data, tmp_path, *network)
    assert [step.name for step in STEPS if step.left(plan)] == ["failures"]
