"""Fetching small remote objects before their turn, so that waiting for a network and parsing overlap.

Memory is bounded by BUDGET bytes over all readers; an object that is large beside it is streamed when its turn comes.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, cast

from flowkit.sources import Object

__all__ = ["BUDGET", "fetched_ahead"]

#: Bytes of bodies held in memory, those being fetched included.
BUDGET = 64 * 1024 * 1024

#: Objects fetched at once, and the share of a reader's budget above which an object is not fetched ahead.
_AT_ONCE = 8
_SHARE = 4
_PIECE = 256 * 1024


@contextmanager
def fetched_ahead(
    stretches: Sequence[Sequence[Object]], *, budget: int = BUDGET
) -> Iterator[list[Iterator[tuple[int, Object]]]]:
    """For each stretch, which one thread reads in order, its places and objects, fetched as far as `budget` bytes go.

    Opening an object whose body was fetched costs nothing; what went wrong while fetching is raised where it would have
    been, at opening or after the last good byte. An object counts against the budget until the next one is taken.
    """
    if not any(each.remote for stretch in stretches for each in stretch):
        yield [iter(list(enumerate(stretch))) for stretch in stretches]
        return
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch")
    try:
        yield [_in_order(stretch, pool, budget // len(stretches)) for stretch in stretches]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(stretch: Sequence[Object], pool: ThreadPoolExecutor, budget: int) -> Iterator[tuple[int, Object]]:
    waiting: deque[tuple[Object, Future[BinaryIO] | None, int]] = deque()
    next_one = held = 0
    for place in range(len(stretch)):
        while next_one < len(stretch):
            each = stretch[next_one]
            size = each.size or 0
            ahead = each.remote and each.size is not None and size <= budget // _SHARE and each.refused is None
            weight = size if ahead else 0
            if waiting and (held + weight > budget or len(waiting) > 4 * _AT_ONCE):
                break
            waiting.append((each, pool.submit(_fetched, each) if ahead else None, weight))
            held += weight
            next_one += 1
        each, future, weight = waiting.popleft()
        yield place, each if future is None else replace(each, opener=future.result)
        held -= weight
        del future


def _fetched(each: Object) -> BinaryIO:
    """The whole body in memory. Raises OSError where it cannot be opened."""
    body = io.BytesIO()
    with each.open() as file:
        try:
            while piece := file.read(_PIECE):
                body.write(piece)
        except OSError as error:
            return cast(BinaryIO, _Cut(body.getvalue(), error))
    body.seek(0)
    return body


class _Cut(io.RawIOBase):
    """A body that ends in an error, as reading it from its place would have."""

    def __init__(self, data: bytes, error: OSError) -> None:
        super().__init__()
        self._data, self._error = io.BytesIO(data), error

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the start of `buffer`, or raise what ended the body."""
        count = self._data.readinto(buffer)
        if not count and len(buffer):
            raise self._error
        return count
