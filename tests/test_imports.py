"""Dependencies point one way."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from app.config import PROJECT_ROOT

PURE = ("labels", "errors", "windowing")
# All of a package, lowest first: each imports only itself and what stands before it.
CLINIC = (
    "config", "csv_table", "db", "queue", "render", "storage", "supervisor",
    "audit", "heartbeat", "list_version", "services", "auth", "display_windows",
    "operating_points", "site", "verdicts", "forms", "site_forms", "study_state", "jobs",
    "model_history", "dashboard", "ingest", "reading", "worklist", "retention", "analysis",
    "presentation", "setup", "upload_report", "reports", "worker", "cli", "views",
    "__main__", "factory",
)  # fmt: skip
SCIENCE = (
    "labels", "errors", "notice", "windowing", "measured", "detected",
    "dicom", "system", "unfamiliar", "artifact", "failure", "finding", "preprocess",
    "slice_batches", "predictor", "predict",
    "architecture", "network", "report",
    "data", "evaluation", "exploration", "training", "exporting",
    "cache", "pack", "explore", "simulate", "submission", "golden", "find_failures",
    "train", "pieces", "train_series_head", "calibrate", "evaluate", "cross_validation",
    "ensemble",
    "results", "robustness", "fit_familiarity", "localise", "sensitivity", "export", "benchmark",
    "experiments", "pipeline",
)  # fmt: skip
WITHOUT_TORCH = ("dicom", "report", "exploration")
TRAINING_PACKAGES = {
    "matplotlib", "pandas", "pyarrow", "sklearn", "tensorboard", "timm", "torchvision"
}  # fmt: skip


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Every module that the file names in an import, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return frozenset(names)


def imported_in(package: str, path: Path) -> set[str]:
    """The modules and packages right under `package` that the file needs when it runs."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name.split(".")[1] for name in names if name.startswith(f"{package}.")}


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported_modules(path)}


def sources(folder: str) -> list[Path]:
    return sorted((PROJECT_ROOT / folder).rglob("*.py"))


def who_names(folder: str, forbidden: set[str]) -> dict[str, set[str]]:
    """The files of the folder that import one of these packages, and which; there must be files."""
    paths = sources(folder)
    assert paths, folder
    return {str(path): named for path in paths if (named := packages(path) & forbidden)}


def test_the_science_knows_nothing_of_the_clinic() -> None:
    assert who_names("model", {"app", "flask", "sqlalchemy", "huey"}) == {}


@pytest.mark.parametrize(("package", "order"), [("app", CLINIC), ("model", SCIENCE)])
def test_every_module_has_its_place_in_the_order(package: str, order: tuple[str, ...]) -> None:
    files = (path.relative_to(PROJECT_ROOT / package) for path in sources(package))
    found = {path.parts[0].removesuffix(".py") for path in files}

    assert sorted(order) == sorted(found - {"__init__"})


@pytest.mark.parametrize(("package", "order"), [("app", CLINIC), ("model", SCIENCE)])
def test_a_module_imports_only_what_stands_before_it(package: str, order: tuple[str, ...]) -> None:
    above: dict[str, set[str]] = {}
    for place, name in enumerate(order, start=1):
        files = sources(f"{package}/{name}") or [PROJECT_ROOT / package / f"{name}.py"]
        above |= {str(path): imported_in(package, path) - {*order[:place]} for path in files}

    assert len(above) >= len(order)
    assert {path: names for path, names in above.items() if names} == {}


@pytest.mark.parametrize("folder", [*(f"model/{name}" for name in WITHOUT_TORCH), "app"])
def test_what_reads_and_draws_and_the_clinic_never_name_torch(folder: str) -> None:
    assert who_names(folder, {"torch", "torchvision"}) == {}


@pytest.mark.parametrize("name", PURE)
def test_the_core_imports_only_the_standard_library_and_numpy(name: str) -> None:
    allowed = sys.stdlib_module_names | {"numpy"}

    assert packages(PROJECT_ROOT / "model" / f"{name}.py") <= allowed


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("model/data/dataset.py", ("model.data.",)),
        ("model/data/rsna.py", ("model.data.cached",)),
        ("model/data/cached.py", ("model.network", "torch")),
        ("model/evaluation/metrics.py", ("model.network", "torch")),
    ],
)
def test_what_lies_below_does_not_import_what_lies_above(
    lower: str, higher: tuple[str, ...]
) -> None:
    imported = imported_modules(PROJECT_ROOT / lower)

    assert not [name for name in imported if name.startswith(higher)]


def test_serving_needs_none_of_what_training_needs() -> None:
    program = (
        "import sys, app.cli, app.factory, app.worker, model.data.synthetic.demo; "
        "import model.golden, model.predict; "
        f"sys.exit(', '.join({TRAINING_PACKAGES!r} & sys.modules.keys()) or None)"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_ROOT, check=False, capture_output=True
    )

    assert finished.returncode == 0, finished.stderr


def test_the_web_process_runs_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from app.factory import create_app; "
        f"create_app({{'data': __import__('pathlib').Path({str(tmp_path)!r})}}); "
        "sys.exit('torch' in sys.modules)"
    )

    finished = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_ROOT, check=False)

    assert finished.returncode == 0
