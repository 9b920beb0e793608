"""What flowkit promises about speed and memory, measured beside others on the same generated files.

    python -m benchmarks [--quick | --full] [--records N] [--runs N] [--only NAME ...] [--keep DIR]

Prints one markdown table, with versions and settings; leaves with 1 when a promise does not hold. Needs Linux, and the
peers: polars and flowlogs-reader (`make bench` installs them).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import again, growth, reading, reports, startup
from benchmarks.bench import Bench
from benchmarks.table import Row, machine, printed


def both_reports(bench: Bench) -> Iterator[Row]:
    """The reports on the store, and what ten times as much makes of them."""
    run = reports.report_on(bench, bench.logs("v5"))
    yield from reports.of_the_store(bench, run)
    yield from growth.of_reports(bench, run)


TOPICS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "reading": reading.beside_the_bare_conversion,
    "records": reading.beside_flowlogs_reader,
    "memory": growth.of_ingest,
    "reports": both_reports,
    "again": again.of_the_same,
    "sample": reports.of_the_sample,
    "start": startup.above_a_bare_interpreter,
}


_SETTINGS = (
    "Wall times are medians of {runs} runs in alternation, with the least and the most; memory is the proportional set "
    "size, summed over all processes."
)


def _command() -> str:
    return " ".join(["python -m benchmarks", *sys.argv[1:]])


def main() -> int:
    """Measure, print, and say whether every promise holds."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--records", type=int, default=0, help="of the large measurements (10,000,000)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="1,000,000 records and one run, to see that all works")
    size.add_argument("--full", action="store_true", help="also ingest 50, and report on 100 million records: hours")
    parser.add_argument("--runs", type=int, default=0, help="runs in alternation; the middle one counts (3)")
    parser.add_argument("--only", nargs="+", choices=TOPICS, default=list(TOPICS), help="some of the measurements")
    parser.add_argument("--keep", default="", metavar="DIR", help="where logs and stores are left for another time")
    options = parser.parse_args()
    options.records = options.records or (1_000_000 if options.quick else 10_000_000)
    options.runs = options.runs or (1 if options.quick else 3)
    place = Path(options.keep or tempfile.mkdtemp(prefix="flowkit-bench-")).resolve()
    place.mkdir(parents=True, exist_ok=True)
    bench = Bench(place, options.records, options.runs, options.full, tell=lambda text: print(text, file=sys.stderr))
    try:
        rows = [row for name in options.only for row in TOPICS[name](bench)]
        used = [str(bench.logs(name)) for name in ("v2", "v5") if bench.made(name)]
    finally:
        if not options.keep:
            shutil.rmtree(place)
    print(printed(rows))
    print(f"\n{'; '.join(used)}. 60 s, seed 1. {_SETTINGS.format(runs=bench.runs)} {machine()}. `{_command()}`")
    return 1 if any(row.ok is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
