"""The worker as a process: killed in the middle of a job, refused a tampered model, stopped."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.config import PROJECT_ROOT
from live_clinic import LiveClinic, live_clinic, token_of, wait_until
from model.data.synthetic.dicom import write_series
from model.data.synthetic.scan import Scan
from model.data.synthetic.series import make_series


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveClinic]:
    """Falx as `make run` starts it."""
    with live_clinic(tmp_path_factory.mktemp("clinic")) as running:
        yield running


def upload_head(clinic: LiveClinic, session: requests.Session, folder: Path) -> str:
    """Upload a simulated head of 40 slices; the id of its study."""
    write_series(folder, make_series(3, Scan(n_slices=40, spacing_mm=4, pixels=128)))
    token = token_of(session.get(f"{clinic.address}/upload", timeout=30))
    answer = session.post(
        f"{clinic.address}/upload",
        data={"csrf_token": token},
        files=[("files", (path.name, path.read_bytes())) for path in folder.glob("*.dcm")],
        timeout=120,
    )
    answer.raise_for_status()
    return answer.text.split("/studies/")[1].split("?")[0]


def test_a_killed_workers_job_is_taken_up_again_and_ends_once(
    clinic: LiveClinic, tmp_path: Path
) -> None:
    session = clinic.log_in()
    wait_until(lambda: not clinic.is_busy(session), 120, "the demo study is analysed")
    victim = clinic.processes()["worker"]
    study = upload_head(clinic, session, tmp_path)

    def job() -> dict[str, object]:
        answer = session.get(f"{clinic.address}/api/studies/{study}", timeout=30).json()
        return dict(answer["series"][0]["job"])

    wait_until(lambda: job()["state"] != "queued", 60, "the job has begun")
    os.kill(victim, signal.SIGKILL)

    wait_until(lambda: job()["state"] == "done", 120, "another worker has ended the job")
    assert clinic.processes()["worker"] != victim
    answer = session.get(f"{clinic.address}/api/studies/{study}", timeout=30).json()
    assert len(answer["series"][0]["analysis"]["slices"]) == 40


def test_a_tampered_model_is_refused_before_torch_sees_it(tmp_path: Path) -> None:
    shutil.copytree(PROJECT_ROOT / "model" / "weights", tmp_path / "weights")
    artefact = tmp_path / "weights" / "falx.pt"
    content = bytearray(artefact.read_bytes())
    content[len(content) // 2] ^= 1
    artefact.write_bytes(content)

    finished = subprocess.run(
        [sys.executable, "-m", "app", "worker"],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            "FALX_DATA": str(tmp_path / "data"),
            "FALX_MODEL": str(tmp_path / "weights"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert finished.returncode == 1
    assert "SHA-256" in finished.stderr
    assert "Traceback" not in finished.stderr
