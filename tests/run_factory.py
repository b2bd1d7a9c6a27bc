"""Small real runs: one short epoch of a tiny network on a small cache."""

import subprocess
import sys
from pathlib import Path

from app.config import PROJECT_ROOT
from cache_factory import write_cache
from model import train


def write_runs(folder: Path, *names: str, patients: int = 30) -> list[Path]:
    """Train runs of one cache and one split, each from another seed; returns their folders.

    The cache is `folder / "cache"`, the runs are beside it.
    """
    cache = folder / "cache"
    write_cache(cache, patients=patients)
    for seed, name in enumerate(names):
        train.main(
            [
                f"--cache={cache}",
                f"--run={folder / name}",
                "--architecture=test_resnet",
                "--size=32",
                "--epochs=1",
                "--slices-per-epoch=16",
                "--batch-size=8",
                f"--seed={seed}",
                "--device=cpu",
            ]
        )
    return [folder / name for name in names]


def run_two(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run `model.train` in two processes of `torchrun`, which talk through gloo."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        # Before Python 3.12, torchrun takes --run for an option of its own unless `--` ends those.
        [*torchrun, "--nproc-per-node=2", "-m", "--", "model.train", *arguments],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
