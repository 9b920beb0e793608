"""Many objects in their order, small ones of one format read as one block of text: each block has its fixed costs.

The texts of objects that follow each other and begin with the same header line are put behind one another, without that
line, and read at once. As many rows come back as there are newlines, so the newlines of each object say which rows are
its own. Where a block cannot be proven free of bad lines, each of its objects is read by itself; so ledger rows,
samples of bad lines included, are those of `read_object`, and the same rows come in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from flowkit.envelopes.streams import BLOCK
from flowkit.ledger import LedgerRow
from flowkit.parse.convert import Origin, finished, from_text, newlines
from flowkit.parse.single import Single
from flowkit.parse.tally import Sink
from flowkit.sources import Object

__all__ = ["read_together"]

#: An object with more text than this gains nothing from company.
_SMALL = BLOCK // 2


class _Waiting(NamedTuple):
    """An object whose header line has been read, its text, and where its first record begins."""

    single: Single
    text: bytes
    at: int

    @property
    def lines(self) -> int:
        """How many lines are left."""
        unended = self.at < len(self.text) and not self.text.endswith(b"\n")
        return newlines(np.frombuffer(self.text, dtype=np.uint8, offset=self.at)) + unended


def read_together(
    objects: Iterable[tuple[int, Object]],
    sink: Sink,
    *,
    log_format: str | Mapping[str, str] = "",
    described: Mapping[str, str] | None = None,
) -> Iterator[LedgerRow]:
    """Read objects, each given with its object_id; their ledger rows in order, each once its rows were handed on.

    As `read_object` does for each, but a batch may hold rows of several objects. At most a block of text waits.
    """
    waiting: list[_Waiting] = []
    size = 0
    for object_id, source in objects:
        with Single(source, sink, log_format=log_format, described=described, object_id=object_id) as single:
            text = single.text(_SMALL)
            if text is None:
                yield from _read(waiting, sink)
                waiting, size = [], 0
                yield single.read()
                continue
        one = _Waiting(single, text, single.reader.begin(text))
        if waiting and (single.tally.layout is not waiting[0].single.tally.layout or size + len(text) > BLOCK):
            yield from _read(waiting, sink)
            waiting, size = [], 0
        waiting.append(one)
        size += len(text)
    yield from _read(waiting, sink)


def _read(waiting: list[_Waiting], sink: Sink) -> Iterator[LedgerRow]:
    """Read the objects that wait, at once where all their lines are good."""
    if len(waiting) == 1 or not _read_at_once(waiting, sink):
        for one in waiting:
            one.single.reader.rest(one.text, one.at)
            yield one.single.verdict()
        return
    for one in waiting:
        yield one.single.verdict()


def _read_at_once(waiting: list[_Waiting], sink: Sink) -> bool:
    """Read and hand on the lines of all objects; False, and nothing done, on any doubt."""
    if not waiting:
        return False
    layout = waiting[0].single.tally.layout
    parts: list[bytes | memoryview] = []
    for one in waiting:
        if one.at < len(one.text):
            parts += [memoryview(one.text)[one.at :], b"" if one.text.endswith(b"\n") else b"\n"]
    if layout is None or not parts:
        return False
    arrays = from_text(b"".join(parts), layout)
    if arrays is None:
        return False
    tallies = [one.single.tally for one in waiting]
    lines = [one.lines for one in waiting]
    origins = [
        Origin(tally.object_id, tally.hints.flow_log_id, rows) for tally, rows in zip(tallies, lines, strict=True)
    ]
    batch = finished(arrays, layout, origins)
    if batch is None:
        return False
    sink(batch.rows)
    at = 0
    for tally, rows, kinds in zip(tallies, lines, batch.kinds, strict=True):
        tally.lines += rows
        tally.take(kinds, batch.rows.slice(at, rows))
        at += rows
    return True
