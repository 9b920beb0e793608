"""What a store holds, and whether all of it is still true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flowkit.ledger import LedgerRow
from flowkit.store.cleaning import orphans
from flowkit.store.disk import hashed, locked
from flowkit.store.entries import COUNTED, File
from flowkit.store.manifest import Manifest

__all__ = ["info", "verify"]


def info(folder: str | Path) -> dict[str, Any]:
    """What the store in `folder` holds: format, objects by state, files, rows, bytes, first and last start (epoch s).

    `pruned_rows` were read and have been dropped by retention since. Raises StoreError.
    """
    with Manifest(Path(folder)) as manifest, manifest.reading():
        files = manifest.files()
        states: dict[str, int] = {}
        totals = dict.fromkeys(("lines", *COUNTED, "malformed"), 0)
        for one in manifest.sources():
            states[one.state] = states.get(one.state, 0) + 1
            for name in totals:
                totals[name] += getattr(one.row, name)
        return {
            "format": int(manifest.meta("format")),
            "generation": int(manifest.meta("generation")),
            "objects": states,
            "read": totals,
            "files": len(files),
            "rows": sum(file.rows for file in files),
            "pruned_rows": sum(sum(counts) for counts in manifest.pruned().values()),
            "size_bytes": sum(file.size_bytes for file in files),
            "first_start_s": min((file.min_start for file in files if file.min_start is not None), default=None),
            "last_start_s": max((file.max_start for file in files if file.max_start is not None), default=None),
        }


def verify(
    folder: str | Path,
    *,
    waiting: Callable[[], None] | None = None,
    tell: Callable[[int, int, int], None] | None = None,
) -> tuple[str, ...]:
    """Read the whole store in `folder` and say what is wrong with it, one sentence each; nothing when all is well.

    Hashes, row counts and times of every file against the manifest; rows by object against the ledger, which has to
    balance; files that nobody names. Waits for a run that writes (`waiting()` is called then); `tell(done, of, rows)`
    is called as files are checked. Raises StoreError.
    """
    store = Path(folder)
    Manifest(store).close()
    with locked(store, waiting), Manifest(store) as manifest:
        sound = manifest.integrity()
        if sound != "ok":
            return (f"The manifest is damaged: {sound}.",)
        here: dict[int, tuple[int, int, int]] = {}
        problems: list[str] = []
        files = manifest.files()
        rows = 0
        for done, file in enumerate(files, 1):
            problems += _file(manifest, file)
            rows += file.rows
            if tell is not None:
                tell(done, len(files), rows)
            for object_id, counts in manifest.held(file.file_id).items():
                here[object_id] = _sum(here.get(object_id), counts)
        for object_id, counts in manifest.pruned().items():
            here[object_id] = _sum(here.get(object_id), counts)
        for one in manifest.sources():
            problems += _object(one.row, here.pop(one.object_id, (0, 0, 0)))
        problems += [f"Rows of object {object_id} are there, and the ledger lacks it." for object_id in sorted(here)]
        problems += [f"{path.relative_to(store)} is named by no committed state." for path in orphans(manifest)]
    return tuple(problems)


def _sum(before: tuple[int, int, int] | None, more: tuple[int, int, int]) -> tuple[int, int, int]:
    a, b, c = before or (0, 0, 0)
    return a + more[0], b + more[1], c + more[2]


def _file(manifest: Manifest, file: File) -> Iterator[str]:
    """What is wrong with one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from flowkit.store.writing import Staged

    path = manifest.folder / file.path
    try:
        if hashed(path) != file.hash:
            yield f"{file.path} has another hash than when it was written."
            return
        found = Staged(path, file.layout, file.first_hour_s, file.last_hour_s)
        with pq.ParquetFile(path) as parquet:
            columns = [name for name in ("object_id", "row_kind", "start_s") if name in parquet.schema_arrow.names]
            for at in range(parquet.num_row_groups):
                found.count(parquet.read_row_group(at, columns=columns))
    except (OSError, pa.ArrowInvalid) as error:
        yield f"{file.path} cannot be read: {str(error).splitlines()[0]}."
        return
    if (found.rows, found.min_start, found.max_start) != (file.rows, file.min_start, file.max_start):
        yield f"{file.path} has other rows or times than the manifest says."
    if found.held != manifest.held(file.file_id):
        yield f"{file.path} has rows of other objects than the manifest says."


def _object(row: LedgerRow, here: tuple[int, int, int]) -> Iterator[str]:
    """What is wrong with the account of one object."""
    if not row.balanced:
        yield f"The ledger of {row.object} does not balance."
    said = tuple(getattr(row, name) for name in COUNTED)
    if said != here:
        yield f"{row.object} has {sum(here):,} rows, and its ledger says {sum(said):,}."
