"""Text to typed Parquet, beside the bare conversion by others; and records per CPU second beside flowlogs-reader."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.logs import Logs
from benchmarks.measure import Run, alternating, middle, spread
from benchmarks.table import Row

__all__ = ["beside_flowlogs_reader", "beside_the_bare_conversion"]

_CONVERTERS = ("polars", "pyarrow", "duckdb")
#: What flowlogs-reader parses in some seconds.
_FEW_ROWS = 500_000
_TIMES = 25

#: flowkit's reading and nothing after it: lines typed and checked, none kept. flowlogs-reader keeps none either.
_ONLY_READ = """
import sys
from flowkit.opening import objects_of
from flowkit.parse import read_together
rows = 0
def sink(batch):
    global rows
    rows += len(batch)
for _ in read_together(enumerate(objects_of(sys.argv[1])), sink):
    pass
print(rows)
"""


def beside_the_bare_conversion(bench: Bench) -> Iterator[Row]:
    """gzip text into the store, fsync included, for each format: by wall time, the best of the others."""
    for format in ("v2", "v5"):
        logs = bench.logs(format)
        bench.tell(f"reading {logs}")
        subjects = {"flowkit": partial(bench.ingest, logs, bench.place / "store-reading")}
        subjects |= {name: partial(_peer, bench, name, logs) for name in _CONVERTERS}
        runs = alternating(subjects, bench.runs)
        best = min(_CONVERTERS, key=lambda name: middle(runs[name], "wall_s"))
        ratio, cpu = (middle(runs[best], what) / middle(runs["flowkit"], what) for what in ("wall_s", "cpu_s"))
        yield Row(
            f"{bench.size} {format} records, gzip text to typed zstd-1 Parquet on disk; flowkit also checks, keys and "
            "accounts for each line",
            spread(runs["flowkit"]),
            "; ".join(f"{name} {spread(runs[name])}" for name in _CONVERTERS),
            f"{ratio:.2f} by wall, {cpu:.2f} by CPU",
            f"1.00 by wall beside the fastest ({best})",
            ratio >= 1,
        )


def beside_flowlogs_reader(bench: Bench) -> Iterator[Row]:
    """Records per CPU second, in memory; flowlogs-reader on every so many-th of the v2 files."""
    logs = bench.logs("v2")
    few = logs.some(bench.place / "few", _FEW_ROWS)
    bench.tell(f"flowlogs-reader on {few}")
    subjects = {
        "flowkit": partial(_only_read, bench, logs),
        "flowlogs-reader": partial(_peer, bench, "flowlogs-reader", few),
    }
    runs = alternating(subjects, bench.runs)
    ours = logs.rows / middle(runs["flowkit"], "cpu_s")
    theirs = few.rows / middle(runs["flowlogs-reader"], "cpu_s")
    yield Row(
        "v2 records per CPU second",
        f"{ours:,.0f}, typed and checked in memory ({bench.size} records)",
        f"flowlogs-reader {theirs:,.0f}, as Python objects ({few.rows:,} of these lines)",
        f"{ours / theirs:.1f}",
        f"{_TIMES}",
        ours / theirs >= _TIMES,
    )


def _only_read(bench: Bench, logs: Logs) -> Run:
    run = bench.python("-c", _ONLY_READ, str(logs.folder))
    bench.agree("flowkit", int(run.told), logs.rows)
    return run


def _peer(bench: Bench, name: str, logs: Logs) -> Run:
    out = bench.place / "peer.parquet"
    out.unlink(missing_ok=True)
    run = bench.python(str(Path(__file__).with_name("peer.py")), name, str(logs.folder), str(out))
    bench.agree(name, int(run.told), logs.rows)
    return run
