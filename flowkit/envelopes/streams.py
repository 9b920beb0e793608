"""Bytes in pieces: unpacking gzip, and cutting text into blocks of whole lines. Memory stays flat at any size.

A `Fault` says that the bytes end or go bad here; whatever came before it is good and has been handed on.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from isal import isal_zlib

__all__ = ["BLOCK", "MAX_LINE", "Bad", "Fault", "Unreached", "blocks", "gunzip", "pieces_of", "recoded"]

#: Bytes read at once, bytes of text handed on at once, and the longest line that is still taken for one.
PIECE = 256 * 1024
BLOCK = 4 * 1024 * 1024
MAX_LINE = 1024 * 1024

Pieces = Iterable[bytes]


class Fault(Exception):
    """The object is damaged from here on. Its message is a sentence for the ledger."""


class Unreached(Fault):
    """The bytes from here on could not be had: nothing says that the object itself is damaged."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Something in a line's place that is no line: why, what it looks like, how many bytes of text it was."""

    reason: str
    text: str
    size: int = 0


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """A file from where it stands to its end."""
    while True:
        try:
            piece = file.read(PIECE)
        except OSError as error:
            raise Unreached(f"Reading failed: {error.strerror or error}.") from error
        if not piece:
            return
        yield piece


class _Feed:
    """Pieces with the ability to take some bytes and to put bytes back."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = iter(pieces)
        self._held = b""

    def put_back(self, data: bytes) -> None:
        self._held = data + self._held

    def piece(self) -> bytes:
        """The next bytes, however many; empty at the end."""
        if self._held:
            held, self._held = self._held, b""
            return held
        return next(self._pieces, b"")

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises Fault when the object ends before."""
        while len(self._held) < count:
            more = next(self._pieces, b"")
            if not more:
                raise Fault("The gzip data ends early: the object is cut off.")
            self._held += more
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def take_text(self) -> None:
        """Skip a text that a zero byte ends, as gzip writes names and comments."""
        while self.take(1) != b"\0":
            pass

    def at_end(self) -> bool:
        """Whether only zero bytes are left. Tape-like padding after the last member is allowed."""
        while True:
            piece = self.piece()
            if not piece:
                return True
            rest = piece.lstrip(b"\0")
            if rest:
                self.put_back(rest)
                return False


def gunzip(pieces: Pieces) -> Iterator[bytes]:
    """The content of a gzip file, all its members, each checksum compared.

    The members are walked by hand because the file classes of gzip and isal drop what they had unpacked when they meet
    a fault, and a cut-off object should keep its good lines. Source: RFC 1952.
    """
    feed = _Feed(pieces)
    while not feed.at_end():
        _skip_header(feed)
        unpacker = isal_zlib.decompressobj(wbits=-15)
        crc = size = 0
        data = feed.piece()
        while not unpacker.eof:
            try:
                text = unpacker.decompress(data, MAX_LINE)
            except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stubs call the class an instance
                raise Fault("The gzip data is damaged.") from error
            data = unpacker.unconsumed_tail
            if text:
                crc = isal_zlib.crc32(text, crc)
                size += len(text)
                yield text
            if not data and len(text) < MAX_LINE and not unpacker.eof:
                data = feed.piece()
                if not data:
                    raise Fault("The gzip data ends early: the object is cut off.")
        feed.put_back(unpacker.unused_data)
        if feed.take(8) != struct.pack("<II", crc, size & 0xFFFFFFFF):
            raise Fault("The gzip checksum does not fit: the object is damaged, and so may be any line of it.")


def _skip_header(feed: _Feed) -> None:
    if feed.take(2) != b"\x1f\x8b":
        raise Fault("What follows the gzip data is not gzip.")
    method, flags = feed.take(8)[:2]
    if method != 8:
        raise Fault("The gzip data is packed in an unknown way.")
    if flags & 4:
        feed.take(struct.unpack("<H", feed.take(2))[0])
    if flags & 8:
        feed.take_text()
    if flags & 16:
        feed.take_text()
    if flags & 2:
        feed.take(2)


def recoded(pieces: Pieces, encoding: str) -> Iterator[bytes]:
    """UTF-16 text as UTF-8; a unit that is no character becomes bytes that are no UTF-8, so its line counts as bad."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode("utf-8", "surrogatepass")
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Fault("The UTF-16 text is damaged.") from error


def blocks(pieces: Iterable[bytes | Bad]) -> Iterator[bytes | Bad]:
    """Whole lines, some megabytes at a time, each block ending with a newline except perhaps the last.

    A line longer than MAX_LINE is not held in memory; it becomes a Bad. So does a line that a Fault cuts off, since a
    number that lost its end still looks like one.
    """
    held: list[bytes | memoryview] = []
    size = 0
    dropped = 0  # bytes of an overlong line seen so far
    long_start = b""

    def too_long() -> Bad:
        return Bad("is longer than 1 MiB", long_start.decode("utf-8", "backslashreplace"), dropped)

    try:
        for piece in pieces:
            if isinstance(piece, Bad):
                if held:
                    yield b"".join(held)
                    held, size = [], 0
                yield piece
                continue
            if dropped:
                end = piece.find(b"\n") + 1
                dropped += end or len(piece)
                if not end:
                    continue
                yield too_long()
                dropped, piece = 0, piece[end:]
            held.append(piece)
            size += len(piece)
            if size < BLOCK:
                continue
            end = piece.rfind(b"\n") + 1
            if end:
                held[-1] = memoryview(piece)[:end]
                yield b"".join(held)
                rest = piece[end:]
            else:
                rest = b"".join(held)
                end = rest.rfind(b"\n") + 1
                if end:
                    yield rest[:end]
                    rest = rest[end:]
            if len(rest) > MAX_LINE:
                dropped, long_start, rest = len(rest), rest[:200], b""
            held, size = [rest] if rest else [], len(rest)
    except Fault:
        data = b"".join(held)
        end = data.rfind(b"\n") + 1
        if end:
            yield data[:end]
        if end < len(data):
            yield Bad("is cut off", data[end : end + 200].decode("utf-8", "backslashreplace"), len(data) - end)
        if dropped:
            yield too_long()
        raise
    if dropped:
        yield too_long()
    if held:
        yield b"".join(held)
