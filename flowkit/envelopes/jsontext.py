"""JSON values, one after another, from a stream of any size. The standard library needs the whole text at once."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from typing import Any

from flowkit.envelopes.streams import MAX_LINE, Fault

__all__ = ["VALUE", "JsonText", "NotJson"]

VALUE = 16 * 1024 * 1024  # nothing that holds one record is larger
_SPACE = re.compile(r"[\s,\x1e\ufeff]*")
_DECODER = json.JSONDecoder()


class NotJson(Exception):
    """What stands here is no JSON value."""


class JsonText:
    """Text that is decoded and forgotten as it is read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        # bytes that are no UTF-8 survive as escapes, so that their line, not the whole object, is bad
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self.held = ""
        self.at = 0
        self.ended = False

    def more(self, size: int = 1) -> bool:
        """Hold at least `size` further characters. False when the end came first."""
        wanted = len(self.held) - self.at + size
        parts, held = [self.held[self.at :]], len(self.held) - self.at
        self.at = 0
        while held < wanted and not self.ended:
            try:
                piece = next(self._pieces, None)
            except Fault:
                self.held = "".join(parts)
                raise
            self.ended = piece is None
            parts.append(self._decode(piece or b"", final=self.ended))
            held += len(parts[-1])
        self.held = "".join(parts)
        return held >= wanted

    def next(self) -> str:
        """The next character that is neither space nor comma, without taking it; '' at the end."""
        while True:
            match = _SPACE.match(self.held, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.held):
                return self.held[self.at]
            if not self.more():
                return ""

    @property
    def rest(self) -> str:
        """What is held and not taken."""
        return self.held[self.at :]

    def value(self, limit: int = VALUE) -> Any:
        """Decode and take the value that stands here. Raises NotJson, and takes nothing, when there is none."""
        while True:
            try:
                found, end = _DECODER.raw_decode(self.held, self.at)
            except (ValueError, RecursionError) as error:
                left = len(self.held) - self.at
                if self.ended or left > limit or isinstance(error, RecursionError):
                    raise NotJson from error
                self.more(max(left, 1))
                continue
            if end == len(self.held) and not self.ended and not isinstance(found, (dict, list, str)):
                self.more()
                continue
            self.at = end
            return found

    def line(self) -> str:
        """Take what stands here up to the end of the line."""
        while self.held.find("\n", self.at) < 0 and len(self.held) - self.at < MAX_LINE and self.more(65536):
            pass
        end = self.held.find("\n", self.at)
        end = len(self.held) if end < 0 else end
        taken, self.at = self.held[self.at : end], end
        return taken
