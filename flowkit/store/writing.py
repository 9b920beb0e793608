"""Parquet files for the store: written into staging by arrival hour and schema, then put into their place.

A file holds rows of one schema. Statistics are taken while rows pass, so that nothing is read back but for the hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowkit.store.columns import ROWS_PER_GROUP, joined, parquet_writer, plain
from flowkit.store.disk import hashed, move, step, sync
from flowkit.store.entries import COUNTED, File

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HOUR_S", "Parts", "Staged", "layout_name", "place"]

HOUR_S = 3600
#: Rows that wait to fill a row group, over all files of one thread, and how many files it may have open.
_WAITING_ROWS = 400_000
_OPEN_FILES = 16
_KINDS = dict(zip(("record", "nodata", "skipdata"), range(len(COUNTED)), strict=True))


@dataclass(slots=True)
class Staged:
    """A file in staging and what the manifest will say of it."""

    path: Path
    layout: str
    first_hour_s: int
    last_hour_s: int
    rows: int = 0
    hash: str = ""
    held: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)

    def count(self, table: pa.Table) -> None:
        """Take rows into the statistics."""
        timed = "start_s" in table.schema.names
        self.rows += len(table)
        for object_id, kind, rows, low, high in _counts(table, timed):
            counts = list(self.held.get(object_id, (0, 0, 0)))
            counts[_KINDS[kind]] += rows
            self.held[object_id] = (counts[0], counts[1], counts[2])
            if low is not None and high is not None:
                before = self.spans.get(object_id, (low, high))
                self.spans[object_id] = (min(low, before[0]), max(high, before[1]))

    @property
    def min_start(self) -> int | None:
        """The first start in the file, epoch seconds."""
        return min((low for low, _ in self.spans.values()), default=None)

    @property
    def max_start(self) -> int | None:
        """The last start in the file, epoch seconds."""
        return max((high for _, high in self.spans.values()), default=None)


def _counts(table: pa.Table, timed: bool) -> Iterator[tuple[int, str, int, int | None, int | None]]:
    """(object, kind of row, rows, first start, last start), for each run of rows of one object.

    Rows of an object follow each other, so there are few runs. (Grouping would import pandas.)
    """
    import pyarrow.compute as pc

    for batch in table.select(["object_id", "row_kind", *(["start_s"] if timed else [])]).to_batches():
        runs = pc.run_end_encode(batch["object_id"])
        first = 0
        for object_id, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            rows = batch.slice(first, end - first)
            first = end
            span = pc.min_max(rows["start_s"]).as_py() if timed else {"min": None, "max": None}
            for kind in pc.value_counts(rows["row_kind"]).to_pylist():
                yield object_id, kind["values"], kind["counts"], span["min"], span["max"]


class _Writer:
    """One Parquet file being written, a row group at a time."""

    def __init__(self, staged: Staged, schema: pa.Schema) -> None:
        self.staged = staged
        self.rows = 0
        self._waiting: list[pa.Table] = []
        with step("open"):
            self._writer = parquet_writer(staged.path, schema)

    def add(self, table: pa.Table) -> None:
        self.staged.count(table)
        self._waiting.append(table)
        self.rows += len(table)

    def flush(self) -> None:
        if self._waiting:
            with step("write"):
                self._writer.write_table(joined(self._waiting), row_group_size=ROWS_PER_GROUP)
            self._waiting, self.rows = [], 0

    def close(self) -> None:
        self.flush()
        with step("close"):
            self._writer.close()
        self.staged.hash = hashed(self.staged.path)  # here, since this is done in several threads at once

    def drop(self) -> None:
        """Let go of the file after something went wrong elsewhere; it is worthless."""
        self._waiting = []
        with suppress(OSError):  # a full disk is told once
            self._writer.close()


class Parts:
    """The files of one thread: one per schema and hour. Rows are handed over by `add`, after `begin` named the object.

    Memory: at most about 400,000 rows wait for their row group. Leaving the `with` statement closes all files; after an
    error they are worthless. `staged` then lists them.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._hour_s: int | None = None
        self._open: dict[tuple[Any, int], _Writer] = {}
        self._schemas: dict[Any, Any] = {}
        self.staged: list[Staged] = []

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for writer in self._open.values():
            if kind is None:
                writer.close()
            else:
                writer.drop()
        self._open.clear()

    def begin(self, hour_s: int | None) -> None:
        """What comes now arrived in this hour; None where the object's name does not say: its first record does."""
        self._hour_s = hour_s

    @property
    def hour_s(self) -> int | None:
        """The hour of the object that came last; None when neither its name nor a record said."""
        return self._hour_s

    def add(self, rows: Any, hours: tuple[int, int] | None = None) -> None:
        """Take rows of one schema. `hours` (first, last) overrides the hour of the object for rows that are moved."""
        import pyarrow as pa

        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        if not len(table):
            return
        first, last = hours or (self._hour(table), self._hour(table))
        key = (table.schema, first)
        if key not in self._open:
            if len(self._open) >= _OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            path = self._folder / f"{self._name}-{len(self.staged):05d}.parquet"
            self.staged.append(Staged(path, layout_name(table.schema), first, last))
            self._open[key] = _Writer(self.staged[-1], table.schema)
        writer = self._open[key] = self._open.pop(key)  # the one used last is closed last
        writer.staged.last_hour_s = max(last, writer.staged.last_hour_s)
        writer.add(table)
        if writer.rows >= ROWS_PER_GROUP:
            writer.flush()
        elif sum(one.rows for one in self._open.values()) >= _WAITING_ROWS:
            max(self._open.values(), key=lambda one: one.rows).flush()

    def _hour(self, table: pa.Table) -> int:
        if self._hour_s is None and "start_s" in table.schema.names:
            starts = table["start_s"].drop_null()
            if len(starts):
                self._hour_s = starts[0].as_py() // HOUR_S * HOUR_S
        return self._hour_s or 0


def layout_name(schema: pa.Schema) -> str:
    """A short name for a schema: files of the same name can be merged."""
    return hashlib.sha256(str(plain(schema)).encode()).hexdigest()[:8]


def place(folder: Path, staged: Sequence[Staged], first_id: int) -> list[File]:
    """Put staged files where readers look, and say what the manifest needs. All is synced when this returns.

    Until the manifest names them nobody reads them. Files get the ids from `first_id` on, in the order given.
    """
    files, folders = [], set()
    for file_id, one in enumerate(staged, first_id):
        day = datetime.fromtimestamp(one.first_hour_s, UTC)
        path = f"data/{day:%Y-%m-%d}/{day:%H}-{one.layout}-{file_id:08d}.parquet"
        file = File(
            file_id=file_id, path=path, first_hour_s=one.first_hour_s, last_hour_s=one.last_hour_s,
            min_start=one.min_start, max_start=one.max_start, rows=one.rows, size_bytes=one.path.stat().st_size,
            hash=one.hash, layout=one.layout, held=dict(one.held),
        )  # fmt: skip
        sync(one.path)
        files.append(file)
        folders.add((folder / path).parent)
    for made in sorted(folders):
        made.mkdir(parents=True, exist_ok=True)
    for one, file in zip(staged, files, strict=True):
        move(one.path, folder / file.path)
    for made in (*sorted(folders), *((folder / "data", folder) if folders else ())):
        sync(made)
    return files
