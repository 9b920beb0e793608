"""What every run that writes does first and last: remove what no committed state needs."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flowkit.errors import StoreError
from flowkit.store.disk import locked, remove, step, sync, wipe
from flowkit.store.manifest import Manifest, make_room
from flowkit.store.snapshot import in_use, linked

__all__ = ["STALE_S", "UNUSED_S", "clean", "orphans", "staging", "writer"]

#: Snapshots that nobody opened for so long are removed: those that pin retired files (twice the time that a report may
#: take), and all others.
STALE_S = 7200
UNUSED_S = 2 * 86_400


@contextmanager
def writer(folder: Path, *, create: bool = False, waiting: Callable[[], None] | None = None) -> Iterator[Manifest]:
    """The manifest, for the one run that writes; what a killed run left behind is gone. Cleans again at the end."""
    if create:
        make_room(folder)
    else:
        Manifest(folder).close()  # refuses what is no store before a lock file is made in it
    try:
        with locked(folder, waiting), Manifest(folder, create=create) as manifest:
            clean(manifest)
            yield manifest
            clean(manifest)
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"The manifest of {folder} cannot be written: {error}. What was committed before stays as it is."
        ) from error


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A folder to write in, on the same file system as the data; gone afterwards. The caller holds the lock."""
    place = folder / "staging"
    place.mkdir(exist_ok=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def orphans(manifest: Manifest) -> list[Path]:
    """Files below `data` that no committed state names, and what lies in staging. The caller holds the lock."""
    named = {manifest.folder / file.path for file in manifest.files()}
    found = [path for path in (manifest.folder / "data").rglob("*") if path.is_file() and path not in named]
    return sorted([*found, *(manifest.folder / "staging").glob("*")])


def clean(manifest: Manifest) -> None:
    """Remove staging, files that were retired or never committed, and snapshots that nobody uses."""
    wipe(manifest.folder / "staging")
    stray = orphans(manifest)
    for path in stray:
        remove(path)
    for folder in sorted({path.parent for path in stray}):
        if folder.is_dir():
            sync(folder)
    gone = manifest.retired()
    if gone:
        with manifest.writing():
            manifest.forget_files(gone)
    for day in (manifest.folder / "data").glob("*"):
        if day.is_dir() and not any(day.iterdir()):
            with step("rmdir"):
                day.rmdir()
    _sweep(manifest)


def _sweep(manifest: Manifest) -> None:
    """Remove snapshots that nobody holds: soon if they pin files that were retired, else after days without use."""
    snapshots = manifest.folder / "snapshots"
    if not snapshots.is_dir():
        return
    now_s = time.time()
    live = {linked(file) for file in manifest.files()}
    for folder in snapshots.iterdir():
        stale = any(path.name not in live for path in folder.glob("part-*.parquet"))
        unused_s = now_s - folder.stat().st_mtime
        if unused_s > (STALE_S if stale else UNUSED_S) and not in_use(folder):
            shutil.rmtree(folder, ignore_errors=True)
