"""The few things that a store does to a disk, each between two steps that tests can watch.

A step is told before and after every write, fsync, rename, commit and removal, so that a test can stop the run exactly
there. Nothing watches otherwise.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flowkit.errors import StoreError

__all__ = ["WATCHERS", "hashed", "locked", "move", "refuse_network", "remove", "step", "sync", "wipe"]

#: Told the name of each step; empty outside of tests.
WATCHERS: list[Callable[[str], None]] = []

#: File systems on which neither SQLite nor a lock can be relied on.
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre"})


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tell watchers of `before NAME` and `after NAME`."""
    for watch in WATCHERS:
        watch(f"before {name}")
    yield
    for watch in WATCHERS:
        watch(f"after {name}")


def sync(path: Path) -> None:
    """Make a file's content, or a folder's list of names, safe against a loss of power."""
    with step("fsync"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def move(path: Path, to: Path) -> None:
    """Rename a file that is whole and synced. The folder it comes to is synced by the caller, once for many."""
    with step("rename"):
        path.rename(to)


def remove(path: Path) -> None:
    """Unlink a file that may be gone already. Who has it open, or linked elsewhere, keeps it."""
    with step("unlink"):
        path.unlink(missing_ok=True)


def wipe(folder: Path) -> None:
    """Remove a folder with all that is in it, if it is there."""
    if folder.exists():
        with step("wipe"):
            shutil.rmtree(folder)


def hashed(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Be the one run that writes; another one waits, after `waiting` was called. A killed run's lock is free."""
    import fcntl

    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def refuse_network(folder: Path) -> None:
    """Raise StoreError where a folder lies on a network file system. Blind spot: systems without /proc."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.is_file():
        return
    place = folder.resolve()
    best = ("", "")
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].replace("\\040", " ")
        if place.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, after.split(" ")[0])
    kind = best[1]
    if kind in _NETWORK or (kind.startswith("fuse.") and any(word in kind for word in ("ssh", "s3", "goofys", "gcs"))):
        raise StoreError(f"{folder} lies on a network file system ({kind}); a store needs a local disk for its locks.")
