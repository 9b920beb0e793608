"""What happens to memory and time when there is more to read."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measure import Run
from benchmarks.reports import report_on
from benchmarks.table import Row, not_run

__all__ = ["of_ingest", "of_reports"]

_SMALL, _LARGE, _LARGEST = 1_000_000, 50_000_000, 100_000_000


def of_ingest(bench: Bench) -> Iterator[Row]:
    """Peak memory of ingest stays the same from a million v5 records on."""
    sizes = sorted({_SMALL, bench.records, *([_LARGE] if bench.full else [])})
    peaks = []
    for records in sizes:
        logs = bench.logs("v5", records)
        bench.tell(f"memory of reading {logs}")
        peaks.append(bench.ingest(logs, bench.place / "store-growth").peak_mib)
    ratio = max(peaks) / peaks[0]
    yield Row(
        "peak memory of ingest, " + ", ".join(f"{records:,}" for records in sizes) + " v5 records",
        ", ".join(f"{peak:,.0f}" for peak in peaks) + " MiB",
        "",
        f"{ratio:.2f} greatest to smallest",
        "at most 1.20, and under 1,024 MiB",
        ratio <= 1.2 and max(peaks) < 1024,
    )


def of_reports(bench: Bench, small: Run) -> Iterator[Row]:
    """Three reports on 100 million records beside those on ten million (`small`)."""
    what, wanted = "three reports on 100M v5 records in a store, beside 10M", "time at most 11, memory 1.2, under 4 GiB"
    if not bench.full or bench.records * 10 != _LARGEST:
        yield not_run(what, wanted)
        return
    large = report_on(bench, bench.logs("v5", _LARGEST))
    longer, more = large.wall_s / small.wall_s, large.peak_mib / small.peak_mib
    yield Row(
        what,
        f"{large.wall_s:.0f} s, CPU {large.cpu_s:.0f} s, {large.peak_mib:,.0f} MiB",
        f"flowkit on 10M: {small.wall_s:.0f} s, {small.peak_mib:,.0f} MiB",
        f"{longer:.1f} time, {more:.2f} memory",
        wanted,
        longer <= 11 and more <= 1.2 and large.peak_mib < 4096,
    )
