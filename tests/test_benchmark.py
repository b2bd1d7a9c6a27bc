"""One command trains several networks under one budget and sets them beside published ones."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from cache_factory import write_cache
from model import benchmark
from model.benchmark import ENTRIES, Entry, chosen, figures
from model.errors import TrainingError
from model.evaluation.benchmark_report import NOT_COMPARABLE, PUBLISHED_FOR, write_tables
from model.evaluation.bootstrap import Rows
from model.evaluation.cost import cost_in_child, measure_cost
from model.network import NetworkSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a benchmark of two networks and one that cannot be built leaves."""
    root = tmp_path_factory.mktemp("benchmark")
    write_cache(root / "cache", patients=20, slices=4)
    benchmark.main(command(root))
    return root / "to"


def command(root: Path) -> list[str]:
    networks = ["--models", "test_resnet", "no_such_network", "test_efficientnet:48"]
    budget = ["--slices=16", "--epochs=2", "--draws=50", "--device=cpu"]
    options = ["--batch-size=4", "--learning-rate=0.001"]
    return [f"--cache={root / 'cache'}", f"--to={root / 'to'}", *networks, *budget, *options]


def test_the_table_holds_each_network_with_its_figures_and_its_cost(folder: Path) -> None:
    with (folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert [(row["architecture"], row["size"]) for row in rows] == [
        ("test_resnet", "256"),
        ("test_efficientnet", "48"),
    ]
    for row in rows:
        assert 0 < float(row["weighted_log_loss"]) < 2
        assert float(row["gflop"]) > 0
        assert float(row["ms_a_slice"]) > 0
        assert float(row["memory_mb"]) > 50
        assert row["slices"] == "16"
        assert row["published_log_loss"] == ""


def test_a_network_that_fails_is_named_and_stops_no_other(folder: Path) -> None:
    text = (folder / "table.md").read_text()

    assert "no_such_network-256 is not in the table: The network no_such_network is unknown" in text


def test_the_report_says_that_published_numbers_are_not_comparable(folder: Path) -> None:
    for name in ("table.md", "report.html"):
        text = (folder / name).read_text()
        assert NOT_COMPARABLE in text
        assert "1st place, ensemble" in text
        assert "0.04383" in text


def test_what_was_measured_is_not_measured_again(folder: Path) -> None:
    measured = [folder / name / "benchmark.json" for name in ("test_resnet-256",)]
    before = [path.stat().st_mtime_ns for path in measured]
    (folder / "table.md").unlink()

    benchmark.main(command(folder.parent))

    assert [path.stat().st_mtime_ns for path in measured] == before
    assert (folder / "table.md").exists()


def test_another_budget_does_not_pass_for_this_one(folder: Path) -> None:
    arguments = [
        argument.replace("--slices=16", "--slices=20") for argument in command(folder.parent)
    ]

    with pytest.raises(TrainingError, match=r"recipe\.slices_per_epoch is 8 there, 10 here"):
        benchmark.main(arguments)


def test_minutes_become_slices_once(folder: Path, tmp_path: Path) -> None:
    arguments = [f"--cache={folder.parent / 'cache'}", f"--to={tmp_path}", "--minutes=0.01"]
    options, common = benchmark.parse_arguments(
        [*arguments, "--epochs=1", "--device=cpu", "--batch-size=4"]
    )
    entry = Entry("test_resnet", 32)

    first, second = (benchmark.slices_for(entry, options, common) for _ in range(2))

    settled = json.loads((tmp_path / "test_resnet-32" / "budget.json").read_text())
    assert first == second == settled["slices"] >= 1
    assert first == pytest.approx(0.6 * settled["slices_per_second"], abs=1)


def test_the_proposals_six_and_ours_are_compared_by_default() -> None:
    entries = chosen(None, None)

    published = [Entry(name, size) for name, (size, _) in PUBLISHED_FOR.items()]
    assert entries[:6] == published
    assert entries[6] == Entry("resnext50_32x4d", 256)
    assert chosen(None, 64) == [Entry(entry.architecture, 64) for entry in ENTRIES]
    assert chosen(["vgg19", "resnet18:96"], None) == [Entry("vgg19", 224), Entry("resnet18", 96)]


def test_a_size_that_is_no_number_is_named() -> None:
    with pytest.raises(TrainingError, match=r"--models vgg19:big: the size after the colon"):
        chosen(["vgg19:big"], None)


def test_the_published_numbers_are_the_proposals() -> None:
    losses = [loss for _, loss in PUBLISHED_FOR.values()]
    assert losses == [0.086, 0.077, 0.073, 0.073, 0.089, 0.079]


def test_a_published_network_stands_beside_its_number(tmp_path: Path) -> None:
    estimate = {"value": 0.5, "interval": [0.4, 0.6], "reason": None}
    result = {
        "architecture": "vgg19",
        "size": 224,
        "asked": {"slices": 10},
        **dict.fromkeys(("weighted_log_loss", "auc_any", "auc_macro"), estimate),
        "test_slices": 5,
        "test_patients": 2,
        "training_minutes": 1.0,
        "gflop": 39.0,
        "parameters_million": 20.0,
        "ms_a_slice": 9.0,
        "memory_mb": 900.0,
    }

    write_tables(tmp_path, [result], {}, "10 slices of training")

    (row,) = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert row["published_log_loss"] == "0.073"
    assert "project proposal" in row["published_source"]
    assert "| vgg19 | 224 | 0.5000 (0.400–0.600) |" in (tmp_path / "table.md").read_text()


def test_the_macro_auc_is_the_mean_of_the_labels_that_occur() -> None:
    targets = np.zeros((4, 6), np.int64)
    targets[:2, 0] = targets[0, 1] = 1
    scores = np.zeros((4, 6))
    scores[:, 0] = [4, 3, 2, 1]
    scores[:, 1] = [1, 2, 0, 0]

    found = figures(Rows(targets, scores, np.arange(4)), draws=10)

    assert found["auc_any"]["value"] == 1
    assert found["auc_macro"]["value"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)


def test_the_memory_of_a_network_is_not_that_of_who_asks() -> None:
    held = np.ones(2**27)

    cost = cost_in_child(NetworkSpec("test_resnet", 32))

    assert 100 < cost.memory_mb < held.nbytes / 2**20


def test_a_network_whose_cost_cannot_be_measured_is_named() -> None:
    with pytest.raises(TrainingError, match=r"The cost of no_such .*: falx: The network no_such"):
        cost_in_child(NetworkSpec("no_such", 32))


def test_the_cost_counts_a_multiply_and_an_add_as_two() -> None:
    cost = measure_cost(NetworkSpec("resnet18", 224))

    # He et al. 2015 (arXiv 1512.03385), table 1: 1.8e9 multiply-adds, with the classifier.
    assert cost.gflop == pytest.approx(2 * 1.82, rel=0.02)
    assert cost.parameters_million == pytest.approx(11.2, abs=0.1)
