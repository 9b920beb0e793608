"""The cache: Parquet files of records, the ledger, and the tables made from them.

A folder of its own in the cache for each set of objects, so that the notebooks of a run, and later runs over the
same objects, read nothing twice:

    logs/KEY/part-*.parquet       the records, typed
    logs/KEY/ledger.json          what was read
    logs/KEY/part.json            that this is a part of the source, if it is
    logs/KEY/derived/KEY2/*       tables for one period, inventory and set of CIDRs

Every folder is written under another name and renamed when it is whole, so a run killed at any moment leaves nothing
half-written behind; two runs that make the same folder at once both succeed, and one of them wins. Blind spot: an
object changed in place with the same size and time stamp is not noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowkit.ledger import Ledger, LedgerRow, Part
from flowkit.store.again import taken_over
from flowkit.store.columns import ROWS_PER_GROUP, joined, parquet_writer

if TYPE_CHECKING:
    import pyarrow as pa

    from flowkit.sources import Object

__all__ = [
    "FORMAT",
    "UNUSED_DAYS",
    "cache_folder",
    "digest",
    "earlier",
    "is_store",
    "keep_part",
    "part_of",
    "publish",
    "read_ledger",
    "read_objects",
    "sweep",
]

#: Raised when a change in reading or in the tables makes kept files wrong.
FORMAT = 2

#: Folders that nobody opened for this many days are removed.
UNUSED_DAYS = 7

_LEDGER = "ledger.json"
_PART = "part.json"


def cache_folder() -> Path:
    """Where kept files live: `$FLOWKIT_CACHE_DIR`, else `flowkit` in the user's cache folder."""
    given = os.environ.get("FLOWKIT_CACHE_DIR")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "flowkit"


def digest(*parts: Any) -> str:
    """A name for something made from `parts`, the same wherever and whenever it is made."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def is_store(folder: str) -> bool:
    """Whether a folder holds kept records rather than flow logs."""
    return (Path(folder) / _LEDGER).is_file() and (Path(folder) / "derived").is_dir()


def publish(folder: Path, fill: Callable[[Path], bool | None]) -> Path:
    """Make `folder` whole or not at all: `fill` writes into a staging folder, which is then renamed.

    The folder made. Where `fill` gives back False, no other run shall find it, and it gets a name of its own.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        if fill(staging) is False:
            folder = folder.with_name(f"{folder.name}-{time.time_ns():x}")
        for path in staging.rglob("*"):
            if path.is_file():
                _sync(path)
        _sync(staging)
        try:
            staging.rename(folder)
        except OSError:
            if not folder.exists():  # somebody else may have made it meanwhile; then theirs is as good
                raise
        _sync(folder.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(now_s: float | None = None) -> None:
    """Remove what nobody used for UNUSED_DAYS, and after a day what a killed run left or no other run can use."""
    logs = cache_folder() / "logs"
    if not logs.is_dir():
        return
    now_s = time.time() if now_s is None else now_s
    for folder in logs.iterdir():
        try:
            used_s = folder.stat().st_mtime
        except OSError:
            continue
        days = 1 if folder.name.startswith(".") or "-" in folder.name else UNUSED_DAYS
        if now_s - used_s > days * 86_400:
            shutil.rmtree(folder, ignore_errors=True)


def read_ledger(folder: Path) -> Ledger:
    """The ledger of kept records."""
    rows = json.loads((folder / _LEDGER).read_text(encoding="utf-8"))
    return Ledger.of(LedgerRow.from_dict(row) for row in rows)


def earlier(folder: Path) -> Path | None:
    """The latest folder that was made as `folder` would be, and that no other run finds: some object was not reached.

    `folder` itself where it is there.
    """
    if folder.exists():
        return folder
    found = sorted(folder.parent.glob(f"{folder.name}-*")) if folder.parent.is_dir() else []
    return found[-1] if found else None


def keep_part(folder: Path, part: Part | None) -> None:
    """Write beside kept records that they are a part of their source, if they are."""
    if part is not None:
        (folder / _PART).write_text(json.dumps(part.as_dict()), encoding="utf-8")


def part_of(folder: Path) -> Part | None:
    """The part of its source that kept records are; None where they are all of it."""
    if not (folder / _PART).is_file():
        return None
    told = json.loads((folder / _PART).read_text(encoding="utf-8"))
    return Part(told["fraction"], told["objects"], told["of"])


def read_objects(
    objects: Sequence[Object],
    folder: Path,
    *,
    log_format: str | Mapping[str, str],
    described: Mapping[str, str],
    tell: Callable[[int, int, int], None],
    before: Path | None = None,
) -> bool:
    """Read every object into Parquet files in `folder`, with the ledger. One thread a core, a stretch of objects each.

    `tell(done, of, records)` is called as objects are done. `before` is the folder of an earlier reading of the same
    objects: what it holds whole is taken over. Memory is bounded by a row group per thread and schema, and by what is
    fetched ahead of remote objects. False where some object could not be reached (the ledger says which), or has no
    identity by which it would be known again.
    """
    from flowkit.parse import read_together
    from flowkit.sources.ahead import fetched_ahead

    known = taken_over(before, folder, objects) if before is not None else []
    have = {row.object_id for row in known}
    wanted = [(number, each) for number, each in enumerate(objects, 1) if number not in have]
    workers = max(1, min(os.cpu_count() or 1, len(wanted)))
    done = [0, sum(row.records for row in known)]
    firsts = [len(wanted) * place // workers for place in range(workers + 1)]
    stop = threading.Event()

    def stretch(place: int, ready: Iterator[tuple[int, Object]]) -> list[LedgerRow]:
        rows = []
        with _Parts(folder, place) as parts:
            numbered = ((wanted[firsts[place] + at][0], each) for at, each in ready)
            objects = takewhile(lambda _: not stop.is_set(), numbered)
            for row in read_together(objects, parts.add, log_format=log_format, described=described):
                rows.append(row)
                done[0] += 1
                done[1] += row.records
                tell(done[0], len(wanted), done[1])
        return rows

    stretches = [[each for _, each in wanted[first:last]] for first, last in pairwise(firsts)]
    with fetched_ahead(stretches) as ready:
        if workers == 1:  # here, not in a thread: standard input may be waited for, and an interrupt must end that
            ledger = Ledger.of([*known, *stretch(0, ready[0])])
        else:
            with ThreadPoolExecutor(workers) as pool:
                try:
                    found = [row for rows in pool.map(stretch, range(workers), ready) for row in rows]
                    ledger = Ledger.of([*known, *found])
                except BaseException:
                    stop.set()  # the other threads end after the object at hand
                    raise
    (folder / _LEDGER).write_text(json.dumps(ledger.as_dicts()), encoding="utf-8")
    (folder / "derived").mkdir()
    return all(each.etag for each in objects) and not any(row.unreached for row in ledger)


class _Parts:
    """Parquet files of one reading thread: one per schema, written a row group at a time."""

    def __init__(self, folder: Path, place: int) -> None:
        self._folder, self._place = folder, place
        self._writers: dict[pa.Schema, Any] = {}
        self._waiting: dict[pa.Schema, list[Any]] = {}

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        for schema in list(self._waiting):
            self._flush(schema)
        for writer in self._writers.values():
            writer.close()

    def add(self, batch: Any) -> None:
        """Take a batch of records."""
        import pyarrow as pa

        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        waiting = self._waiting.setdefault(table.schema, [])
        waiting.append(table)
        if sum(len(one) for one in waiting) >= ROWS_PER_GROUP:
            self._flush(table.schema)

    def _flush(self, schema: pa.Schema) -> None:
        waiting = self._waiting.pop(schema, [])
        if not waiting:
            return
        if schema not in self._writers:
            path = self._folder / f"part-{self._place:02d}-{len(self._writers):02d}.parquet"
            self._writers[schema] = parquet_writer(path, schema)
        self._writers[schema].write_table(joined(waiting), row_group_size=ROWS_PER_GROUP)
