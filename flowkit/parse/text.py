"""Lines of log text, block by block: the fast path where it can be proven right, line by line where not."""

from __future__ import annotations

import re
from collections.abc import Callable

from flowkit.envelopes import Bad
from flowkit.envelopes.streams import MAX_LINE
from flowkit.fields import FIELDS
from flowkit.formats import as_header
from flowkit.parse.convert import from_text
from flowkit.parse.explain import arrays_of, why_bad
from flowkit.parse.layout import DEFAULT, Layout, layout_of
from flowkit.parse.tally import Tally

__all__ = ["TextReader"]

#: A block in which something is doubtful is halved down to this size, so that one bad line costs a thousand slow ones.
_SMALL = 128 * 1024
_FIRST = 50
_LONGEST_HEADER = 16 * 1024
_BETWEEN = re.compile(r"[ \t]+")
#: Values that hardly occur but in flow logs, and those that occur in them too.
_TELLING = re.compile(
    r"\d{1,3}(\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*|(eni|i|vpc|subnet|tgw|tgw-attach|nat)-[0-9a-f]+|\d{12}"
    r"|1\d{9}|1\d{12}|ACCEPT|REJECT|NODATA|SKIPDATA"
)
_USUAL = re.compile(r"-|OK|\d+|IPv[46]")


class TextReader:
    """Reads the blocks of one object. `wanted` gives the format of lines without a header, and its provenance."""

    def __init__(self, tally: Tally, wanted: Callable[[], tuple[Layout, str] | None], *, fast: bool = True) -> None:
        self._tally = tally
        self._wanted = wanted
        self._layout: Layout | None = None
        self._fast = fast
        self._first: list[str] = []
        self.saw_header = False

    def read(self, block: bytes | Bad) -> None:
        """Count and hand on one block of whole lines."""
        tally = self._tally
        if isinstance(block, Bad):
            tally.lines += 1
            tally.text_bytes += block.size
            tally.bad(block.reason, block.text)
            return
        tally.text_bytes += len(block)
        self.rest(block, 0)

    def begins(self, block: bytes) -> bool:
        """Whether the first line of the object, with which `block` begins, is plainly a header line."""
        line = block[: block.find(b"\n", 0, _LONGEST_HEADER) + 1].removesuffix(b"\n").removesuffix(b"\r")
        return line.isascii() and line[:1].isalpha() and as_header(line.decode().split(" ")) is not None

    def begin(self, block: bytes) -> int:
        """Count a block, and of its lines the header line with which it begins; where the next line begins."""
        self._tally.text_bytes += len(block)
        at = block.find(b"\n") + 1
        self._slowly(block[:at])
        return at

    def rest(self, block: bytes, at: int) -> None:
        """Count and hand on the whole lines of a block, itself counted before, from byte `at` on."""
        while self._layout is None and at < len(block):
            end = block.find(b"\n", at) + 1 or len(block)
            self._slowly(block[at:end])
            at = end
        if at < len(block):
            self._any(block, at)

    def _any(self, block: bytes, at: int = 0) -> None:
        """A block whose format is known, from byte `at` on: at once if safe, else in halves, at last line by line."""
        if self._fast and self._layout is not None:
            arrays = from_text(block, self._layout, at)
            if arrays is not None:
                lines = len(next(iter(arrays.values())))
                if self._tally.good(arrays, self._layout):
                    self._tally.lines += lines
                    return
        block = block[at:]
        if not self._fast or len(block) <= _SMALL:
            self._slowly(block)
            return
        middle = block.find(b"\n", len(block) // 2) + 1
        if not 0 < middle < len(block):
            middle = block.rfind(b"\n", 0, len(block) // 2) + 1
        if not 0 < middle < len(block):
            self._slowly(block)
            return
        self._any(block[:middle])
        self._any(block[middle:])

    def _slowly(self, block: bytes) -> None:
        """Line by line. A header line may change the format in the middle."""
        good: list[list[str | None]] = []
        for raw in block.removesuffix(b"\n").split(b"\n"):
            self._tally.lines += 1
            values = self._values(raw)
            if values is None:
                continue
            header = as_header(values) if values[0][:1].isalpha() else None
            if header is not None and self._may_begin(header):
                self._hand_on(good)
                self._start(header)
                continue
            reason, cells = self._judged(values)
            if reason:
                self._tally.bad(reason, raw.decode("utf-8"))
            else:
                good.append(cells)
        self._hand_on(good)

    def _values(self, raw: bytes) -> list[str] | None:
        """The values of a line; None, and the line counted, when it has none."""
        tally = self._tally
        raw = raw.removesuffix(b"\r")
        if len(raw) >= MAX_LINE:
            tally.bad("is longer than 1 MiB", raw[:_FIRST].decode("utf-8", "backslashreplace"))
            return None
        try:
            line = raw.decode("utf-8").removeprefix("\ufeff").strip(" \t")
        except UnicodeDecodeError:
            tally.bad("is not UTF-8 text", raw.decode("utf-8", "backslashreplace"))
            return None
        if not line:
            tally.blank += 1
            return None
        if "\0" in line:
            tally.bad("has a zero byte", line)
            return None
        if len(self._first) < _FIRST:
            self._first.append(line)
        return _BETWEEN.split(line)

    def _may_begin(self, header: tuple[str, ...]) -> bool:
        """Whether to believe a header line here: the first, the same once more, or another with two known fields."""
        if self._layout is None or header == self._layout.names:
            return True
        return sum(name in FIELDS for name in header) > 1

    def _start(self, names: tuple[str, ...]) -> None:
        """A header line: its fields, by name, are the format of what follows."""
        self._tally.headers += 1
        self._layout = layout_of(names)
        self.saw_header = True
        self._tally.use(self._layout, "header")

    def _judged(self, values: list[str]) -> tuple[str, list[str | None]]:
        """(what is wrong, cells). Settles the format at the first line that fits the one given, or the default one."""
        cells: list[str | None] = [None if value == "-" else value for value in values]
        if self._layout is not None:
            return why_bad(cells, self._layout), cells
        wanted = self._wanted()
        if wanted is not None:
            self._layout = wanted[0]
            self._tally.use(*wanted)
            return why_bad(cells, self._layout), cells
        if len(cells) == len(DEFAULT.names) and cells[0] == "2" and not why_bad(cells, DEFAULT):
            self._layout = DEFAULT
            self._tally.use(DEFAULT, "default")
            return "", cells
        count = len(values)
        why = f"has {count} {'value' if count == 1 else 'values'}, and no header line or log_format= says which fields"
        if count == len(DEFAULT.names):
            why = f"has 14 values that do not fit the default format ({why_bad(cells, DEFAULT) or 'version is not 2'})"
        return why, cells

    def _hand_on(self, good: list[list[str | None]]) -> None:
        """Rows found good, as columns. They pass the checks of whole columns too, being checked already."""
        if not good or self._layout is None:
            return
        if not self._tally.good(arrays_of(good, self._layout), self._layout):
            raise AssertionError("a line passed one check and failed the other; please report this with the file")
        good.clear()

    @property
    def format_known(self) -> bool:
        """Whether a format was found."""
        return self._layout is not None

    @property
    def looks_like_records(self) -> bool:
        """Whether the first lines hold what flow logs hold, in whatever order."""
        return any(_like_a_record(_BETWEEN.split(line)) for line in self._first)


def _like_a_record(values: list[str]) -> bool:
    """Whether at least two values are telling, and half of them usual."""
    telling = sum(bool(_TELLING.fullmatch(value)) for value in values)
    usual = sum(bool(_USUAL.fullmatch(value)) for value in values)
    return telling > 1 and 2 * (telling + usual) >= len(values)
