"""What the documents say is so: code and commands run, links resolve, every public name and parameter is described."""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("benchmarks/*.md")])
ROOMS = (
    "security",
    "performance",
    "cost",
    "review",
    "show",
    "report",
    "generate",
    "opening",
    "flows",
    "question",
    "finding",
)

#: Commands of the documents that other tests run: what `make test` is made of, and what needs a display or a network.
RUN_ELSEWHERE = ("make ", "git clone", "cd ", "pip install", ".ci/run", "pre-commit", ".venv/bin/")


def label(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M)


def commands(page: Path) -> list[str]:
    """The command lines of a page's shell blocks; a line that ends in a backslash goes on."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder away from the checkout with `logs/` in it (the bundled logs), and `flowkit` on the path."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(ROOT / "data" / "sample", folder / "logs")
    programs = folder / "bin"
    programs.mkdir()
    command = programs / "flowkit"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m flowkit "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return folder


def environment(desk: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "default",
    }


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=label)
def test_python_on_a_page_runs(page, desk):
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=desk, env=environment(desk), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def page_commands():
    seen = {}
    for page in PAGES:
        for command in commands(page):
            seen.setdefault(command, page)
    return [
        pytest.param(command, id=f"{label(page)}: {command}")
        for command, page in seen.items()
        if not command.startswith(RUN_ELSEWHERE)
    ]


@pytest.mark.parametrize("command", page_commands())
def test_a_command_on_a_page_runs(command, desk):
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=desk, env=environment(desk), capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    # 3 is what `--fail-on` is for: the bundled logs have findings
    assert done.returncode == (3 if "--fail-on" in command else 0), done.stderr


def test_make_targets_on_pages_exist():
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    wanted = {
        target for page in PAGES for command in commands(page) for target in re.findall(r"^make ([a-z]+)", command)
    }
    assert wanted
    assert wanted <= known


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, spelled as GitHub spells them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.+?)\s*$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_links_inside_the_documents_resolve(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        other = (page.parent / place).resolve() if place else page
        if not other.exists() or (anchor and other.suffix == ".md" and anchor not in anchors(other)):
            broken.append(target)
    assert broken == []


def test_every_page_of_docs_is_in_its_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page != "README.md" and f"({page})" not in index] == []


def test_the_distribution_is_never_called_flowkit():
    """`flowkit` on the package index is another project; only the import package and the command have that name."""
    assert not [label(page) for page in PAGES if re.search(r"pip install (-\S+ )*flowkit\b", page.read_text("utf-8"))]


@functools.cache
def public():
    """Every public callable: of the door, of each room, and the methods of what they return."""
    found = {}
    flowkit = importlib.import_module("flowkit")
    homes = [(flowkit, name) for name in flowkit.__all__]
    for room in ROOMS:
        module = importlib.import_module(f"flowkit.{room}")
        homes += [(module, name) for name in getattr(module, "__all__", ())]
    for module, name in homes:
        thing = getattr(module, name)
        if not callable(thing) or inspect.ismodule(thing):
            continue
        found[f"{thing.__module__}.{thing.__qualname__}"] = thing
        if inspect.isclass(thing) and thing.__module__.startswith("flowkit"):
            for own, value in vars(thing).items():
                if inspect.isfunction(value) and not own.startswith("_"):
                    found[f"{thing.__module__}.{value.__qualname__}"] = value
    return {name: thing for name, thing in sorted(found.items()) if name.startswith("flowkit")}


@pytest.mark.parametrize("name", public())
def test_a_public_name_is_described_with_its_parameters(name):
    thing = public()[name]
    text = inspect.getdoc(thing) or ""
    assert text, "a docstring"
    if inspect.isclass(thing):
        return
    parameters = [
        one.name
        for one in inspect.signature(inspect.unwrap(thing)).parameters.values()
        if one.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    said = {"self", "cls", "flows", "answer", *shared_parameters()}
    unsaid = [one for one in parameters if one not in said and not mentioned(one, text)]
    assert unsaid == [], f"say what {', '.join(unsaid)} means"


def mentioned(parameter: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(parameter)}\b", text) is not None


def shared_parameters() -> set[str]:
    """The parameters that docs/parameters.md describes once for all functions."""
    page = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    return {name for cell in re.findall(r"^\| (`.+?) \|", page, re.M) for name in re.findall(r"`(\w+)`", cell)}


def test_the_shared_parameters_are_those_that_functions_have():
    taken = {
        name
        for thing in public().values()
        if not inspect.isclass(thing)
        for name in inspect.signature(inspect.unwrap(thing)).parameters
    }
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        taken |= set(re.findall(r"^\s*\"(\w+): (?:str|int|float|bool|list) = ", path.read_text(encoding="utf-8"), re.M))
    assert shared_parameters() - taken == set()


def command_parsers():
    from flowkit.cli.arguments import parser

    groups = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(groups[0].choices.items())


def test_every_command_and_option_has_help():
    unsaid = [
        f"{name} {action.dest}"
        for name, made in command_parsers().items()
        for action in made._actions
        if not action.help or not action.help.strip()
    ]
    assert unsaid == []


def test_every_command_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in command_parsers() if f"flowkit {name}" not in text] == []


def test_the_recommended_log_format_answers_every_question():
    from flowkit.fields import FIELDS_BY_COLUMN

    for room in ("security", "performance", "cost"):
        importlib.import_module(f"flowkit.{room}")
    from flowkit.question import QUESTIONS

    (block,) = blocks(ROOT / "README.md", "text")
    given = set(re.findall(r"\$\{([a-z0-9-]+)\}", block))
    wanted = {
        FIELDS_BY_COLUMN[column].name
        for question in QUESTIONS.values()
        for column in (*question.needs, *question.sharper_with)
        if column != "inventory" and "transit_gateway" not in FIELDS_BY_COLUMN[column].kinds[:1]
    }
    assert wanted - given == set()
    assert given <= {field.name for field in FIELDS_BY_COLUMN.values()}


def test_every_error_is_in_the_tree_of_errors():
    from flowkit import errors

    tree = str(errors.__doc__)
    assert [name for name in errors.__all__ if name not in tree] == []


def test_the_changelog_has_the_current_version():
    import flowkit

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(flowkit.__version__)}\b", text, re.M)
    assert f'version = "{flowkit.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
