"""One object from its opening to its ledger row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from types import TracebackType
from typing import BinaryIO

from flowkit.envelopes import Bad, Fault, Unreached, Unwrapped, unwrap
from flowkit.ledger import LedgerRow
from flowkit.parse.layout import Layout
from flowkit.parse.parquet import read_parquet
from flowkit.parse.several import SeveralReader, disagreeing, formats_of
from flowkit.parse.tally import Sink, Tally, wanted_layout, without_export_time
from flowkit.parse.text import TextReader
from flowkit.sources import Object

__all__ = ["Single"]


class Single:
    """One object. Entering opens it and looks at its first bytes; leaving closes it. The arguments are `read_object`'s.

    Then either `read` it, or take its `text` where that is small, and read it together with others of its format.
    """

    def __init__(
        self,
        source: Object,
        sink: Sink,
        *,
        log_format: str | Mapping[str, str] = "",
        described: Mapping[str, str] | None = None,
        object_id: int = 0,
        fast: bool = True,
    ) -> None:
        self.tally = tally = Tally(source.name, object_id, source.hints, sink)
        self._source = source
        self._fast = fast
        group = source.log_group
        if group is not None:
            tally.notes += [group.note] if group.note else []
            described = {**(described or {}), **formats_of(group, tally.hints.flow_log_id)}
        self._told = partial(wanted_layout, log_format, described or {}, tally.hints.flow_log_id)
        self._told()  # a format string that cannot be understood is the caller's error, not the object's
        self._file: BinaryIO | None = None
        self._unwrapped = Unwrapped("")
        self._ended: LedgerRow | None = None
        self._blocks: Iterator[bytes | Bad] = iter(())
        self.reader: TextReader = TextReader(tally, self._wanted, fast=fast)

    def __enter__(self) -> Single:
        tally, source = self.tally, self._source
        if source.refused is not None:
            tally.unreached = source.refused[0] == "unreadable"
            self._ended = tally.row(*source.refused)
            return self
        try:
            self._file = source.open()
        except OSError as error:
            tally.unreached = True
            self._ended = tally.row("unreadable", f"It cannot be opened: {error.strerror or error}.")
            return self
        try:
            self._unwrapped = unwrap(self._file)
        except Fault as fault:
            tally.unreached = isinstance(fault, Unreached)
            tally.envelope = "" if tally.unreached else "gzip"
            self._ended = tally.row("unreadable", str(fault))
            return self
        except BaseException:
            self._file.close()
            raise
        tally.envelope = self._unwrapped.envelope
        self._blocks = iter(self._unwrapped.blocks)
        group = source.log_group
        if group is not None and disagreeing(group) and self._wanted() is None:
            self.reader = SeveralReader(tally, group)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def _wanted(self) -> tuple[Layout, str] | None:
        group, documents = self._source.log_group, self._unwrapped.documents
        given = self._told(group.name if group else documents.log_group if documents else "")
        return without_export_time(given) if self._unwrapped.envelope == "export" else given

    def text(self, limit: int) -> bytes | None:
        """All text of an object that begins with a header line and has at most `limit` bytes; None for any other one.

        What was looked at for this is not lost for `read`.
        """
        unwrapped = self._unwrapped
        odd = unwrapped.foreign or unwrapped.parquet is not None or unwrapped.documents is not None
        if self._ended is not None or odd or not self._fast or type(self.reader) is not TextReader:
            return None
        taken: list[bytes | Bad] = []
        try:
            for block in self._blocks:
                taken.append(block)
                if len(taken) > 1 or isinstance(block, Bad) or len(block) > limit or not self.reader.begins(block):
                    break
            else:
                if len(taken) == 1 and isinstance(taken[0], bytes):
                    return taken[0]
        except Fault as fault:
            self._blocks = _raising(fault)
        self._blocks = chain(taken, self._blocks)
        return None

    def read(self) -> LedgerRow:
        """Read what is left, and say what became of the object."""
        tally, unwrapped = self.tally, self._unwrapped
        if self._ended is not None:
            return self._ended
        if unwrapped.foreign:
            return tally.row("foreign", unwrapped.foreign)
        if unwrapped.parquet is not None:
            with unwrapped.parquet as parquet:
                return read_parquet(parquet, tally)
        damage = self._read_blocks(self._blocks)
        documents = unwrapped.documents
        if documents is not None:
            tally.envelope = documents.envelope or tally.envelope
            tally.repeats = documents.repeats
            tally.account_id = tally.account_id or documents.account_id
            if documents.foreign:
                return tally.row("foreign", documents.foreign)
        return self.verdict(damage)

    def _read_blocks(self, blocks: Iterable[bytes | Bad]) -> str:
        """Read all blocks of text; what is wrong with the bytes, if anything."""
        try:
            for block in blocks:
                self.reader.read(block)
        except Fault as fault:
            self.tally.unreached = isinstance(fault, Unreached)
            return str(fault)
        return ""

    def verdict(self, damage: str = "") -> LedgerRow:
        """The ledger row of a text object, once every line has been counted."""
        tally, reader = self.tally, self.reader
        rows = tally.records + tally.nodata + tally.skipdata
        if damage:
            kept = f" The {rows} good {'lines' if rows > 1 else 'line'} before that stay." if rows else ""
            return tally.row("unreadable", damage + kept)
        if rows:
            return tally.row("read")
        if tally.lines == tally.blank:
            return tally.row("empty", "There is no line in it." if not tally.lines else "It has only blank lines.")
        if tally.malformed == 0:
            return tally.row("empty", "It has a header line and no record.")
        if not reader.saw_header and not tally.known_key and not reader.looks_like_records:
            return tally.row("not_a_flow_log", f"None of its {tally.lines} lines looks like a flow log record.")
        if not reader.format_known:
            return tally.row("unreadable", tally.how_to_pass_the_format())
        return tally.row("read")


def _raising(fault: Fault) -> Iterator[bytes | Bad]:
    """No blocks, and then the fault."""
    yield from ()
    raise fault
