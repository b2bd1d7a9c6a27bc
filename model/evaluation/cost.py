"""What a network costs to serve.

``python -m model.evaluation.cost --architecture resnet50 --size 256``
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from model.errors import TrainingError
from model.network import HemorrhageNetwork, NetworkSpec
from model.system.memory import peak_resident_mb

CONVENTION: Final = "a multiply and an add count as two operations"

_ROOT: Final = Path(__file__).resolve().parents[2]
_FIELD: Final = 512
_SLICES: Final = 4
_TIMES: Final = 3


@dataclass(frozen=True)
class Cost:
    """Of serving one slice of 512 x 512 pixels on this machine's CPU.

    Parameters
    ----------
    gflop
        Thousand million operations of convolutions and matrix products; a multiply and an add
        count as two.
    parameters_million
        Weights, without the series head.
    ms_a_slice
        Wall-clock time, from Hounsfield units to logits and heat map, the best of three.
    memory_mb
        Most memory resident in a process that does nothing else, Python and torch included.
    """

    gflop: float
    parameters_million: float
    ms_a_slice: float
    memory_mb: float


def measure_cost(spec: NetworkSpec) -> Cost:
    """Measure in this process; memory means something only where it is a fresh one."""
    network = HemorrhageNetwork(spec).eval()
    hu = torch.zeros(_SLICES, spec.slices_per_input, _FIELD, _FIELD, dtype=torch.int16)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            network.encode(hu[:1])
        seconds = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            network.encode(hu)
            seconds.append(time.perf_counter() - began)
    weights = sum(parameter.numel() for parameter in network.parameters())
    return Cost(
        gflop=counter.get_total_flops() / 1e9,
        parameters_million=weights / 1e6,
        ms_a_slice=1000 * min(seconds) / _SLICES,
        memory_mb=peak_resident_mb(),
    )


def cost_in_child(spec: NetworkSpec) -> Cost:
    """Measure in a process of its own.

    Raises
    ------
    TrainingError
        It failed, as for want of memory.
    """
    command = [sys.executable, "-m", "model.evaluation.cost", f"--architecture={spec.architecture}"]
    command += [f"--size={spec.input_size}", f"--slices-per-input={spec.slices_per_input}"]
    finished = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        reason = finished.stderr.strip().splitlines()[-1:] or [f"ended by {finished.returncode}"]
        raise TrainingError(f"The cost of {spec.architecture} cannot be measured: {reason[0]}")
    return Cost(**json.loads(finished.stdout))


def main(arguments: list[str] | None = None) -> None:
    """Print the cost as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", required=True, help="any that timm knows")
    parser.add_argument("--size", type=int, default=256, help="of the network's input (256)")
    parser.add_argument("--slices-per-input", type=int, default=1, help="1 or 3 (1)")
    options = parser.parse_args(arguments)
    cost = measure_cost(NetworkSpec(options.architecture, options.size, options.slices_per_input))
    sys.stdout.write(json.dumps(asdict(cost)) + "\n")


if __name__ == "__main__":
    from model.system.command import run

    run(main)
