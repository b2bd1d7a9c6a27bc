"""The benchmark, `make bench`: what each stage takes and costs, side by side in one run."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests
import torch
from numpy.typing import NDArray

from app.config import PROJECT_ROOT
from app.render import window_png
from bench_reading import reading_lines
from bench_simulate import simulating_lines
from bench_viewer import viewer_lines
from bench_worklist import worklist_lines
from live_clinic import LiveClinic, live_clinic, token_of, wait_until
from model.artifact import BLOOD_MAP, load_card, load_network
from model.dicom.slice_reader import CTHeader, ReadLimits, read_header, read_pixels
from model.network import HemorrhageNetwork, NetworkSpec
from model.predictor import Predictor, load_predictor
from model.windowing import MODEL_WINDOWS, grey_lookup

SERIES = PROJECT_ROOT.parent / "shared" / "data" / "ge-head"
WEIGHTS = PROJECT_ROOT / "model" / "weights"
REPEATS = 3
BATCH = 8


@dataclass(frozen=True)
class Line:
    """One figure of the report, and the aim it has, if any."""

    name: str
    value: str
    aim: str = ""


def main() -> None:
    """Measure on the GE head of 28 slices and print the table."""
    files = sorted(SERIES.glob("*.dcm"))
    if not files:
        sys.exit("falx bench: the real head CT (shared/data/ge-head) is not beside the project")
    others = [Line(*one) for one in (*worklist_lines(), *reading_lines(), *simulating_lines())]
    viewing = [Line(*one) for one in viewer_lines(files)]
    lines = [*service_lines(files), *viewing, *stage_lines(files), *others]
    for line in lines:
        print(f"{line.name:<52}{line.value:>14}   {line.aim}")


# --------------------------------------------------------------- the installation, over HTTP


def service_lines(files: list[Path]) -> list[Line]:
    """Seconds until stored and until all probabilities, memory, and the review page."""
    with tempfile.TemporaryDirectory() as folder, live_clinic(Path(folder)) as clinic:
        session = clinic.log_in()
        wait_until(lambda: not clinic.is_busy(session), 300, "the demo study is analysed")
        started = time.perf_counter()
        study = upload(clinic, session, files)
        stored = time.perf_counter() - started
        wait_until(lambda: analysed(clinic, session, study), 300, "the series is analysed")
        finished = time.perf_counter() - started
        page = median_ms(lambda: session.get(f"{clinic.address}/studies/{study}", timeout=30), 20)
        memory = resident_mib(clinic)
    return [
        Line(f"{len(files)} slices over HTTP: stored after", f"{stored:.2f} s"),
        Line(f"{len(files)} slices over HTTP: all probabilities after", f"{finished:.2f} s"),
        Line("review page, from request to last byte", f"{page:.0f} ms", "aim: under 50 ms"),
        Line("resident memory, web", f"{memory['gunicorn']:.0f} MiB", "aim: under 150 MB"),
        Line("resident memory, worker", f"{memory['worker']:.0f} MiB", "aim: under 900 MB"),
    ]


def upload(clinic: LiveClinic, session: requests.Session, files: list[Path]) -> str:
    """Send the files as the form does; the id of the study they became."""
    token = token_of(session.get(f"{clinic.address}/upload", timeout=30))
    answer = session.post(
        f"{clinic.address}/upload",
        data={"csrf_token": token},
        files=[("files", (path.name, path.read_bytes())) for path in files],
        timeout=300,
    )
    answer.raise_for_status()
    return answer.text.split("/studies/")[1].split("?")[0]


def analysed(clinic: LiveClinic, session: requests.Session, study: str) -> bool:
    """Whether the study's first series is done."""
    answer = session.get(f"{clinic.address}/api/studies/{study}", timeout=30).json()
    return bool(answer["series"][0]["job"]["state"] == "done")


def resident_mib(clinic: LiveClinic) -> dict[str, float]:
    """Resident memory of the serving process and of the worker."""
    found = {}
    for kind, pid in clinic.processes().items():
        status = Path(f"/proc/{pid}/status").read_text()
        found[kind] = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return found


# ------------------------------------------------------------------ the stages, in this process


def stage_lines(files: list[Path]) -> list[Line]:
    """Milliseconds a slice in each stage, and the network against plain eager PyTorch."""
    contents = [(path.read_bytes(), path.name) for path in files]
    headers: list[CTHeader] = [read_header(data, name, ReadLimits()) for data, name in contents]
    hu = [read_pixels(header).hu for header in headers]
    per_slice = {
        "parse": lambda: [read_header(data, name, ReadLimits()) for data, name in contents],
        "decode to HU": lambda: [read_pixels(header) for header in headers],
        "window (three, by table)": lambda: [window_all(one) for one in hu],
        "PNG (three windows)": lambda: [
            window_png(one, window) for one in hu for window in MODEL_WINDOWS
        ],
    }
    ms = {name: median_ms(stage, REPEATS) / len(hu) for name, stage in per_slice.items()}
    predictor = load_predictor(WEIGHTS, "cpu")
    served, eager = network_ms(predictor, np.stack(hu))
    reading = ms["parse"] + ms["decode to HU"]
    beside = reading + ms["PNG (three windows)"]
    return [
        *(Line(f"{name}, a slice", f"{value:.1f} ms") for name, value in ms.items()),
        Line("network in service, a slice", f"{served:.1f} ms"),
        Line("network in plain eager PyTorch, a slice", f"{eager:.1f} ms"),
        Line("eager / in service", f"{eager / served:.2f}", "aim: 1.4 or more"),
        Line("parse and decode / network", f"{reading / served:.2f}", "aim: 0.20 or less"),
        Line(
            "the same with three PNGs / network", f"{beside / served:.2f}", "drawn when looked at"
        ),
    ]


def window_all(hu: NDArray[np.int16]) -> list[NDArray[np.uint8]]:
    """The slice in the three model windows, without the PNG encoding."""
    return [grey_lookup(window).take(hu.view(np.uint16)) for window in MODEL_WINDOWS]


def network_ms(predictor: Predictor, hu: NDArray[np.int16]) -> tuple[float, float]:
    """Milliseconds a slice of the predictor, and of the same network in eager PyTorch.

    The two take turns, so that a busy machine slows both.
    """
    eager_network = eager_twin()
    z_mm = np.arange(len(hu), dtype=np.float32)

    def run_eager() -> None:
        with torch.inference_mode():
            for start in range(0, len(hu), BATCH):
                part = torch.from_numpy(hu[start : start + BATCH])
                eager_network(part, torch.from_numpy(z_mm[start : start + BATCH]))

    def run_served() -> None:
        predictor.predict(list(hu), z_mm, on_progress=lambda _done: None)

    served, eager = [], []
    for _ in range(REPEATS):
        served.append(median_ms(run_served, 1) / len(hu))
        eager.append(median_ms(run_eager, 1) / len(hu))
    return min(served), min(eager)


def eager_twin() -> HemorrhageNetwork:
    """The network of the artefact, its weights in float32, as Python executes it."""
    card = load_card(WEIGHTS / "falx.json")
    state = load_network(WEIGHTS / "falx.pt", card, "cpu").state_dict()
    spec = NetworkSpec(
        card.architecture,
        card.input_size,
        card.slices_per_input,
        card.pooling,
        blood_map=card.heat == BLOOD_MAP,
        members=card.members,
    )
    network = HemorrhageNetwork(spec)
    # Without the head over the series, if there is one: a hundredth of the time.
    encoder = {name: state[name] for name in network.state_dict()}
    network.load_state_dict(encoder)
    return network.eval()


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """The median time of `work` in milliseconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
