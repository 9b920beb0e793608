"""The three reports on a million generated records, beside a pandas-only reading of the same files.

    python benchmarks/report_million.py [--records N] [--runs N] [--seed N] [--format v2|v5|v11] [--keep DIR]

Prints a markdown table: wall time, CPU time of all processes, and peak memory (resident memory summed over the process
and all it started, looked at 20 times a second, so pages that processes share count more than once). Runs alternate
between what is compared; the middle of the runs is shown with the least and the most. Needs Linux (/proc).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import flowkit

PANDAS = """
import glob, sys
import pandas as pd
text = ["account-id", "interface-id", "srcaddr", "dstaddr", "action", "log-status", "vpc-id", "subnet-id",
        "instance-id", "type", "pkt-srcaddr", "pkt-dstaddr", "region", "az-id", "sublocation-type", "sublocation-id",
        "pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction"]
files = sorted(glob.glob(sys.argv[1] + "/**/*.log.gz", recursive=True))
frames = []
for file in files:
    columns = pd.read_csv(file, sep=" ", nrows=0).columns
    kinds = {name: "string" if name in text else "Int64" for name in columns}
    frames.append(pd.read_csv(file, sep=" ", dtype=kinds, na_values="-", keep_default_na=False))
flows = pd.concat(frames, ignore_index=True)
flows = flows[flows["log-status"] == "OK"]
flows.groupby("srcaddr")["bytes"].sum().nlargest(20)
print(len(flows))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command: seconds of wall and CPU, peak memory in MiB, what it printed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    told: str


def resident_mib(root: int) -> float:
    """Resident memory of a process and all its descendants."""
    parents, pages = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it ended meanwhile
                continue
            parents[int(entry.name)], pages[int(entry.name)] = int(fields[1]), int(fields[21])
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family, grown = family | more, bool(more)
    return sum(pages.get(pid, 0) for pid in family) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(command: list[str], cache: Path, cwd: Path) -> Run:
    """Run a command to its end and measure it."""
    before = os.times()
    started_s = time.perf_counter()
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as wrong:
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=told, stderr=wrong,
            env={**os.environ, "FLOWKIT_CACHE_DIR": str(cache)},
        )  # fmt: skip
        peak_mib = 0.0
        while process.poll() is None:
            peak_mib = max(peak_mib, resident_mib(process.pid))
            time.sleep(0.05)
        wall_s = time.perf_counter() - started_s
        after = os.times()
        told.seek(0)
        wrong.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{wrong.read()[-3000:]}")
        cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
        return Run(wall_s, cpu_s, peak_mib, told.read())


def row(name: str, runs: list[Run]) -> str:
    """A line of the table."""
    wall, cpu, peak = ([getattr(run, what) for run in runs] for what in ("wall_s", "cpu_s", "peak_mib"))
    spread = f" ({min(wall):.1f}-{max(wall):.1f})" if len(runs) > 1 else ""
    middle = statistics.median
    return f"| {name} | {middle(wall):.1f}{spread} | {middle(cpu):.1f} | {middle(peak):,.0f} |"


def version_of(name: str) -> str:
    return f"{name} {flowkit.__version__ if name == 'flowkit' else importlib.metadata.version(name)}"


def main() -> None:
    """Generate once, run in alternation, print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", default="v5", choices=("v2", "v5", "v11"))
    parser.add_argument("--keep", default="", metavar="DIR", help="where the logs and the last reports are left")
    options = parser.parse_args()
    folder = Path(options.keep or tempfile.mkdtemp(prefix="flowkit-bench-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        compare(folder, options)
    finally:
        if not options.keep:
            shutil.rmtree(folder)


def compare(folder: Path, options: argparse.Namespace) -> None:
    """Measure and print."""
    from flowkit.generate import generate

    logs = folder / "logs"
    if not logs.exists():
        generate(logs, seed=options.seed, hours=24, records=options.records, format=options.format, interval_s=60)
    files = sorted(logs.rglob("*.log.gz"))
    gz_mb = sum(file.stat().st_size for file in files) / 1e6
    report = [sys.executable, "-m", "flowkit", "report", "all", str(logs), "--out", str(folder / "reports")]
    cache = folder / "cache"

    def first() -> Run:
        shutil.rmtree(cache, ignore_errors=True)
        return measured(report, cache, folder)

    subjects: dict[str, Callable[[], Run]] = {
        "`flowkit report all`, nothing read before": first,
        "`flowkit report all` again": lambda: measured(report, cache, folder),
        "pandas: read every file, typed, and sum bytes by source": lambda: measured(
            [sys.executable, "-c", PANDAS, str(logs)], cache, folder
        ),
    }
    runs: dict[str, list[Run]] = {name: [] for name in subjects}
    for _ in range(options.runs):
        for name, run in subjects.items():
            runs[name].append(run())
    pandas_records = int(runs["pandas: read every file, typed, and sum bytes by source"][-1].told.split()[-1])
    held = {json.loads(path.read_text())["records"] for path in (folder / "reports").glob("*/*.json")}
    if held != {pandas_records}:
        raise SystemExit(f"the reports count {held} records, pandas {pandas_records}")
    print("| what | wall s | CPU s | peak MiB |\n|---|---:|---:|---:|")
    for name, done in runs.items():
        print(row(name, done))
    print(
        f"\n{pandas_records:,} records, {options.format}, 60 s, 24 hours, seed {options.seed}: {len(files):,} files, "
        f"{gz_mb:.1f} MB gzip. Median of {options.runs} runs in alternation. {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        + ", ".join(version_of(name) for name in ("flowkit", "duckdb", "pyarrow", "pandas", "papermill", "matplotlib"))
        + ". "
        f"`python benchmarks/report_million.py --records {options.records} --runs {options.runs}`"
    )


if __name__ == "__main__":
    main()
