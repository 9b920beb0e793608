"""Log events as a file of JSON documents like those of FilterLogEvents, made while it is read."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from flowkit.errors import SourceError

__all__ = ["EventFile"]

#: Events in one document: small enough to be decoded at once, and whole when what follows it cannot be had.
_EVENTS = 1000


class EventFile(io.RawIOBase):
    """A file to read once, from front to back. It holds one page of events at a time.

    Where AWS refuses a page, reading raises OSError with the sentence why; every document before that is whole.
    """

    def __init__(self, pages: Iterable[list[dict[str, Any]]]) -> None:
        self._documents = self._written(pages)
        self._held = memoryview(b"")

    def readable(self) -> bool:
        """Always, until it is closed."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is at hand; 0 at the end."""
        if not self._held:
            try:
                self._held = memoryview(next(self._documents, b""))
            except SourceError as error:
                raise OSError(errno.EIO, str(error).removesuffix(".")) from error
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._held))
        view[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

    @staticmethod
    def _written(pages: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
        empty = True
        for page in pages:
            for at in range(0, len(page), _EVENTS):
                empty = False
                yield json.dumps({"events": page[at : at + _EVENTS]}, separators=(",", ":")).encode() + b"\n"
        if empty:
            yield b'{"events":[]}\n'
