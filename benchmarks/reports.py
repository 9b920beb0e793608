"""The three reports: on a store whose derived tables are not made yet, and on the bundled logs from their files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.logs import Logs
from benchmarks.measure import Run, alternating, middle, spread
from benchmarks.table import Row

__all__ = ["of_the_sample", "of_the_store", "report_on"]

#: Seconds and MiB for ten million records, and seconds for the bundled logs.
_STORE_S, _STORE_MIB, _SAMPLE_S = 45, 2048, 25


def report_on(bench: Bench, logs: Logs) -> Run:
    """Put logs into a new store, and measure the three reports on it."""
    store = bench.place / "store-report"
    bench.ingest(logs, store)
    bench.tell(f"three reports on {logs}")
    return bench.flowkit("report", "all", str(store), "--out", str(bench.place / "reports"))


def of_the_store(bench: Bench, run: Run) -> Iterator[Row]:
    """The reports on a store (`run`), beside the limits."""
    yield Row(
        f"three reports on {bench.size} v5 records in a store, derived tables not made yet",
        f"{run.wall_s:.1f} s, CPU {run.cpu_s:.1f} s, {run.peak_mib:,.0f} MiB",
        "",
        f"{run.wall_s / _STORE_S:.2f} time, {run.peak_mib / _STORE_MIB:.2f} memory",
        f"under {_STORE_S} s and {_STORE_MIB:,} MiB",
        run.wall_s < _STORE_S and run.peak_mib < _STORE_MIB,
    )


def of_the_sample(bench: Bench) -> Iterator[Row]:
    """The reports on the bundled logs, nothing read before."""
    out = bench.place / "sample-reports"
    shutil.rmtree(out, ignore_errors=True)
    bench.tell("three reports on the bundled logs")
    report = partial(bench.flowkit, "report", "all", "sample:", "--out", str(out))
    runs = alternating({"sample": report}, bench.runs)["sample"]
    wall_s = middle(runs, "wall_s")
    yield Row(
        "three reports on the bundled logs, from their files",
        f"{spread(runs)}, {middle(runs, 'peak_mib'):,.0f} MiB",
        "",
        f"{wall_s / _SAMPLE_S:.2f}",
        f"under {_SAMPLE_S} s",
        wall_s < _SAMPLE_S,
    )
