"""What a record may be wrapped in: gzip, JSON of several kinds, CSV, a time before each line; or Parquet.

The content decides, never the name. What comes out is text in whole lines, or, for Parquet, the file itself. What is
neither comes back as `foreign`, with a sentence.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, cast

from flowkit.envelopes.csvs import message_column, messages
from flowkit.envelopes.documents import Documents
from flowkit.envelopes.streams import Bad, Fault, Unreached, blocks, gunzip, pieces_of, recoded

__all__ = ["Bad", "Fault", "Unreached", "Unwrapped", "unwrap"]

_HEAD = 64 * 1024
_DEPTH = 3  # gzip inside gzip happens when an upload tool packs once more
_STAMP = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?[ \t]+"
_EXPORT = re.compile(rb"\s*" + _STAMP + rb"\S")
_STAMPS = re.compile(rb"^[ \t]*" + _STAMP, re.MULTILINE)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v\x1b"))
_OTHER_KINDS = {
    b"PK\x03\x04": "It is a zip archive. Unpack it and read the files in it.",
    b"\x28\xb5\x2f\xfd": "It is packed with zstd, as flow logs never are. Unpack it first.",
    b"BZh": "It is packed with bzip2, as flow logs never are. Unpack it first.",
    b"\xfd7zXZ": "It is packed with xz, as flow logs never are. Unpack it first.",
    b"%PDF": "It is a PDF.",
}


@dataclass(slots=True)
class Unwrapped:
    """One object without its wrapping.

    `blocks` gives whole lines of log text; `Fault` may end it. `parquet` is set instead for a Parquet file. `foreign`
    is a sentence when this is no kind of file that holds flow logs. `documents` has what JSON said about itself,
    complete only after `blocks` has run to its end.
    """

    envelope: str
    blocks: Iterator[bytes | Bad] = field(default_factory=lambda: iter(()))
    parquet: BinaryIO | None = None
    foreign: str = ""
    documents: Documents | None = None


def unwrap(file: BinaryIO) -> Unwrapped:
    """Look at the first bytes and unwrap. Raises Fault when the object is damaged from the start."""
    pieces: Iterator[bytes] = pieces_of(file)
    envelope = "text"
    for _ in range(_DEPTH):
        head, pieces = _peek(pieces)
        if head[:2] != b"\x1f\x8b":
            break
        envelope = "gzip"
        pieces = gunzip(pieces)
    else:
        head, pieces = _peek(pieces)
    if head[:4] == b"PAR1":
        return Unwrapped("parquet", parquet=_whole(file, pieces, envelope))
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head, pieces = _peek(recoded(pieces, "utf-16"))
    for magic, sentence in _OTHER_KINDS.items():
        if head.startswith(magic):
            return Unwrapped(envelope, foreign=sentence)
    if len(head) - len(head.translate(None, _CONTROL)) > len(head) // 20 + 3:
        return Unwrapped(envelope, foreign="It is binary data.")
    return _text(head, pieces, envelope)


def _text(head: bytes, pieces: Iterator[bytes], envelope: str) -> Unwrapped:
    """Which wrapping this text has, judged by where it begins."""
    if head.startswith(b"\xef\xbb\xbf"):
        head, pieces = head[3:], _without_mark(pieces)
    start = head.lstrip()
    if start[:1] in (b"{", b"["):
        documents = Documents(pieces)
        return Unwrapped(envelope, blocks(documents.lines()), documents=documents)
    first = start.partition(b"\n")[0].decode("utf-8", "replace").strip()
    column = message_column(first)
    if column is not None:
        return Unwrapped("csv", blocks(messages(pieces, column)))
    if first.lower().startswith(('"@', "@")) and "," in first:
        return Unwrapped(envelope, foreign="It is a Logs Insights export without @message. Add @message to its fields.")
    if _EXPORT.match(start):
        return Unwrapped("export", _without_times(blocks(pieces)))
    return Unwrapped(envelope, blocks(pieces))


def _peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all pieces again, the first of them no shorter than that. A Fault comes in its place."""
    taken: list[bytes] = []
    rest = pieces
    try:
        while sum(map(len, taken)) < _HEAD:
            piece = next(pieces, b"")
            if not piece:
                break
            taken.append(piece)
    except Fault as fault:
        if not taken:
            raise
        rest = _raising(fault)
    first = b"".join(taken)
    return first[:_HEAD], chain([first] if first else [], rest)


def _raising(fault: Fault) -> Iterator[bytes]:
    """No pieces, and then the fault: raised when it is reached, not before."""
    yield from ()
    raise fault


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Drop the byte order mark at the start."""
    for number, piece in enumerate(pieces):
        yield piece[3:] if number == 0 else piece


def _without_times(whole: Iterable[bytes | Bad]) -> Iterator[bytes | Bad]:
    """Drop the time that CloudWatch puts before each line; the record has its own times."""
    for block in whole:
        yield block if isinstance(block, Bad) else _STAMPS.sub(b"", block)


def _whole(file: BinaryIO, pieces: Iterator[bytes], envelope: str) -> BinaryIO:
    """A file that can be sought in: itself, or, when it is packed or piped in, a temporary copy."""
    if envelope == "text" and file.seekable():
        file.seek(0)
        return file
    copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  # closed by whoever reads it
    for piece in pieces:
        copy.write(piece)
    copy.seek(0)
    return copy
