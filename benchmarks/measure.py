"""Running commands as processes of their own, and what each took: wall time, CPU time, peak memory. Needs Linux."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Run", "alternating", "measured", "middle", "spread"]

#: Seconds between two looks at memory.
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command: seconds of wall and of CPU (all its processes), peak memory in MiB, what it printed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    told: str


def measured(command: Sequence[str], folder: Path, cache: Path) -> Run:
    """Run a command in `folder` to its end, with `cache` as flowkit's cache; SystemExit when it fails."""
    before = os.times()
    started_s = time.perf_counter()
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as wrong:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=told, stderr=wrong,
            env={**os.environ, "FLOWKIT_CACHE_DIR": str(cache)},
        )  # fmt: skip
        peak_mib = 0.0
        ended = False
        while not ended:
            peak_mib = max(peak_mib, _memory_mib(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
                ended = True
        wall_s = time.perf_counter() - started_s
        after = os.times()
        told.seek(0)
        wrong.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)[:300]} failed:\n{wrong.read()[-3000:]}")
        cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
        return Run(wall_s, cpu_s, peak_mib, told.read())


def alternating(subjects: Mapping[str, Callable[[], Run]], runs: int) -> dict[str, list[Run]]:
    """Each subject in turn, `runs` times over, so that a slow minute of the machine hits all of them."""
    done: dict[str, list[Run]] = {name: [] for name in subjects}
    for _ in range(runs):
        for name, run in subjects.items():
            done[name].append(run())
    return done


def middle(runs: Sequence[Run], what: str) -> float:
    """The median of `wall_s`, `cpu_s` or `peak_mib`."""
    return statistics.median(getattr(run, what) for run in runs)


def spread(runs: Sequence[Run]) -> str:
    """The median wall time with the least and the most, and the median CPU time."""
    walls = [run.wall_s for run in runs]
    around = f" ({min(walls):.1f}-{max(walls):.1f})" if len(runs) > 1 else ""
    return f"{statistics.median(walls):.1f} s{around}, CPU {middle(runs, 'cpu_s'):.1f} s"


def _memory_mib(root: int) -> float:
    """The memory of a process and all its descendants; a page that several of them share counts once."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:  # it ended meanwhile
                continue
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family, grown = family | more, bool(more)
    return sum(_proportional_kib(pid) for pid in family) / 1024


def _proportional_kib(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:  # it ended meanwhile
        pass
    return 0
