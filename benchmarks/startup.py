"""How long flowkit takes to start, above what a bare interpreter takes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.table import Row

__all__ = ["above_a_bare_interpreter"]

_RUNS = 11
_HELP_S, _IMPORT_S = 0.3, 0.15


def above_a_bare_interpreter(bench: Bench) -> Iterator[Row]:
    """`flowkit --help` and `import flowkit`, in alternation with a Python that does nothing."""
    bench.tell("starting")
    subjects = {"bare": ("-c", "pass"), "help": ("-m", "flowkit", "--help"), "import": ("-c", "import flowkit")}
    runs: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(_RUNS):
        for name, arguments in subjects.items():
            started_s = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            runs[name].append(time.perf_counter() - started_s)
    bare_s = statistics.median(runs["bare"])
    for name, what, most_s in (("help", "`flowkit --help`", _HELP_S), ("import", "`import flowkit`", _IMPORT_S)):
        above_s = statistics.median(runs[name]) - bare_s
        yield Row(
            f"{what}, above a bare interpreter",
            f"{above_s:.3f} s",
            f"bare interpreter {bare_s:.3f} s",
            f"{above_s / most_s:.2f}",
            f"under {most_s} s",
            above_s < most_s,
        )
