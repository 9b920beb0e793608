"""The notebooks tell and the library computes: their shape, read from the JSON; and they run with other parameters."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowkit.report.parameters import COMMON, parameters_of

ROOT = Path(__file__).resolve().parents[1]
REPORTS = [ROOT / "notebooks" / f"{name}.ipynb" for name in ("security_review", "performance_analysis", "cost_review")]
GETTING_STARTED = ROOT / "notebooks" / "getting_started.ipynb"
EVERY = [*REPORTS, GETTING_STARTED]

report_notebook = pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
notebook = pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def tags(cell: dict) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in cells(path) if cell["cell_type"] == "code"]


def setup(path: Path) -> dict:
    """The cell that imports and loads: the first after the parameters."""
    return next(cell for cell in code_cells(path) if "parameters" not in tags(cell))


def told_cells(path: Path) -> list[dict]:
    """Code cells that tell something: not the parameters, not the set-up."""
    return [cell for cell in code_cells(path) if "parameters" not in tags(cell) and cell != setup(path)]


def headings(path: Path) -> list[str]:
    prose = "\n".join(source(cell) for cell in cells(path) if cell["cell_type"] == "markdown")
    return re.findall(r"^#+ (.+)$", prose, re.M)


def test_these_are_all_the_notebooks():
    assert sorted((ROOT / "notebooks").glob("*.ipynb")) == sorted(EVERY)


@notebook
def test_a_notebook_is_valid(path):
    import nbformat

    nbformat.validate(json.loads(path.read_text(encoding="utf-8")))


@report_notebook
def test_a_report_notebook_carries_no_outputs(path):
    assert [cell["id"] for cell in code_cells(path) if cell["outputs"] or cell["execution_count"] is not None] == []


@notebook
def test_cells_have_ids_that_stay(path):
    ids = [cell["id"] for cell in cells(path)]
    assert len(set(ids)) == len(ids)
    assert ids != [str(place) for place in range(len(ids))], "nbstripout without --keep-id numbers cells anew"


@notebook
def test_a_notebook_begins_with_one_title(path):
    first = cells(path)[0]
    assert first["cell_type"] == "markdown"
    assert source(first).startswith("# ")
    assert sum(bool(re.match(r"# ", source(cell))) for cell in cells(path) if cell["cell_type"] == "markdown") == 1


@report_notebook
def test_parameters_come_first_then_the_set_up(path):
    first, second = code_cells(path)[:2]
    assert tags(first) == ["parameters"]
    assert "import flowkit as fk" in source(second)
    assert "fk.open(source" in source(second)


@report_notebook
def test_each_parameter_says_what_it_means(path):
    declared = parameters_of(json.loads(path.read_text(encoding="utf-8")), path.stem)
    assert [one.name for one in declared.values() if not one.help] == []
    assert set(COMMON) - set(declared) == set(), "the parameters that all reports share"
    assert declared["source"].default == "sample:"


@report_notebook
def test_each_parameter_is_used(path):
    declared = parameters_of(json.loads(path.read_text(encoding="utf-8")), path.stem)
    used = {
        node.id
        for cell in code_cells(path)
        if "parameters" not in tags(cell)
        for node in ast.walk(ast.parse(source(cell)))
        if isinstance(node, ast.Name)
    }
    assert set(declared) - used == set()


@report_notebook
def test_the_summary_is_computed_last_and_the_limits_close(path):
    assert "summary" in tags(code_cells(path)[-1]) or "summary" in tags(code_cells(path)[-2])
    said = " / ".join(headings(path)[-4:]).lower()
    assert "method" in said
    assert "limit" in said


@notebook
def test_prose_and_code_take_turns(path):
    kinds = "".join("c" if cell["cell_type"] == "code" else "m" for cell in cells(path))
    assert "ccc" not in kinds, "never more than two code cells in a row"
    assert kinds.count("m") >= kinds.count("c") - 1, "at least one prose cell for each code cell"


@notebook
def test_code_cells_are_short_and_call_the_library(path):
    banned = (
        ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.Try, ast.With,
        ast.Global, ast.Delete, ast.Raise, ast.Assert,
    )  # fmt: skip
    for cell in code_cells(path):
        text = source(cell)
        assert not re.search(r"^\s*[%!?]", text, re.M), f"a magic in: {text}"
        tree = ast.parse(text)
        assert not [node for node in ast.walk(tree) if isinstance(node, banned)], text
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & {"print", "display", "exec", "eval", "open"}, text
        lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
        if "parameters" not in tags(cell):
            assert len(lines) <= 8, text
    typical = sorted(len(source(cell).splitlines()) for cell in told_cells(path))
    assert typical[len(typical) // 2] <= 5


@notebook
def test_a_cell_shows_one_thing_its_last_expression(path):
    for cell in told_cells(path):
        body = ast.parse(source(cell)).body
        loose = [node for node in body[:-1] if isinstance(node, ast.Expr)]
        assert not loose, source(cell)


@report_notebook
def test_the_set_up_shows_nothing(path):
    assert not isinstance(ast.parse(source(setup(path))).body[-1], ast.Expr)


@report_notebook
def test_imports_stand_in_the_set_up_and_nowhere_else(path):
    for cell in code_cells(path):
        found = [node for node in ast.walk(ast.parse(source(cell))) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert bool(found) == (cell == setup(path)), source(cell)
        assert {node.module for node in found if isinstance(node, ast.ImportFrom)} <= {"flowkit"}
        assert {one.name for node in found if isinstance(node, ast.Import) for one in node.names} <= {"flowkit"}


@report_notebook
def test_each_section_asks_a_question_and_says_how_to_read_the_answer(path):
    """Every section with a table or picture has prose before its first code cell."""
    told = cells(path)
    for place, cell in enumerate(told):
        if cell["cell_type"] == "markdown" and re.match(r"## ", source(cell)) and place + 1 < len(told):
            prose = re.sub(r"^#+ .+$", "", source(cell), flags=re.M).strip()
            follows = told[place + 1]["cell_type"]
            assert prose or follows == "markdown", f"say why it matters: {source(cell)}"


#: Parameters other than the defaults, for every notebook: half of the bundled logs' first day, without the inventory.
OTHER = {"inventory": "none", "top_n": 3}


def half_a_day() -> dict[str, str]:
    from datetime import UTC, datetime

    import flowkit as fk

    with fk.open("sample:", progress=False) as flows:
        since_s, until_s = flows.period
    middle = datetime.fromtimestamp((since_s + until_s) // 2, UTC)
    return {"until": f"{middle:%Y-%m-%dT%H:%M:%SZ}"}


@report_notebook
def test_papermill_runs_a_notebook_with_other_parameters(path, tmp_path):
    declared = parameters_of(json.loads(path.read_text(encoding="utf-8")), path.stem)
    given = {name: value for name, value in OTHER.items() if name in declared} | half_a_day()
    flags = [part for name, value in given.items() for part in ("-p", name, str(value))]
    out = tmp_path / "out.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", "-k", "python3", *flags, str(path), str(out)],
        capture_output=True, text=True, timeout=600, cwd=tmp_path, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    executed = cells(out)
    assert all(cell["execution_count"] for cell in executed if cell["cell_type"] == "code" and source(cell).strip())
    (injected,) = [cell for cell in executed if "injected-parameters" in tags(cell)]
    assert 'inventory = "none"' in source(injected)
    assert not [output for cell in executed for output in cell.get("outputs", ()) if output["output_type"] == "error"]


@report_notebook
def test_a_report_with_other_parameters_says_so(path, tmp_path):
    from flowkit.report import report

    declared = parameters_of(json.loads(path.read_text(encoding="utf-8")), path.stem)
    given = {name: value for name, value in OTHER.items() if name in declared}
    done = report(str(path), "sample:", out=tmp_path, parameters=given, **half_a_day())
    (file,) = done.files
    record = json.loads(file.json.read_text(encoding="utf-8"))
    assert record["records"] > 0
    assert 'src="http' not in file.html.read_text(encoding="utf-8")


def test_getting_started_carries_its_outputs():
    held = [cell for cell in code_cells(GETTING_STARTED) if cell["outputs"]]
    assert len(held) >= 3
    assert "traceback" not in GETTING_STARTED.read_text(encoding="utf-8")
