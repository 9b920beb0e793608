"""Bytes to typed records, and one ledger row that says where every line went.

    row = read_object(object_, batches.append, log_format="", object_id=0)

The format of each line is settled by this ladder: header line, Parquet schema, `log_format=`, what AWS says of the flow
log, or of the flow logs that write into the log group, the default format where a line has exactly its 14 values and
they type-check; else the object is unreadable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from flowkit.envelopes import Fault, Unreached, Unwrapped, unwrap
from flowkit.ledger import LedgerRow
from flowkit.parse.layout import ADDED, Layout, arrow_schema
from flowkit.parse.parquet import read_parquet
from flowkit.parse.several import SeveralReader, disagreeing, formats_of
from flowkit.parse.tally import Sink, Tally, wanted_layout, without_export_time
from flowkit.parse.text import TextReader
from flowkit.sources import LogGroup, Object

__all__ = ["ADDED", "Sink", "arrow_schema", "read_object"]


def read_object(
    source: Object,
    sink: Sink,
    *,
    log_format: str | Mapping[str, str] = "",
    described: Mapping[str, str] | None = None,
    object_id: int = 0,
    fast: bool = True,
) -> LedgerRow:
    """Read one object; hand its good rows to `sink` as Arrow record batches, and return its ledger row.

    `log_format` is a format string for lines without a header, or a mapping from flow log id to format strings;
    `described` maps flow log ids to the formats that AWS states for them. Each batch has the schema
    `arrow_schema(names)` for the format of its lines, so one object may hand on several schemas. `fast=False` takes the
    slow path everywhere, for tests. Memory stays flat; several objects may be read in parallel threads. Nothing in an
    object raises: damage is a status. What `sink` raises goes through, and so does FormatError for a bad `log_format`.
    """
    tally = Tally(source.name, object_id, source.hints, sink)
    group = source.log_group
    if group is not None:
        tally.notes += [group.note] if group.note else []
        described = {**(described or {}), **formats_of(group, tally.hints.flow_log_id)}
    told = partial(wanted_layout, log_format, described or {}, tally.hints.flow_log_id)
    told()  # a format string that cannot be understood is the caller's error, not the object's
    if source.refused is not None:
        tally.unreached = source.refused[0] == "unreadable"
        return tally.row(*source.refused)
    try:
        file = source.open()
    except OSError as error:
        tally.unreached = True
        return tally.row("unreadable", f"It cannot be opened: {error.strerror or error}.")
    with file:
        try:
            unwrapped = unwrap(file)
        except Fault as fault:
            tally.unreached = isinstance(fault, Unreached)
            tally.envelope = "" if tally.unreached else "gzip"
            return tally.row("unreadable", str(fault))
        tally.envelope = unwrapped.envelope
        if unwrapped.foreign:
            return tally.row("foreign", unwrapped.foreign)
        if unwrapped.parquet is not None:
            with unwrapped.parquet as parquet:
                return read_parquet(parquet, tally)
        return _read_text(unwrapped, tally, told, fast, group)


def _read_text(
    unwrapped: Unwrapped,
    tally: Tally,
    told: Callable[[str], tuple[Layout, str] | None],
    fast: bool,
    group: LogGroup | None,
) -> LedgerRow:
    """All blocks of text, then the verdict on the object."""
    documents = unwrapped.documents

    def wanted() -> tuple[Layout, str] | None:
        given = told(group.name if group else documents.log_group if documents else "")
        return without_export_time(given) if unwrapped.envelope == "export" else given

    reader: TextReader
    if group is not None and disagreeing(group) and wanted() is None:
        reader = SeveralReader(tally, group)
    else:
        reader = TextReader(tally, wanted, fast=fast)
    damage = ""
    blocks = iter(unwrapped.blocks)
    while True:
        try:
            block = next(blocks, None)
        except Fault as fault:
            damage = str(fault)
            tally.unreached = isinstance(fault, Unreached)
            break
        if block is None:
            break
        reader.read(block)
    if documents is not None:
        tally.envelope = documents.envelope or tally.envelope
        tally.repeats = documents.repeats
        tally.account_id = tally.account_id or documents.account_id
        if documents.foreign:
            return tally.row("foreign", documents.foreign)
    return _verdict(tally, reader, damage)


def _verdict(tally: Tally, reader: TextReader, damage: str) -> LedgerRow:
    """The status of a text object, once every line has been counted."""
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
