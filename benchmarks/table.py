"""The one table that the benchmarks print, and what it was measured with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import flowkit

__all__ = ["Row", "machine", "not_run", "printed"]

_PACKAGES = ("flowkit", "pyarrow", "duckdb", "isal", "pandas", "papermill", "polars", "flowlogs-reader")


@dataclass(frozen=True, slots=True)
class Row:
    """One promise: what was measured, ours and the other's in words, the ratio as text, what is wanted, does it hold.

    `ok` is None where nothing was measured.
    """

    what: str
    ours: str
    peer: str
    ratio: str
    wanted: str
    ok: bool | None


def not_run(what: str, wanted: str) -> Row:
    """A promise that only `--full` looks at."""
    return Row(what, "not run", "", "", wanted, None)


def printed(rows: Sequence[Row]) -> str:
    """The table in markdown."""
    verdicts = {True: "yes", False: "**no**", None: ""}
    lines = ["| what | flowkit | beside it | ratio | wanted | holds |", "|---|---|---|---:|---|---|"]
    lines += [
        f"| {row.what} | {row.ours} | {row.peer} | {row.ratio} | {row.wanted} | {verdicts[row.ok]} |" for row in rows
    ]
    return "\n".join(lines)


def machine() -> str:
    """The machine, and the versions of everything that was measured."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB memory, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def _version(name: str) -> str:
    if name == "flowkit":
        return flowkit.__version__
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
