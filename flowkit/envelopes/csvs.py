"""Records in a column of a CSV file: the CloudWatch console's `timestamp,message`, and Logs Insights' `@message`.

Source: the files that the CloudWatch console writes on "Export results" and "Download search results".
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from flowkit.envelopes.streams import Bad, blocks

__all__ = ["message_column", "messages"]

_NAMES = ("message", "@message")


def message_column(first_line: str) -> int | None:
    """Which column holds the records, judged by a CSV header line; None when it is no such header."""
    try:
        cells = next(csv.reader([first_line]), [])
    except csv.Error:
        return None
    lowered = [cell.strip().lower() for cell in cells]
    return next((lowered.index(name) for name in _NAMES if name in lowered), None)


def _lines(pieces: Iterable[bytes], bad: list[Bad]) -> Iterator[str]:
    """The lines of the file, which a quoted cell may span."""
    for block in blocks(pieces):
        if isinstance(block, Bad):
            bad.append(block)
            continue
        text = block.decode("utf-8", "surrogateescape")
        start = 0
        while start < len(text):
            end = text.find("\n", start) + 1 or len(text)
            yield text[start:end]
            start = end


def messages(pieces: Iterable[bytes], column: int) -> Iterator[bytes | Bad]:
    """The record of every row after the header, each ending with a newline."""
    bad: list[Bad] = []
    for number, cells in enumerate(_rows(csv.reader(_lines(pieces, bad)), bad)):
        yield from bad
        bad.clear()
        if number == 0 or cells is None:
            continue
        if not cells:
            yield b"\n"
        elif len(cells) <= column:
            yield Bad("has no message column", ",".join(cells)[:200])
        else:
            for line in cells[column].rstrip("\r\n").split("\n"):
                yield line.encode("utf-8", "surrogateescape") + b"\n"
    yield from bad


def _rows(rows: Iterator[list[str]], bad: list[Bad]) -> Iterator[list[str] | None]:
    """Each row; None, and a Bad, in place of one that is not CSV."""
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            bad.append(Bad(f"is not valid CSV ({error})", ""))
            yield None
