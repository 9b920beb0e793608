"""A second ingest of the same logs opens none of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.table import Row

__all__ = ["of_the_same"]

#: flowkit's command line, and how many files below a folder were opened meanwhile: Python tells of each one.
_COUNTED = """
import sys
top, opened = sys.argv.pop(1), set()
def note(event, told):
    if event == "open" and str(told[0]).startswith(top) and str(told[0]).endswith(".log.gz"):
        opened.add(str(told[0]))
sys.addaudithook(note)
from flowkit.cli import main
code = main(sys.argv[1:])
print(len(opened))
sys.exit(code)
"""


def of_the_same(bench: Bench) -> Iterator[Row]:
    """Ingest twice; count the objects that each run opens."""
    logs, store = bench.logs("v2"), bench.place / "store-again"
    bench.ingest(logs, store)
    bench.tell(f"the same again: {logs}")
    arguments = ["-c", _COUNTED, str(logs.folder), "ingest", str(logs.folder), "--store", str(store), "--json"]
    run = bench.python(*arguments)
    told, _, opened = run.told.strip().rpartition("\n")
    counts = json.loads(told)
    yield Row(
        f"a second ingest of the same {bench.size} v2 records",
        f"{run.wall_s:.1f} s, {opened} of {len(logs.files):,} objects opened",
        "",
        "",
        "none opened",
        opened == "0" and counts["unchanged"] == len(logs.files) and counts["records"] == 0,
    )
