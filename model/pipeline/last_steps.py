"""The steps from a measured run to what lies beside its artefact, of every run alike."""

import hashlib
import json
from typing import Final

from model import (
    evaluate,
    export,
    find_failures,
    fit_familiarity,
    localise,
    robustness,
    sensitivity,
)
from model.artifact import CARD_NAME, NETWORK_NAME, load_card
from model.data.simulate.store import build_store, is_built, list_store
from model.errors import TrainingError
from model.failure import read_failures
from model.pipeline.plan import Plan, Step
from model.results import (
    LOCALISATION,
    ROBUSTNESS,
    SENSITIVITY,
    UNFAMILIAR,
    Result,
    read_result,
)
from model.training.trained import Trained, load_trained


def result_left(plan: Plan, result: Result) -> str:
    """Whether what is calibrated has a result."""
    try:
        found = read_result(plan.run, result, evaluate.read_calibration(plan.run))
    except TrainingError:
        return "of other weights"
    return "" if found else "not measured"


def robustness_left(plan: Plan) -> str:
    """Whether what is calibrated was tried under disturbances."""
    return result_left(plan, ROBUSTNESS)


def do_robustness(plan: Plan) -> None:
    """Try how steady the probabilities of the test patients are."""
    robustness.main(plan.measuring)


# ------------------------------------------------------------------------------ simulated bleeding


def _lends_slices(trained: Trained) -> bool:
    """Whether some test patients (of the rotations, where nobody is left out) lend slices.

    Before the anatomy of a cache is known they may.
    """
    cached, parts = trained.sets[0], trained.content["parts"]
    return not is_built(cached) or len(list_store(cached, {*(parts["test"] or parts["train"])})) > 0


def localisation_left(plan: Plan) -> str:
    """Whether the blood maps of calibrated weights were held against simulated blood.

    A bank holds single slices: a network that looks at several is not measured.
    """
    trained = load_trained(plan.run, plan.checkpoint)
    mapping = trained.network.blood_map is not None and trained.network.slices_per_input == 1
    return result_left(plan, LOCALISATION) if mapping and _lends_slices(trained) else ""


def do_localisation(plan: Plan) -> None:
    """Show the network simulated slices of the test patients."""
    if _find_hosts(plan):
        localise.main([*plan.showing, f"--checkpoint={plan.checkpoint}"])


def sensitivity_left(plan: Plan) -> str:
    """Whether it was measured how large bleeding must be, where single slices can be judged."""
    trained = load_trained(plan.run, plan.checkpoint)
    possible = trained.network.slices_per_input == 1 and _lends_slices(trained)
    return result_left(plan, SENSITIVITY) if possible else ""


def do_sensitivity(plan: Plan) -> None:
    """Have simulated slices of the test patients judged."""
    if _find_hosts(plan):
        sensitivity.main(plan.showing)


def _find_hosts(plan: Plan) -> bool:
    """Find the anatomy of the patients without hemorrhage, and whether any lends slices."""
    trained = load_trained(plan.run, plan.checkpoint)
    if not is_built(trained.sets[0]):
        build_store(trained.sets[0].folder, plan.workers or 1)
    return _lends_slices(trained)


# ------------------------------------------------------------------------- familiarity and artefact


def familiarity_left(plan: Plan) -> str:
    """Whether what is familiar was fitted to the calibrated weights, where that is possible."""
    possible = load_trained(plan.run, plan.checkpoint).network.encoder.has_pyramid()
    return result_left(plan, UNFAMILIAR) if possible else ""


def do_familiarity(plan: Plan) -> None:
    """Fit what is familiar, and choose from where on a series is not."""
    fit_familiarity.main(plan.measuring)


def export_left(plan: Plan) -> str:
    """Whether the artefact is there, whole, and its card tells what was measured."""
    try:
        card = json.loads((plan.weights / CARD_NAME).read_text())
        digest = hashlib.sha256((plan.weights / NETWORK_NAME).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return "not written"
    measured = json.loads((plan.run / evaluate.EVALUATION_FILE).read_text())
    calibration = evaluate.read_calibration(plan.run)
    wanted = {
        "sha256": digest,
        "version": plan.version,
        "metrics": measured["metrics"],
        "robustness": read_result(plan.run, ROBUSTNESS, calibration),
        "localisation": read_result(plan.run, LOCALISATION, calibration),
        "sensitivity": read_result(plan.run, SENSITIVITY, calibration),
        "unfamiliar": read_result(plan.run, UNFAMILIAR, calibration),
    }
    told = {name: card.get(name) for name in wanted}
    same = told == wanted and card["training"]["note"] == plan.note
    return "" if same else "of another run, version or note"


def do_export(plan: Plan) -> None:
    """Write the artefact and its card."""
    export.main(
        [
            f"--run={plan.run}",
            f"--to={plan.weights}",
            f"--version={plan.version}",
            f"--note={plan.note}",
        ]
    )


def failures_left(plan: Plan) -> str:
    """Whether it is known what the artefact judges wrongly among synthetic heads."""
    sha256 = load_card(plan.weights / CARD_NAME).sha256
    return "" if read_failures(plan.weights, sha256) else "not looked for"


def do_failures(plan: Plan) -> None:
    """Look for them, and lay them beside the artefact."""
    heads = [] if plan.heads is None else [f"--heads={plan.heads}"]
    find_failures.main([f"--model={plan.weights}", *heads])


LAST_STEPS: Final = (
    Step("robustness", robustness_left, do_robustness),
    Step("localisation", localisation_left, do_localisation),
    Step("sensitivity", sensitivity_left, do_sensitivity),
    Step("familiarity", familiarity_left, do_familiarity),
    Step("export", export_left, do_export),
    Step("failures", failures_left, do_failures),
)
"""Of every run that is calibrated and measured."""
