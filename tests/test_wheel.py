"""The built wheel, in an empty environment and away from the checkout, does the main job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built by way of the source distribution, as an index would get them."""
    out = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], cwd=out)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def desk(wheel, tmp_path_factory):
    """A folder away from the checkout with an environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("away")
    run([sys.executable, "-m", "venv", str(folder / "venv")], cwd=folder)
    run([str(folder / "venv/bin/python"), "-m", "pip", "install", "-qq", str(wheel)], cwd=folder)
    return folder


def run(command: list[str], *, cwd: Path) -> str:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    }
    kept |= {"PYTHONNOUSERSITE": "1", "FLOWKIT_CACHE_DIR": str(cwd / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=kept, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_the_wheel_holds_the_notebooks_and_data_files_and_no_logs(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    held = [name.removeprefix("flowkit/notebooks/") for name in names if name.startswith("flowkit/notebooks/")]
    assert sorted(held) == NOTEBOOKS
    data = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "flowkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert data <= set(names)
    strange = [name for name in names if not name.startswith(("flowkit/", "vpc_flowkit-"))]
    assert strange == []
    assert not [name for name in names if name.endswith((".gz", ".ipynb_checkpoints", ".pyc"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_core_is_small(desk):
    """Nothing of the extras comes along."""
    held = run([str(desk / "venv/bin/python"), "-m", "pip", "list", "--format", "json"], cwd=desk)
    names = {each["name"].lower() for each in json.loads(held)}
    assert {"vpc-flowkit", "duckdb", "pyarrow", "papermill"} <= names
    assert not {"jupyterlab", "ipywidgets", "pytest", "pyspark", "moto", "playwright", "ruff", "mypy"} & names


def test_the_installed_command_writes_all_reports_of_the_bundled_logs(desk):
    told = run([str(desk / "venv/bin/flowkit"), "report", "all", "sample:", "--out", "reports"], cwd=desk)
    written = sorted(path.name for path in (desk / "reports").glob("*/*"))
    stems = ("cost_review", "performance_analysis", "security_review")
    assert written == sorted(f"{stem}.{ending}" for stem in stems for ending in ("html", "ipynb", "json"))
    assert (desk / "reports/index.html").is_file()
    assert told.splitlines()[-1].endswith("index.html")
    for stem in stems:
        (record,) = (desk / "reports").glob(f"*/{stem}.json")
        assert json.loads(record.read_text(encoding="utf-8"))["records"] > 0


def test_the_installed_command_copies_the_notebooks_out_and_runs_ones_own(desk):
    run([str(desk / "venv/bin/flowkit"), "notebooks", "mine"], cwd=desk)
    assert sorted(path.name for path in (desk / "mine").glob("*.ipynb")) == NOTEBOOKS
    (desk / "mine/security_review.ipynb").rename(desk / "mine/my_review.ipynb")
    run([str(desk / "venv/bin/flowkit"), "report", "mine/my_review.ipynb", "sample:", "--out", "own"], cwd=desk)
    assert len(list((desk / "own").glob("*/my_review.html"))) == 1
