"""What all benchmarks of a run share: where they work, how much they read, and how they call flowkit."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.logs import Logs, logs_of
from benchmarks.measure import Run, measured

__all__ = ["Bench"]


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks, working in `place`. `records` are those of the large measurements."""

    place: Path
    records: int
    runs: int
    full: bool
    tell: Callable[[str], None]

    @property
    def size(self) -> str:
        """The records of the large measurements, in words."""
        return _words(self.records)

    def logs(self, format: str, records: int | None = None) -> Logs:
        """Generated logs of this format."""
        return logs_of(self.place / "logs", format, records or self.records, self.tell)

    def made(self, format: str) -> bool:
        """Whether a measurement has asked for the logs of this format."""
        return (self.place / "logs" / f"{format}-{self.records}").exists()

    def python(self, *arguments: str) -> Run:
        """Run this Python with an empty cache of flowkit's."""
        cache = self.place / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        return measured([sys.executable, *arguments], self.place, cache)

    def flowkit(self, *arguments: str) -> Run:
        """Run a flowkit command, nothing read before."""
        return self.python("-m", "flowkit", *arguments)

    def ingest(self, logs: Logs, store: Path) -> Run:
        """`flowkit ingest` into a new store; SystemExit unless every line is in it."""
        shutil.rmtree(store, ignore_errors=True)
        run = self.flowkit("ingest", str(logs.folder), "--store", str(store), "--json")
        self.agree("flowkit ingest", self.rows_in(store), logs.rows)
        return run

    def rows_in(self, store: Path) -> int:
        """How many rows a store holds."""
        return int(json.loads(self.flowkit("store", "info", str(store), "--json").told)["rows"])

    def agree(self, name: str, rows: int, wanted: int) -> None:
        """SystemExit where a reader came to another number of rows."""
        if rows != wanted:
            raise SystemExit(f"{name} has {rows:,} rows, and the files have {wanted:,}")


def _words(records: int) -> str:
    return f"{records // 1_000_000}M" if records % 1_000_000 == 0 else f"{records:,}"
