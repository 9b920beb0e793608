"""One committed state of a store, pinned for readers: a folder of hard links, as the cache keeps records.

The list of files is taken in one read transaction. A writer may retire and unlink files meanwhile: then a link fails,
and the list is taken again. Once all links are there, no writer can disturb them. The folder is named by what is in it,
so the tables derived from it are found again as long as nothing changed.

With a period only files and objects are chosen that have rows near it: `BEFORE_S` before, for connections that began
earlier, and `AFTER_S` after. Which rows those are does not depend on how they lie in files. Blind spot: what only
earlier records would tell (an address seen on an interface days ago, a connection idle for longer) is not known then.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowkit.errors import StoreError
from flowkit.ledger import Ledger
from flowkit.store.entries import File
from flowkit.store.kept import digest, publish
from flowkit.store.manifest import Manifest

__all__ = [
    "AFTER_S",
    "BEFORE_S",
    "PINNED",
    "chosen",
    "export",
    "hold",
    "in_use",
    "is_snapshot",
    "linked",
    "snapshot",
    "store_of",
    "window_of",
]

BEFORE_S = 6 * 3600
AFTER_S = 3600

#: The environment variable by which a run tells its notebooks to read the snapshot it took, whatever came since.
PINNED = "FLOWKIT_SNAPSHOT"

_FACTS = "snapshot.json"
_PIN = "pin"
_TRIES = 100


def snapshot(folder: str | Path, since_s: int | None = None, until_s: int | None = None) -> Path:
    """Pin the committed state of the store in `folder` for a period, and return the folder of links.

    Raises StoreError for what is no store, or one of another format.
    """
    store = Path(folder)
    already = _told(store, since_s, until_s)
    if already is not None:
        return already
    window = _window(since_s, until_s)
    for _ in range(_TRIES):
        files, ledger = chosen(store, window)
        inventory = _inventory_of(store)
        rows = ledger.as_dicts()
        key = digest("snapshot", [file.path for file in files], [file.hash for file in files], rows, window, inventory)
        facts = {"since_s": since_s, "until_s": until_s, "window": window}
        try:
            made = publish(
                store / "snapshots" / f"{key}-{digest(facts)[:6]}",
                lambda staging: _fill(staging, store, files, rows, facts, inventory),  # noqa: B023 - called at once
            )
            os.utime(made)
        except FileNotFoundError:
            continue  # a writer removed what it had retired; what it committed is there by now
        return made
    raise StoreError(f"{store} changes faster than it can be read. Try again when fewer runs write to it.")


def chosen(store: Path, window: tuple[int, int] | None) -> tuple[list[File], Ledger]:
    """The files with rows in a window and the ledger, of one committed state.

    Rows that are not in these files (dropped by retention, or in files outside the window) count as out of period.
    """
    with Manifest(store) as manifest, manifest.reading():
        files = manifest.files()
        if window is not None:
            low, high = window
            files = [one for one in files if one.min_start is not None and one.max_start is not None
                     and one.min_start < high and one.max_start >= low]  # fmt: skip
        here: dict[int, tuple[int, ...]] = {}
        for file in files:
            for object_id, counts in manifest.held(file.file_id).items():
                here[object_id] = tuple(map(sum, zip(here.get(object_id, (0, 0, 0)), counts, strict=True)))
        rows = []
        for one in manifest.sources(window):
            if one.state != "pruned":
                records, nodata, skipdata = here.get(one.object_id, (0, 0, 0))
                elsewhere = one.row.records + one.row.nodata + one.row.skipdata - records - nodata - skipdata
                rows.append(
                    replace(one.row, records=records, nodata=nodata, skipdata=skipdata, out_of_period=elsewhere)
                )
    return files, Ledger.of(rows)


def export(folder: str | Path, out: str | Path, since_s: int | None = None, until_s: int | None = None) -> Path:
    """Copy the files of one committed state, and the ledger of their objects, into the new folder `out`.

    With a period, those files that have rows near it; files are copied whole. Raises StoreError when `out` exists.
    """
    out = Path(out)
    if out.exists():
        raise StoreError(f"{out} exists already; nothing was copied. Name a new folder.")
    pinned = snapshot(folder, since_s, until_s)

    def fill(staging: Path) -> None:
        for path in (*pinned.glob("part-*.parquet"), pinned / "ledger.json"):
            shutil.copyfile(path, staging / path.name)

    handle = hold(pinned)
    try:
        return publish(out, fill)
    finally:
        if handle is not None:
            os.close(handle)


def is_snapshot(folder: str | Path) -> bool:
    """Whether a folder is a snapshot of a store."""
    return (Path(folder) / _FACTS).is_file()


def store_of(pinned: Path) -> Path:
    """The store that a snapshot belongs to."""
    return pinned.parent.parent


def window_of(kept: Path) -> tuple[int, int] | None:
    """The starts (from, to, not included) that count in a snapshot; None where all do, as in the cache."""
    if not is_snapshot(kept):
        return None
    window = _facts(kept)["window"]
    return (window[0], window[1]) if window else None


def hold(kept: Path) -> int | None:
    """Say that a snapshot is being read until the returned handle is closed (`os.close`). None for other folders."""
    import fcntl

    if not is_snapshot(kept):
        return None
    handle = os.open(kept / _PIN, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def in_use(pinned: Path) -> bool:
    """Whether somebody reads a snapshot now."""
    import fcntl

    try:
        handle = os.open(pinned / _PIN, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def linked(file: File) -> str:
    """The name of a file's link in a snapshot."""
    return f"part-{Path(file.path).name}"


def _window(since_s: int | None, until_s: int | None) -> tuple[int, int] | None:
    if since_s is None and until_s is None:
        return None
    return (
        since_s - BEFORE_S if since_s is not None else -(2**62),
        until_s + AFTER_S if until_s is not None else 2**62,
    )


def _told(store: Path, since_s: int | None, until_s: int | None) -> Path | None:
    """The snapshot that the run which started this process took, if it fits."""
    named = os.environ.get(PINNED, "")
    if not named or not is_snapshot(named) or store_of(Path(named)).resolve() != store.resolve():
        return None
    facts = _facts(Path(named))
    return Path(named) if (facts["since_s"], facts["until_s"]) == (since_s, until_s) else None


def _facts(pinned: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((pinned / _FACTS).read_text(encoding="utf-8"))
    return facts


def _inventory_of(store: Path) -> str:
    path = store / "inventory.json"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _fill(
    staging: Path, store: Path, files: list[File], rows: list[dict[str, Any]], facts: dict[str, Any], inventory: str
) -> None:
    for file in files:
        (staging / linked(file)).hardlink_to(store / file.path)
    (staging / "ledger.json").write_text(json.dumps(rows), encoding="utf-8")
    (staging / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    (staging / _PIN).touch()
    if inventory:
        (staging / "inventory.json").write_text(inventory, encoding="utf-8")
    (staging / "derived").mkdir()
