"""The manifest: one SQLite file that says which objects were read and which Parquet files hold their records.

Files are written and renamed before the transaction that names them, so every state that can be read here is whole on
disk. Only the holder of the store's lock writes; readers take what they need in one read transaction and see exactly
one committed state (write-ahead log: neither waits for the other).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowkit.errors import StoreError
from flowkit.ledger import LedgerRow
from flowkit.store.disk import refuse_network, step, sync
from flowkit.store.entries import File, Known

__all__ = ["FORMAT", "Manifest", "holds_manifest", "make_room"]

#: The format of the store. A flowkit that does not know it refuses.
FORMAT = 1

_NAME = "manifest.sqlite"
_CHUNK = 500

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
  object_id INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE, etag TEXT NOT NULL, state TEXT NOT NULL,
  hour_s INTEGER, min_start INTEGER, max_start INTEGER, ledger TEXT NOT NULL);
CREATE TABLE files (
  file_id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, first_hour_s INTEGER NOT NULL, last_hour_s INTEGER NOT NULL,
  min_start INTEGER, max_start INTEGER, rows INTEGER NOT NULL, size_bytes INTEGER NOT NULL, hash TEXT NOT NULL,
  layout TEXT NOT NULL, born INTEGER NOT NULL, retired INTEGER);
CREATE TABLE held (
  file_id INTEGER NOT NULL, object_id INTEGER NOT NULL, records INTEGER NOT NULL, nodata INTEGER NOT NULL,
  skipdata INTEGER NOT NULL, PRIMARY KEY (file_id, object_id)) WITHOUT ROWID;
CREATE INDEX held_by_object ON held (object_id);
CREATE TABLE pruned (
  object_id INTEGER PRIMARY KEY, records INTEGER NOT NULL, nodata INTEGER NOT NULL, skipdata INTEGER NOT NULL);
"""


def holds_manifest(folder: str | Path) -> bool:
    """Whether a folder is a store that grows."""
    return (Path(folder) / _NAME).is_file()


class Manifest:
    """An open manifest. Close it, or use it in a `with` statement."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        if create:
            _make(folder)
        elif not holds_manifest(folder):
            raise StoreError(f"{folder} is not a store. Make one with: flowkit ingest SOURCE --store {folder}")
        self._db = sqlite3.connect(folder / _NAME, timeout=60, isolation_level=None)
        try:
            self._check()
        except BaseException:
            self._db.close()
            raise

    def _check(self) -> None:
        try:
            self._db.execute("PRAGMA synchronous = FULL")
            found = int(self.meta("format"))
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{self.folder / _NAME} is damaged: {error}. Restore it, or ingest anew.") from error
        if found != FORMAT:
            raise StoreError(
                f"{self.folder} is a store of format {found}, and this flowkit knows format {FORMAT}. "
                "Use the flowkit that wrote it, or ingest into a new folder."
            )

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def meta(self, key: str) -> str:
        """One value of the manifest about itself."""
        (value,) = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(value)

    def integrity(self) -> str:
        """What SQLite finds wrong with its file; `ok` when nothing."""
        return str(self._db.execute("PRAGMA integrity_check").fetchone()[0])

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All reads inside see one committed state."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All changes inside are made, or none. The caller holds the store's lock."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            generation = int(self.meta("generation")) + 1
            self._set("generation", generation)
            with step("commit"):
                self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _set(self, key: str, value: int) -> None:
        self._db.execute("UPDATE meta SET value = ? WHERE key = ?", (str(value), key))

    def known(self, uris: Sequence[str]) -> dict[str, Known]:
        """What is known of these objects, by uri."""
        found: dict[str, Known] = {}
        for at in range(0, len(uris), _CHUNK):
            some = uris[at : at + _CHUNK]
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT * FROM sources WHERE uri IN ({marks})", some)
            found |= {row[1]: _known(row) for row in rows}
        return found

    def sources(self, window: tuple[int, int] | None = None) -> Iterator[Known]:
        """All objects, in the order of their ids; with a `window` those that have rows in it, or may say why not."""
        sql, values = "SELECT * FROM sources", ()  # type: str, tuple[int, ...]
        if window is not None:
            low, high = window
            sql += (
                " WHERE state <> 'pruned' AND (min_start < ? AND max_start >= ? OR min_start IS NULL"
                " AND (hour_s IS NULL OR hour_s < ? AND hour_s + 3600 > ?))"
            )
            values = (high, low, high, low)
        yield from map(_known, self._db.execute(f"{sql} ORDER BY object_id", values))

    def files(self) -> list[File]:
        """The files that count, in the order of their ids, without what they hold."""
        return [_file(row) for row in self._db.execute("SELECT * FROM files WHERE retired IS NULL ORDER BY file_id")]

    def retired(self) -> list[File]:
        """The files that no longer count and have not been removed yet."""
        return [_file(row) for row in self._db.execute("SELECT * FROM files WHERE retired IS NOT NULL")]

    def held(self, file_id: int) -> dict[int, tuple[int, int, int]]:
        """The rows of a file by object."""
        rows = self._db.execute("SELECT object_id, records, nodata, skipdata FROM held WHERE file_id = ?", (file_id,))
        return {row[0]: row[1:] for row in rows}

    def held_by(self, object_ids: Iterable[int]) -> list[int]:
        """The files that count and hold rows of any of these objects."""
        found: set[int] = set()
        for object_id in object_ids:
            found |= {row[0] for row in self._db.execute("SELECT file_id FROM held WHERE object_id = ?", (object_id,))}
        return sorted(found)

    def pruned(self) -> dict[int, tuple[int, int, int]]:
        """Rows that retention dropped, by object."""
        return {row[0]: row[1:] for row in self._db.execute("SELECT * FROM pruned")}

    def next_ids(self) -> tuple[int, int]:
        """The ids that the next object and the next file get. None is ever given twice."""
        return int(self.meta("next_object_id")), int(self.meta("next_file_id"))

    def add_files(self, files: Iterable[File]) -> None:
        """Name files that lie in their place, whole and synced. Their ids are those in their names."""
        born = int(self.meta("generation")) + 1
        for file in files:
            self._db.execute(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (file.file_id, file.path, file.first_hour_s, file.last_hour_s, file.min_start, file.max_start,
                 file.rows, file.size_bytes, file.hash, file.layout, born),
            )  # fmt: skip
            self._db.executemany(
                "INSERT INTO held VALUES (?, ?, ?, ?, ?)",
                [(file.file_id, object_id, *counts) for object_id, counts in sorted(file.held.items())],
            )
            self._set("next_file_id", max(int(self.meta("next_file_id")), file.file_id + 1))

    def retire(self, file_ids: Iterable[int]) -> None:
        """These files no longer count."""
        at = int(self.meta("generation")) + 1
        for file_id in file_ids:
            self._db.execute("UPDATE files SET retired = ? WHERE file_id = ?", (at, file_id))
            self._db.execute("DELETE FROM held WHERE file_id = ?", (file_id,))

    def forget_files(self, files: Iterable[File]) -> None:
        """These retired files were removed."""
        self._db.executemany("DELETE FROM files WHERE file_id = ?", [(file.file_id,) for file in files])

    def add_sources(self, sources: Iterable[Known]) -> None:
        """Mark objects as read; what was known under the same uri is replaced."""
        for one in sources:
            self._db.execute(
                "DELETE FROM pruned WHERE object_id IN (SELECT object_id FROM sources WHERE uri = ?)", (one.uri,)
            )
            self._db.execute("DELETE FROM sources WHERE uri = ?", (one.uri,))
            text = json.dumps(one.row.as_dict(), separators=(",", ":"))
            self._db.execute(
                "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (one.object_id, one.uri, one.etag, one.state, one.hour_s, one.min_start, one.max_start, text),
            )
            self._set("next_object_id", max(int(self.meta("next_object_id")), one.object_id + 1))

    def add_pruned(self, lost: dict[int, tuple[int, int, int]]) -> None:
        """Count rows that retention drops."""
        for object_id, counts in sorted(lost.items()):
            self._db.execute(
                "INSERT INTO pruned VALUES (?, ?, ?, ?) ON CONFLICT (object_id) DO UPDATE SET records = records + "
                "excluded.records, nodata = nodata + excluded.nodata, skipdata = skipdata + excluded.skipdata",
                (object_id, *counts),
            )

    def mark_pruned(self, object_ids: Iterable[int]) -> None:
        """Of these objects nothing is left."""
        self._db.executemany(
            "UPDATE sources SET state = 'pruned' WHERE object_id = ?", [(object_id,) for object_id in object_ids]
        )


def make_room(folder: Path) -> None:
    """Make the folder of a store, or see that it may become or is one. Raises StoreError."""
    folder.mkdir(parents=True, exist_ok=True)
    refuse_network(folder)
    strange = sorted(path.name for path in folder.iterdir() if path.name != "lock" and not path.name.startswith(_NAME))
    if strange and not holds_manifest(folder):
        raise StoreError(f"{folder} is not empty ({strange[0]}) and not a store. Name another folder.")


def _make(folder: Path) -> None:
    """An empty store. The manifest is renamed into place, so that half a store is none."""
    if holds_manifest(folder):
        return
    new = folder / f"{_NAME}.new"
    for ending in ("", "-wal", "-shm", "-journal"):
        new.with_name(new.name + ending).unlink(missing_ok=True)
    with closing(sqlite3.connect(new)) as made:
        made.executescript(_TABLES)
        first = {"format": FORMAT, "generation": 0, "next_object_id": 1, "next_file_id": 1}
        made.executemany("INSERT INTO meta VALUES (?, ?)", [(key, str(value)) for key, value in first.items()])
        made.commit()
        made.execute("PRAGMA journal_mode = WAL")
    sync(new)
    with step("rename"):
        new.rename(folder / _NAME)
    sync(folder)


def _known(row: Sequence[Any]) -> Known:
    ledger = replace(LedgerRow.from_dict(json.loads(row[7])), object_id=row[0])
    return Known(row[0], row[1], row[2], row[3], row[4], row[5], row[6], ledger)


def _file(row: Sequence[Any]) -> File:
    return File(
        file_id=row[0], path=row[1], first_hour_s=row[2], last_hour_s=row[3], min_start=row[4], max_start=row[5],
        rows=row[6], size_bytes=row[7], hash=row[8], layout=row[9],
    )  # fmt: skip
