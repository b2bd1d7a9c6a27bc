"""What a model card says of a run: put together from what the run itself recorded."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from model.architecture.series_head import describe
from model.artifact import BLOOD_MAP, CLASS_ACTIVATION_MAP, window_facts
from model.exporting.card_limits import limits_of
from model.exporting.provenance import training_facts
from model.labels import LABELS
from model.network import HemorrhageNetwork
from model.notice import NOTICE
from model.training.trained import Trained

INTENDED_USE: Final = (
    "Research on ordering a worklist of non-contrast head CT by the probability of intracranial "
    "hemorrhage, with a radiologist reading every study."
)
NO_SERIES_HEAD: Final = "none: each slice is judged alone"

_NO_SHIFT: Final = 0.01
"""Log-odds that left-out slices alone may make."""


def build_card(
    trained: Trained,
    calibration: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    *,
    version: str,
    series_head: Mapping[str, Any] | None,
    robustness: Mapping[str, Any] | None,
    localisation: Mapping[str, Any] | None,
    sensitivity: Mapping[str, Any] | None,
    unfamiliar: Mapping[str, Any] | None,
    note: str,
) -> dict[str, Any]:
    """Put a card together, all but the SHA-256 of the file that is yet to be written.

    Parameters
    ----------
    trained
        The run's network, as it was calibrated and measured.
    calibration, evaluation
        What `model.calibrate` and `model.evaluate` wrote.
    version
        Of the weights.
    series_head
        The figures of its fitting, where there is one.
    robustness
        What `model.robustness` found, where it was measured.
    localisation
        What `model.localise` found, where it was measured.
    sensitivity
        What `model.sensitivity` found, where it was measured.
    unfamiliar
        What `model.fit_familiarity` found, where it was fitted.
    note
        What else should be said of the run; may be empty.
    """
    return {
        "name": "Falx",
        "version": version,
        "created": datetime.now(UTC).date().isoformat(),
        "sha256": "",
        **_network_facts(trained.network, series_head),
        **_calibration_facts(trained, calibration, evaluation),
        "training": training_facts(trained, calibration, evaluation, note),
        "metrics": evaluation["metrics"],
        "intended_use": INTENDED_USE,
        "disclaimer": NOTICE,
        "limits": limits_of(trained, calibration, evaluation),
        "robustness": robustness,
        "localisation": localisation,
        "sensitivity": sensitivity,
        "unfamiliar": unfamiliar,
    }


def _network_facts(
    network: HemorrhageNetwork, series_head: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "architecture": network.spec.architecture,
        "members": network.spec.members,
        "slices_per_input": network.slices_per_input,
        "pooling": network.spec.pooling,
        "series_head": describe(series_head) if series_head else NO_SERIES_HEAD,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "labels": list(LABELS),
        "windows": window_facts(),
        "heat": CLASS_ACTIVATION_MAP if network.blood_map is None else BLOOD_MAP,
        "input_size": network.spec.input_size,
    }


def _calibration_facts(
    trained: Trained, calibration: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> dict[str, Any]:
    test, wishes = evaluation["parts"]["test"], calibration["wishes"]
    crossed = "runs" in evaluation
    chosen_on, measured_on = (
        ("cross-validated", "patients, by cross-validation,")
        if crossed
        else ("calibration", "test patients")
    )
    return {
        "calibration": calibration["temperature"],
        "calibration_method": _calibration_method(trained.content["prior_shift"], offset=crossed),
        "thresholds": evaluation["thresholds"],
        "thresholds_chosen": f"on the {chosen_on} patients' studies, each by its highest slice: "
        f"screen at sensitivity {wishes['screen_sensitivity']:g}, alert at specificity "
        f"{wishes['alert_specificity']:g}",
        "thresholds_measured_on": f"{test['patients']} {measured_on} ({test['slices']} slices) of "
        + " and ".join(cached.facts.title for cached in trained.sets),
    }


def _calibration_method(prior_shift: Sequence[float], *, offset: bool) -> str:
    fitted = "one offset and temperature a label" if offset else "one temperature a label"
    steps = [fitted, "any >= every subtype"]
    if max(map(abs, prior_shift)) > _NO_SHIFT:
        steps.insert(0, "exact correction of the head's bias for the share of positives drawn")
    return ", then ".join(steps)
