"""Does a test notice when a threshold of a security rule moves?

    python benchmarks/thresholds.py [module ...]

Every named number in flowkit/security (module constants, numeric defaults of keyword parameters, numbers that a rule
hands to its query by name) is halved, doubled and deleted, one at a time, in a copy of the package, and the tests of
the rules that use it run there. Deleting a lower bound makes it 0, an upper bound (`most_...`, `max_...`) huge; where
the name does not say which it is, both are tried. A change that no test notices survives: the table says so and the
exit code is 1. How many rows to show (`top_n`) is no threshold.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROOM = Path("flowkit") / "security"
HUGE = 10**15

_NOT_THRESHOLDS = {"top_n", "confidence", "count", "plural", "maxsplit", "n", "indent"}


@dataclass(frozen=True)
class Threshold:
    """A number in the source: where it stands and what it is called."""

    module: str
    name: str
    value: float
    line: int
    column: int
    end_line: int
    end_column: int

    def mutations(self) -> Iterator[tuple[str, float]]:
        """What becomes of it: (name of the change, new value)."""
        whole = isinstance(self.value, int)
        yield "halved", self.value // 2 if whole else self.value / 2
        yield "doubled", self.value * 2
        lowered, raised = self.name.lower().lstrip("_").split(".")[-1], HUGE
        if not lowered.startswith(("most_", "max_", "longest_", "largest_")):
            yield "deleted (0)", 0
        if not lowered.startswith(("min_", "least_", "fewest_", "shortest_", "smallest_")):
            yield "deleted (huge)", raised

    def applied(self, source: str, value: float) -> str:
        """The source with this number replaced."""
        lines = source.splitlines(keepends=True)
        first, last = self.line - 1, self.end_line - 1
        head, tail = lines[first].encode()[: self.column].decode(), lines[last].encode()[self.end_column :].decode()
        return "".join([*lines[:first], head, f"({value!r})", tail, *lines[last + 1 :]])


def thresholds_of(module: str, source: str) -> list[Threshold]:
    """The named numbers of one module, in the order of the source."""
    found: list[Threshold] = []

    def note(name: str, node: ast.expr | None) -> None:
        value = _number(node)
        if node is not None and value is not None and name.split(".")[-1] not in _NOT_THRESHOLDS:
            found.append(
                Threshold(
                    module, name, value, node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0
                )
            )

    tree = ast.parse(source)
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                for name, node in _constants(target, statement.value):
                    note(name, node)
        if isinstance(statement, ast.FunctionDef):
            for argument, default in zip(statement.args.kwonlyargs, statement.args.kw_defaults, strict=True):
                note(f"{statement.name}.{argument.arg}", default)
            for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
                if isinstance(call.func, ast.Name) and call.func.id.lstrip("_") in ("bind", "bound"):
                    for keyword in call.keywords:
                        note(f"{statement.name}.{call.func.id}.{keyword.arg}", keyword.value)
    return sorted(found, key=lambda one: (one.line, one.column))


def _constants(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    """The constants that an assignment makes: one, several at once, or those of a dictionary by key."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=True):
            yield from _constants(one, its)
    if isinstance(target, ast.Name) and target.id.lstrip("_").isupper():
        if isinstance(value, ast.Dict):
            yield from (
                (f"{target.id}[{ast.unparse(key)}]", its)
                for key, its in zip(value.keys, value.values, strict=True)
                if key
            )
        else:
            yield target.id, value


def _number(node: ast.expr | None) -> float | None:
    """The value of a numeric expression without names, such as `4 * 3600`; None for any other and for 0 and 1."""
    if node is None or any(not isinstance(n, (ast.Constant, ast.BinOp, ast.operator)) for n in ast.walk(node)):
        return None
    try:
        value = eval(compile(ast.Expression(node), "<threshold>", "eval"), {"__builtins__": {}})
    except (TypeError, ZeroDivisionError):
        return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and value not in (0, 1) else None


def tests_of(module: str, root: Path) -> list[str]:
    """The test files of a module and of the modules of the room that use it, directly or not.

    Where none is named after one of them, those that import from the module.
    """
    sources = {
        path.stem: path.read_text(encoding="utf-8") for path in (root / ROOM).glob("*.py") if path.stem != "__init__"
    }
    users, seen = [module], set()
    while users:
        one = users.pop()
        if one in seen or one == "wording":
            continue
        seen.add(one)
        imported = re.compile(rf"^from flowkit\.security\.{one} import", re.M)
        users += [name for name, text in sources.items() if imported.search(text)]
    if module == "wording":
        seen = set(sources)
    named = sorted(f"tests/security/test_{name}.py" for name in seen)
    imports = re.compile(rf"^from flowkit\.security\.{module} import", re.M)
    tests = sorted((root / "tests" / "security").glob("test_*.py"))
    return [name for name in named if (root / name).is_file()] or [
        str(path.relative_to(root)) for path in tests if imports.search(path.read_text(encoding="utf-8"))
    ]


def copy_of(folder: Path) -> Path:
    """A copy of the package and its tests, compiled so that only what changes is compiled again."""
    ignore = shutil.ignore_patterns("__pycache__", "browser")
    for name in ("flowkit", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", "data", "notebooks"):
        (folder / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "flowkit", "tests"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


class _Failures:
    """A pytest plugin that keeps what fails, as pytest names it."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.ids.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.ids.append(report.nodeid)


def failures(tests: Sequence[str], *options: str) -> list[str]:
    """The tests that fail in this process with the package as it stands on disk."""
    import pytest

    for name in [n for n in sys.modules if n.startswith(("flowkit.security", "tests.security"))]:
        del sys.modules[name]
    seen = _Failures()
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        code = pytest.main(["-q", "--ff", "-p", "no:capture", *options, *tests], plugins=[seen])
    return seen.ids or ([f"(pytest ended with {code})"] if code else [])


def remember_flows() -> None:
    """Make the tables of the same records only once: no change to a rule changes them."""
    import pyarrow as pa

    import tests.rows as rows
    from flowkit.flows import Flows

    made: dict[tuple[bytes, str], Flows] = {}
    build: Callable[..., Flows] = rows.from_records

    def from_records(table: pa.Table, **more: Any) -> Flows:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        key = (sink.getvalue().to_pybytes(), repr(sorted(more.items(), key=str)))
        if key not in made:
            made[key] = build(table, **more)
        return made[key]

    rows.from_records = from_records
    Flows.close = _stays_open  # type: ignore[method-assign]


def _stays_open(_: Any) -> None:
    """Closes nothing: the same tables serve the next run of the test."""


def inside(folder: Path, modules: Sequence[str]) -> None:
    """Try every change of some modules in a copy, and print a line of JSON for each."""
    remember_flows()
    for module in modules:
        path = folder / ROOM / f"{module}.py"
        source = path.read_text(encoding="utf-8")
        tests = tests_of(module, folder)
        failing = failures(tests) if tests else []
        for name in failing:
            print(f"{module}: {name} fails without any change and is left out", file=sys.stderr)
        options = ["-x", *(f"--deselect={name}" for name in failing)]
        for one in thresholds_of(module, source):
            for change, value in one.mutations():
                path.write_text(one.applied(source, value), encoding="utf-8")
                found = failures(tests, *options) if tests else []
                failed = found[0].rpartition("::")[2] if found else ""
                print(f"{module}.{one.name} {change}: {failed or 'SURVIVED'}", file=sys.stderr, flush=True)
                print(json.dumps([module, f"{one.name} = {one.value}", change, failed]), flush=True)
        path.write_text(source, encoding="utf-8")


def main() -> int:
    """Share the modules out, print the table, and say what survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="only these modules of flowkit/security")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        inside(Path(given.inside), given.modules)
        return 0
    names = given.modules or sorted(p.stem for p in (ROOT / ROOM).glob("*.py") if p.stem != "__init__")
    counted = {name: len(thresholds_of(name, (ROOT / ROOM / f"{name}.py").read_text("utf-8"))) for name in names}
    shares: list[list[str]] = [[] for _ in range(max(1, given.workers))]
    for name in sorted((n for n in names if counted[n]), key=lambda n: -counted[n]):
        min(shares, key=lambda share: sum(counted[n] for n in share)).append(name)
    with tempfile.TemporaryDirectory(prefix="thresholds-") as folder:
        running = [_start(copy_of(Path(folder) / str(n)), share) for n, share in enumerate(shares) if share]
        lines = [line for process in running for line in process.communicate()[0].splitlines()]
    rows = sorted((json.loads(line) for line in lines), key=lambda row: names.index(row[0]))
    survivors = [row for row in rows if not row[3]]
    print("| module | threshold | change | first test that fails |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row[:3])} | {row[3] or '**none**'} |")
    print(f"\n{len(rows)} changes, {len(survivors)} survived.")
    broken = any(process.returncode for process in running)
    return 1 if survivors or broken else 0


def _start(folder: Path, modules: Sequence[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--inside", str(folder), *modules]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    sys.exit(main())
