"""Objects on disk: a file, a folder read to its bottom, a glob, or standard input.

Hidden files are left out, and so are flowkit's own `inventory.json`, `truth.json` and `bill.csv` at the top of a
folder. A symbolic link that leads out of the folder is not followed, and says so in the ledger. Pipes and devices are
read only when they are named themselves.
"""
# Paths stay text here: Path has no walk before Python 3.12, and its `resolve` follows the links that must be seen.
# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH114, PTH116, PTH118, PTH119, PTH123, PTH207

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from flowkit.errors import SourceError
from flowkit.formats import parse_key
from flowkit.sources import Object

__all__ = ["find", "standard_input"]

#: Files that flowkit itself puts at the top of a folder of logs.
_COMPANIONS = frozenset({"inventory.json", "truth.json", "bill.csv"})


def _open(path: str) -> BinaryIO:
    return cast(BinaryIO, open(path, "rb", buffering=0))


def standard_input() -> Object:
    """What is piped in. It can be read once."""
    return Object(uri="-", name="-", opener=lambda: sys.stdin.buffer)


def find(source: str) -> list[Object]:
    """The objects under one path or glob. Raises SourceError when there are none."""
    path = os.path.expanduser(source)
    if os.path.isdir(path):
        found = list(_walk(path))
        if not found:
            raise SourceError(f"{source} is a folder without any file to read. Name the folder that holds the logs.")
        return found
    if os.path.exists(path):
        return [_file(path, os.path.basename(path))]
    if glob.has_magic(path):
        found = list(_matches(path))
        if not found:
            raise SourceError(f"Nothing matches {source}. Quote the pattern, and write ** for folders of any depth.")
        return found
    raise SourceError(f"{source} does not exist. Name a file, a folder, a glob, or sample: for the bundled logs.")


def _matches(pattern: str) -> Iterator[Object]:
    """Each match; a folder that matches is read to its bottom. Names begin after the part without wildcards."""
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    base = str(Path(*parts[:fixed])) if fixed else "."
    for match in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isdir(match):
            if "**" not in pattern:
                yield from _walk(match, base)
        else:
            yield _file(match, os.path.relpath(match, base))


def _walk(top: str, base: str = "") -> Iterator[Object]:
    """Every file below a folder. What cannot be entered or must not be followed comes as a refused object."""
    root = os.path.realpath(top)
    base = base or top
    refused: list[Object] = []

    def cannot_list(error: OSError) -> None:
        name = os.path.relpath(str(error.filename), base)
        refused.append(_refused(str(error.filename), name, "unreadable", f"{error.strerror}; it was not entered."))

    for folder, folders, names in os.walk(top, onerror=cannot_list):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*names, *links]):
            if name.startswith(".") or (os.path.realpath(folder) == root and name in _COMPANIONS):
                continue
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, base)
            if os.path.islink(path):
                target = os.path.realpath(path)
                if target == root or target.startswith(root + os.sep):
                    continue  # what it points at is read in its own place
                yield _refused(path, relative, "foreign", "It is a symbolic link out of the folder; not followed.")
            else:
                yield _file(path, relative, inside=True)
    yield from refused


def _file(path: str, name: str, *, inside: bool = False) -> Object:
    absolute = os.path.abspath(path)
    try:
        state = os.stat(path)
    except OSError as error:
        return _refused(path, name, "unreadable", f"{error.strerror}.")
    if inside and not stat.S_ISREG(state.st_mode):
        return _refused(path, name, "foreign", "It is not a regular file; name it by itself to read it.")
    regular = stat.S_ISREG(state.st_mode)
    return Object(
        uri=_shown(absolute),
        name=_shown(name),
        opener=partial(_open, absolute),
        size=state.st_size if regular else None,
        etag=f"{state.st_mtime_ns:x}-{state.st_size:x}" if regular else "",
        hints=parse_key(absolute),
    )


def _refused(path: str, name: str, status: str, message: str) -> Object:
    absolute = os.path.abspath(path)
    return Object(_shown(absolute), _shown(name), partial(_open, absolute), refused=(status, message))


def _shown(name: str) -> str:
    """A file name as text that can be written anywhere: bytes that are no UTF-8 become `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
