"""The house stands as designed: imports point down, each word has its room, importing flowkit loads nothing heavy."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "flowkit"
HEAVY = ("pandas", "pyarrow", "duckdb", "boto3", "botocore", "matplotlib", "papermill", "nbconvert", "IPython", "numpy",
         "yaml")  # fmt: skip

#: Each room and its floor. A room imports rooms of lower floors only (docs/architecture.md draws it).
FLOORS = {
    "errors": 0,
    "reference": 0,
    "fields": 1,
    "formats": 2,
    "communityid": 1,
    "ledger": 1,
    "progress": 1,
    "prices": 1,
    "threats": 1,
    "inventory": 1,
    "policy": 2,
    "sources": 3,
    "envelopes": 3,
    "parse": 4,
    "store": 5,
    "engines": 5,
    "estimate": 5,
    "tables": 6,
    "finding": 6,
    "baseline": 6,
    "question": 6,
    "flows": 7,
    "security": 8,
    "performance": 8,
    "cost": 8,
    "audit": 8,
    "deriving": 8,
    "review": 9,
    "show": 10,
    "generate": 10,
    "opening": 11,
    "convert": 12,
    "plan": 12,
    "report": 12,
    "explore": 12,
    "aws": 12,
    "cli": 13,
}

#: The imports that point up, each inside a function, with its reason.
UPWARD = {
    ("question", "show"): "Jupyter asks an answer itself for its picture; loaded only then",
    ("review", "show"): "Jupyter asks a review itself for its picture; loaded only then",
    ("flows", "show"): "Jupyter asks flows themselves for their picture; loaded only then",
}

#: Libraries that only these rooms may import.
ROOMS_OF_LIBRARIES = {
    "argparse": {"cli"},
    "duckdb": {"engines"},
    "matplotlib": {"show"},
    "papermill": {"report"},
    "nbconvert": {"report"},
    "nbclient": {"report"},
    "jupyter_client": {"report"},
    "boto3": {"sources", "aws"},
    "botocore": {"sources", "aws"},
    "isal": {"envelopes", "generate"},
    "gzip": {"envelopes", "generate"},
    "zlib": {"envelopes", "generate"},
    "ipywidgets": {"explore"},
    "yaml": {"review"},
    "random": {"generate"},
    "logging": {"report"},  # only to silence what its libraries log
}

#: The clock may be read where something is kept, run or shown to be under way, never where a number is made.
CLOCK_ROOMS = {"store", "opening", "report", "cli", "aws", "inventory"}

#: Files over 300 lines: their limit, and why they are one file.
LONG = {}

SPEAKING = {"cli", "__main__"}
#: Rooms that ask nothing of a table: no SQL.
SILENT_ON_SQL = {"errors", "fields", "formats", "sources", "envelopes", "parse", "inventory", "prices", "policy"}
CORRIDORS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tools", "core", "base"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "notebooks" not in path.parts)


def name_of(path: Path) -> str:
    parts = ["flowkit", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, which never run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from running_nodes(other)
            continue
        yield node
        yield from running_nodes(node)


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports when it runs, at the top or inside functions."""
    for node in running_nodes(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if node.module == "flowkit":
                yield from (f"flowkit.{alias.name}" for alias in node.names)
            else:
                yield str(node.module)


def test_every_room_has_a_floor():
    rooms = {room_of(name_of(path)) for path in modules()} - {"", "__main__"}
    assert rooms <= set(FLOORS), "give the new room a floor here and in docs/architecture.md"


def test_the_drawing_of_the_house_is_true():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = {
        room: int(floor)
        for floor, rooms in re.findall(r"^\| (\d+) \| (.+?) \|", page, re.M)
        for room in re.findall(r"`(\w+)`", rooms)
    }
    built = {room_of(name_of(path)) for path in modules()} - {"", "__main__"}
    assert drawn == {room: floor for room, floor in FLOORS.items() if room in built}


def test_imports_only_point_down():
    upward = []
    for path in modules():
        here = room_of(name_of(path))
        for module in imports(path):
            there = room_of(module) if module.startswith("flowkit") else ""
            if here in FLOORS and there in FLOORS and there != here and FLOORS[there] >= FLOORS[here]:
                upward.append((here, there))
    assert set(upward) <= set(UPWARD)


def test_the_import_graph_of_modules_has_no_circle():
    graph = {}
    for path in modules():
        tops = [node for node in parsed(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = set()
        for node in tops:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("flowkit."):
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[name_of(path)] = names
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module in done or module not in graph:
            return
        for below in graph[module]:
            # a package's __init__ may gather its own modules, and they may take plain values from one another
            if not module.startswith(f"{below}.") and below != module:
                visit(below, (*above, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("room", ["security", "performance", "cost", "audit"])
def test_siblings_never_import_one_another(room):
    others = {"security", "performance", "cost", "audit"} - {room}
    for path in modules():
        if room_of(name_of(path)) == room:
            assert not {room_of(module) for module in imports(path) if module.startswith("flowkit.")} & others, path


def test_the_generator_imports_no_question():
    for path in modules():
        if room_of(name_of(path)) == "generate":
            used = {room_of(module) for module in imports(path) if module.startswith("flowkit.")}
            assert not used & {"security", "performance", "cost", "review", "tables", "flows", "question"}, path


def test_each_library_stays_in_its_rooms():
    strays = [
        f"{name_of(path)} imports {module}"
        for path in modules()
        for module in imports(path)
        if room_of(name_of(path)) not in ROOMS_OF_LIBRARIES.get(module.split(".")[0], {room_of(name_of(path))})
    ]
    assert strays == []


def test_no_corridors():
    parts = {part for path in modules() for part in path.relative_to(PACKAGE).with_suffix("").parts}
    assert parts & CORRIDORS == set()


def test_only_the_command_line_prints_and_exits():
    strays = []
    for path in modules():
        for node in ast.walk(parsed(path)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("print", "sys.exit", "exit", "breakpoint") and room_of(name_of(path)) not in SPEAKING:
                if name_of(path) == "flowkit.report.worker":
                    continue  # a process of its own, which prints its events for the one that started it
                strays.append(f"{name_of(path)}:{node.lineno} {called}")
    assert strays == []


def test_the_clock_is_not_read_where_numbers_are_made():
    clocks = {"time.time", "datetime.now", "datetime.utcnow", "date.today", "datetime.datetime.now", "time.time_ns"}
    strays = []
    for path in modules():
        for node in ast.walk(parsed(path)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in clocks and room_of(name_of(path)) not in CLOCK_ROOMS:
                strays.append(f"{name_of(path)}:{node.lineno} {called}")
    assert strays == []


def test_aws_spellings_of_fields_stay_with_fields_and_parsing():
    from flowkit.fields import FIELDS_BY_COLUMN

    hyphened = {field.name for field in FIELDS_BY_COLUMN.values() if "-" in field.name}
    assert "pkt-srcaddr" in hyphened
    strays = [
        f"{name_of(path)}:{node.lineno} {node.value}"
        for path in modules()
        if room_of(name_of(path)) not in {"fields", "formats", "parse", "generate", "envelopes", "aws"}
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and node.value in hyphened
    ]
    assert strays == []


def test_sql_is_written_where_questions_are_asked():
    strays = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        if room_of(name_of(path)) in SILENT_ON_SQL | {"show", "report", "cli"}
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "SELECT " in node.value
    ]
    assert strays == []


def test_dollars_stay_in_the_price_book():
    """No amount of money stands in a cost question: rates come from flowkit.prices. 1e-12 is only a precision."""
    strays = []
    for path in modules():
        if room_of(name_of(path)) not in {"cost", "review"}:
            continue
        calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
        rounding = {id(one) for call in calls if ast.unparse(call.func).endswith(".quantize") for one in call.args}
        strays += [
            f"{name_of(path)}:{call.lineno} {ast.unparse(call)}"
            for call in calls
            if ast.unparse(call.func) == "Decimal" and id(call) not in rounding
            if call.args and isinstance(call.args[0], ast.Constant) and float(call.args[0].value) not in (0, 1, 1e-12)
        ]
    assert strays == []


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_says_what_it_is_for_and_what_it_offers(path):
    tree = parsed(path)
    assert ast.get_docstring(tree), "a docstring says what the module is for"
    if path.name == "__main__.py":
        return
    module = importlib.import_module(name_of(path))
    offered = getattr(module, "__all__", None)
    assert offered is not None, "__all__ says what others may use"
    missing = [name for name in offered if not hasattr(module, name)]
    assert missing == []


def test_no_module_takes_anothers_private_names():
    strays = [
        f"{name_of(path)} takes {node.module}.{alias.name}"
        for path in modules()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flowkit")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert strays == []


def test_files_stay_small():
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    long = {name: count for name, count in lines.items() if count > LONG.get(name, (300, ""))[0]}
    assert long == {}, "past 300 lines a room becomes a package, one question per file"


def registered_questions():
    for room in ("security", "performance", "cost"):
        importlib.import_module(f"flowkit.{room}")
    from flowkit.question import QUESTIONS

    return QUESTIONS


def test_questions_take_flows_first_and_all_else_by_name():
    wrong = []
    for name, question in registered_questions().items():
        first, *others = inspect.signature(question.ask).parameters.values()
        by_name = all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in others)
        defaults = all(one.default is not inspect.Parameter.empty for one in others)
        if first.name != "flows" or not by_name or not defaults:
            wrong.append(name)
    assert wrong == []


def test_a_questions_module_is_named_as_the_question():
    wrong = [
        name
        for name, question in registered_questions().items()
        if not inspect.unwrap(question.ask).__module__.startswith(f"flowkit.{question.room}.")
    ]
    assert wrong == []


def test_a_questions_docstring_begins_with_the_question():
    wrong = [
        name for name, question in registered_questions().items() if not question.text.rstrip().endswith(("?", "."))
    ]
    assert wrong == []


def loaded_by(code: str) -> set[str]:
    """Heavy libraries that a fresh Python has loaded after running `code`."""
    ending = f"\nimport sys\nsys.stdout = sys.__stdout__\nprint('LOADED', *sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + ending],
        capture_output=True, text=True, check=True, cwd=PACKAGE.parent,
    )  # fmt: skip
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def test_importing_flowkit_loads_nothing_heavy():
    assert loaded_by("import flowkit") == set()


def test_help_loads_nothing_heavy():
    code = """
import contextlib, io, sys
from flowkit.cli import main
with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
    main(["--help"])
assert "report" in told.getvalue()
"""
    assert loaded_by(code) == set()


def test_dir_of_flowkit_lists_what_it_offers():
    import flowkit

    assert set(flowkit.__all__) <= set(dir(flowkit))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        flowkit.nonsense  # noqa: B018 - reading the attribute is the test
