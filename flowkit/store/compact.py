"""Many small files into few: rows keep their object, their order within it, and every value.

Only hours that are over are touched, and files of one day and one schema are put together, in the order of their hours,
up to `TARGET_BYTES`. A late object makes a new small file, which the next compaction takes in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

from flowkit.store.cleaning import staging, writer
from flowkit.store.entries import File
from flowkit.store.manifest import Manifest
from flowkit.store.writing import HOUR_S, Parts, Staged, place

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TARGET_BYTES", "compact", "rewritten"]

TARGET_BYTES = 128 * 1024 * 1024

#: An hour is over so many seconds after its end: AWS delivers most objects within ten minutes.
_SETTLED_S = 900


def compact(
    folder: str | Path,
    *,
    target_bytes: int = TARGET_BYTES,
    now_s: float | None = None,
    waiting: Callable[[], None] | None = None,
    tell: Callable[[int, int, int], None] | None = None,
) -> tuple[int, int]:
    """Merge the files of hours that are over into files of about `target_bytes`; (files before, files after).

    `now_s` is the clock that says which hours are over. One transaction for each new file: a killed run keeps what it
    had merged. `tell(done, of, rows)` is called as files are merged. Memory stays flat. Raises StoreError.
    """
    store = Path(folder)
    now_s = time.time() if now_s is None else now_s
    with writer(store, waiting=waiting) as manifest:
        before = manifest.files()
        over = [file for file in before if file.last_hour_s + HOUR_S + _SETTLED_S <= now_s]
        groups = list(_groups(over, target_bytes))
        rows = 0
        for done, group in enumerate(groups, 1):
            _merge(manifest, group)
            rows += sum(file.rows for file in group)
            if tell is not None:
                tell(done, len(groups), rows)
        return len(before), len(manifest.files())


def _groups(files: Sequence[File], target_bytes: int) -> Iterator[list[File]]:
    """Files to put together: of one day and schema, neighbours in time, each less than half of the target."""
    small = [file for file in files if 2 * file.size_bytes < target_bytes]
    small.sort(key=lambda file: (file.layout, file.first_hour_s, file.file_id))
    group: list[File] = []
    size = 0
    for file in small:
        same = group and (group[0].layout, _day(group[0])) == (file.layout, _day(file))
        if group and (not same or size + file.size_bytes > target_bytes):
            if len(group) > 1:
                yield group
            group, size = [], 0
        group.append(file)
        size += file.size_bytes
    if len(group) > 1:
        yield group


def _day(file: File) -> int:
    return file.first_hour_s // 86_400


def _merge(manifest: Manifest, group: Sequence[File]) -> None:
    """Put the rows of several files into one, and let it take their place."""
    hours = (group[0].first_hour_s, max(file.last_hour_s for file in group))
    with staging(manifest.folder) as folder:
        with Parts(folder, "merged") as parts:
            for file in group:
                for table in _tables(manifest.folder / file.path):
                    parts.add(table, hours)
        _, first_file = manifest.next_ids()
        files = place(manifest.folder, parts.staged, first_file)
        with manifest.writing():
            manifest.retire(file.file_id for file in group)
            manifest.add_files(files)


def rewritten(
    manifest: Manifest,
    file: File,
    folder: Path,
    *,
    without: AbstractSet[int] = frozenset(),
    before_s: int | None = None,
) -> list[Staged]:
    """A file of the store again, in the staging `folder`: without rows of some objects, or that start too early.

    Rows without a start go with the hour they arrived in. Nothing is staged when no row is left.
    """
    with Parts(folder, f"rewritten-{file.file_id}") as parts:
        for table in _tables(manifest.folder / file.path):
            parts.add(_kept(table, without, before_s, file), (file.first_hour_s, file.last_hour_s))
    return parts.staged


def _kept(table: pa.Table, without: Iterable[int], before_s: int | None, file: File) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    if without:
        table = table.filter(pc.invert(pc.is_in(table["object_id"], pa.array(sorted(without), pa.int64()))))
    if before_s is not None:
        unknown = file.last_hour_s + HOUR_S > before_s
        if "start_s" not in table.schema.names:
            return table if unknown else table.slice(0, 0)
        table = table.filter(pc.fill_null(pc.greater_equal(table["start_s"], before_s), unknown))
    return table


def _tables(path: Path) -> Iterator[pa.Table]:
    """The rows of a file, a row group at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for at in range(file.num_row_groups):
            yield file.read_row_group(at).replace_schema_metadata(None)
