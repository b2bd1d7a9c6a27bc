"""Recipes are trained in cross-validation, judged on what they never saw, and compared."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cache_factory import write_cache
from model import train
from model.data.cached import open_cache
from model.errors import TrainingError
from model.experiments import __main__ as experiments
from model.experiments.__main__ import (
    measured,
    parse_arguments,
    run_folder,
    table_of,
    training_command,
)
from model.experiments.figures import COLUMNS, LOGITS, figures_of, gain
from model.experiments.judging import judge_run
from model.experiments.plan import PLAN as OWN_PLAN
from model.experiments.plan import read_plan
from model.labels import LABELS

PLAN = """
[common]
options = "--architecture=test_resnet --size=32 --epochs=1 --slices-per-epoch=16 --device=cpu"

[experiment.first]
question = "As it is."
options = ""

[experiment.second]
question = "On from the first."
options = "--pretrained={to}/first/rotation-{rotation}/last.pt"
against = "first"

[experiment.banked]
question = "With a bank."
extends = "second"
options = "--simulate=0.5 --bank={bank}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache, a plan, and two experiments.

    The first is done by the command, in two rotations; the second, of one, by its parts and in this
    process, because every other one takes seconds to start.
    """
    folder = tmp_path_factory.mktemp("experiments")
    write_cache(folder / "cache", patients=20)
    write_cache(folder / "negative", patients=2, name="negative")
    (folder / "plan.toml").write_text(PLAN)
    experiments.main(["first", *common(folder), "--rotations", "0", "1", "--processes=1"])
    options = parse_arguments(["second", *common(folder), "--rotations=1"])
    second = read_plan(options.plan)[1]
    train.main(training_command(second, 1, options)[3:])
    judgement = judge_run(run_folder(options, second, 1), None, options.negative)
    measured(second, options, [judgement])
    return folder


def common(folder: Path) -> list[str]:
    where = [f"--cache={folder / 'cache'}", f"--to={folder / 'to'}"]
    return [
        *where,
        f"--plan={folder / 'plan.toml'}",
        f"--negative={folder / 'negative'}",
        "--draws=20",
    ]


def judged_rows(scores: list[float], bleeds: list[int]) -> pd.DataFrame:
    """Slices of a patient each, every label alike."""
    names = [f"p{number}" for number in range(len(bleeds))]
    rows = pd.DataFrame(dict.fromkeys(("name", "patient", "study"), names))
    return rows.assign(**dict.fromkeys(LABELS, bleeds), **dict.fromkeys(LOGITS, scores))


def test_every_test_patient_of_the_rotations_is_judged_once(folder: Path) -> None:
    judged = pd.read_parquet(folder / "to" / "first" / "judged.parquet")
    parts = [
        json.loads((folder / "to" / "first" / f"rotation-{r}" / "run.json").read_text())["parts"]
        for r in (0, 1)
    ]

    held_out = [patient for one in parts for patient in one["test"]]

    frame = open_cache(folder / "cache").frame
    assert sorted(judged["name"]) == sorted(frame.loc[frame["patient"].isin(held_out), "name"])
    assert tuple(judged.columns) == COLUMNS


def test_the_result_says_what_was_asked_and_found(folder: Path) -> None:
    result = json.loads((folder / "to" / "second" / "experiment.json").read_text())
    table = table_of(read_plan(folder / "plan.toml"), folder / "to").splitlines()

    assert result["question"] == "On from the first."
    assert result["against"] == "first"
    assert len(result["gain"]["interval"]) == 2
    assert 0 < result["negative"] < 1
    assert result["minutes"] > 0
    assert result["seeds"] == [0]
    assert re.fullmatch(r"[0-9a-f]{7,}\+?|", result["code"])
    named = [line.split("|")[1].strip() for line in table if line.startswith("|")]
    assert named == ["experiment", "---", "first", "second"] * 2
    assert "| second |" not in (folder / "to" / "table.md").read_text()
    assert "| first |" in (folder / "to" / "table.md").read_text()


def test_a_second_call_trains_nothing_again(folder: Path) -> None:
    checkpoint = folder / "to" / "first" / "rotation-0" / "last.pt"
    before = checkpoint.stat().st_mtime_ns

    options = parse_arguments(["first", *common(folder)])
    train.main(training_command(read_plan(options.plan)[0], 0, options)[3:])

    assert checkpoint.stat().st_mtime_ns == before


def test_what_a_recipe_needs_is_asked_for(folder: Path) -> None:
    options = parse_arguments(["banked", *common(folder)])
    banked = read_plan(folder / "plan.toml")[2]

    with pytest.raises(TrainingError, match="banked needs --bank"):
        training_command(banked, 0, options)
    with pytest.raises(TrainingError, match="no experiment third"):
        experiments.main(["third", *common(folder)])


def test_a_recipe_extends_the_options_of_one_above(folder: Path, tmp_path: Path) -> None:
    first, second, banked = read_plan(folder / "plan.toml")
    assert second.options[: len(first.options)] == first.options
    assert banked.options == (*second.options, "--simulate=0.5", "--bank={bank}")

    upside_down = tmp_path / "plan.toml"
    upside_down.write_text(PLAN.replace('extends = "second"', 'extends = "later"'))
    with pytest.raises(TrainingError, match="cannot be read: KeyError\\('later'\\)"):
        read_plan(upside_down)


def test_a_failed_training_says_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It fails at once where there is no program: one that fails later takes seconds to start.
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    with pytest.raises(TrainingError, match=r"first, rotation 0: .*No module named 'model'"):
        experiments.main(["first", *common(folder), f"--to={tmp_path}", "--rotations=0"])


def test_figures_are_those_of_the_logits() -> None:
    judged = judged_rows([-2, -1, 3, 4, -3, 2.5, -2.5], [0, 1, 1, 1, 0, 0, 0])

    found = figures_of(judged, draws=20)

    assert found["auc"]["any"]["value"] == pytest.approx(11 / 12, abs=1e-4)
    assert found["auc_study"]["value"] == found["auc"]["any"]["value"]
    probability = 1 / (1 + np.exp(-judged[LOGITS[0]]))
    loss = -np.log(np.where(judged["any"] == 1, probability, 1 - probability)).mean()
    assert found["weighted_log_loss"]["value"] == pytest.approx(loss, abs=1e-4)


def test_a_gain_is_measured_on_slices_that_both_judged() -> None:
    bleeds = [0, 1, 1, 0, 1, 0, 0, 1, 0, 1]
    worse = judged_rows([0, 1, 0, 1, 1, 0, 1, 1, 0, 0], bleeds)
    better = judged_rows([0, 1, 1, 0, 1, 0, 0, 1, 0, 0], bleeds)[1:]

    found = gain(worse, better, draws=50)

    assert found is not None
    assert found["value"] > 0
    assert found["interval"][0] <= found["value"] <= found["interval"][1]
    assert gain(worse, better[:0], draws=50) is None


def test_the_plan_of_the_project_can_be_read() -> None:
    plan = read_plan(OWN_PLAN)
    names = [experiment.name for experiment in plan]

    assert len(set(names)) == len(names)
    assert {experiment.against for experiment in plan} <= {"", *names}
    for experiment in plan:
        command = training_command(
            experiment, 0, parse_arguments(["--cache=c", "--to=t", "--bank=b"])
        )
        from model.train import parse_arguments as of_train
        from model.training.recipe import recipe_from

        recipe_from(of_train(command[3:]))
