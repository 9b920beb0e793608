"""The fast path: a block of text into typed columns at once, with proof that no line of it is bad.

The proof: as many rows as newlines, every number within its range, every address, action and log-status one, no empty
value. On any doubt the answer is None, and the slow path (`explain`) looks at each line. A test holds both to the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from flowkit.envelopes.streams import MAX_LINE
from flowkit.parse.addresses import addresses
from flowkit.parse.explain import decoded_tag
from flowkit.parse.layout import ADDRESSES, CHOICES, LATEST_S, LIMITS, STATUS_KINDS, TAGS, TIMES, Layout

__all__ = ["Batch", "finished", "from_text"]

_PARSE = pcsv.ParseOptions(delimiter=" ", quote_char=False, double_quote=False, newlines_in_values=False)
#: Arrow reads `0x1f` as a number; a flow log never means one.
_HEX_NUMBER = re.compile(rb"(?:^|[ \n])0[xX]")
_KIND_OF_STATUS = pa.array(list(STATUS_KINDS)), pa.array(list(STATUS_KINDS.values()))


@dataclass(frozen=True, slots=True)
class Batch:
    """Good rows in their final form, and how many of them are records, NODATA and SKIPDATA."""

    rows: pa.RecordBatch
    records: int
    nodata: int
    skipdata: int


def from_text(block: bytes, layout: Layout) -> dict[str, pa.Array] | None:
    """Columns of a block of whole lines, or None where Arrow's reading of it could differ from that line by line."""
    if layout.free_text:
        return None
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    if any(mark in block for mark in (b"\t", b"\r", b"\0", b"\xef")):
        return None
    if (b"x" in block or b"X" in block) and _HEX_NUMBER.search(block):
        return None
    half = MAX_LINE // 2
    if any(block.find(b"\n", at, at + half) < 0 for at in range(0, len(block) - half, half)):
        return None
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    try:
        table = pcsv.read_csv(
            pa.BufferReader(pa.py_buffer(block)),
            read_options=pcsv.ReadOptions(
                use_threads=False, block_size=len(block) + 1, column_names=list(layout.columns)
            ),
            parse_options=_PARSE,
            convert_options=pcsv.ConvertOptions(
                column_types=layout.read_types, null_values=["-"], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != lines:
        return None
    return {column: _whole(table[column]) for column in table.column_names}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def finished(arrays: Mapping[str, pa.Array], layout: Layout, *, flow_log_id: str, object_id: int) -> Batch | None:
    """Check the values of whole columns and put them into their final form; None on any doubt.

    Times in milliseconds become seconds, addresses take their one form, tags are percent-decoded once.
    """
    count = len(next(iter(arrays.values())))
    kinds = _row_kinds(arrays, layout, count)
    found: dict[str, pa.Array] = {}
    keys: dict[str, pa.Array] = {}
    for column, kind in zip(layout.columns, layout.kinds, strict=True):
        values = arrays[column]
        if kind != "text":
            good = _number(values, column, kinds)
        elif column in ADDRESSES:
            good, keys[column] = _address(values, keyed=column in ("srcaddr", "dstaddr"))
        elif column in TAGS:
            texts = pa.array([decoded_tag(text) for text in values.dictionary.to_pylist()], pa.string())
            good = _undone(values, texts) if _none_empty(values.dictionary) else None
        elif column in CHOICES:
            allowed = set(values.dictionary.to_pylist()) <= CHOICES[column]
            good = _undone(values, values.dictionary) if allowed else None
        else:
            good = values if _none_empty(values) else None
        if good is None:
            return None
        found[column] = good
    none = pa.nulls(count, pa.string())
    found["src_key"] = keys.get("srcaddr", none)
    found["dst_key"] = keys.get("dstaddr", none)
    found["record_kind"] = _record_kinds(found, layout, count)
    found["row_kind"] = pa.repeat("record", count) if kinds is None else kinds
    found["flow_log_id"] = pa.repeat(flow_log_id, count)
    found["object_id"] = pa.repeat(pa.scalar(object_id, pa.int64()), count)
    rows = pa.RecordBatch.from_arrays([found[name] for name in layout.schema.names], schema=layout.schema)
    if kinds is None:
        return Batch(rows, count, 0, 0)
    counts = {item["values"]: item["counts"] for item in pc.value_counts(kinds).to_pylist()}
    return Batch(rows, counts.get("record", 0), counts.get("nodata", 0), counts.get("skipdata", 0))


def _row_kinds(arrays: Mapping[str, pa.Array], layout: Layout, count: int) -> pa.Array | None:
    """`record`, `nodata` or `skipdata` for each row; None when all are records. As `explain.row_kind_of` for one."""
    status = arrays.get("log_status")
    if status is not None and status.null_count == 0 and status.dictionary.to_pylist() == ["OK"]:
        return None
    bare = _no_traffic(arrays, layout, count)
    by_traffic = pc.if_else(bare, "nodata", "record")
    if status is None:
        return by_traffic if pc.any(bare).as_py() else None
    named, kind = _KIND_OF_STATUS
    known = pc.take(kind, pc.index_in(status.dictionary, named))
    return pc.coalesce(_undone(status, known), by_traffic)


def _no_traffic(arrays: Mapping[str, pa.Array], layout: Layout, count: int) -> pa.Array:
    """Whether every column that describes traffic is null, row by row."""
    bare = pa.repeat(bool(layout.flow_columns), count)
    for column in layout.flow_columns:
        bare = pc.and_(bare, pc.is_null(arrays[column]))
    return bare


def _number(values: pa.Array, column: str, kinds: pa.Array | None) -> pa.Array | None:
    """Whole numbers within their range, times in seconds."""
    range_ = pc.min_max(values).as_py()
    least, most = range_["min"], range_["max"]
    if most is None:
        return values
    if least < 0:
        return None
    if column in TIMES and most > LATEST_S:
        values = pc.if_else(pc.greater(values, LATEST_S), pc.divide(values, 1000), values)
        return values if pc.max(values).as_py() <= LATEST_S else None
    if column in LIMITS and most > LIMITS[column]:
        if kinds is None:
            return None
        over = pc.and_(pc.greater(values, LIMITS[column]), pc.equal(kinds, "record"))
        return None if pc.any(over).as_py() else values
    return values


def _address(values: pa.DictionaryArray, *, keyed: bool) -> tuple[pa.Array | None, pa.Array | None]:
    known = addresses(values.dictionary, keyed=keyed)
    if known is None:
        return None, None
    texts, keys = known
    return _undone(values, texts), None if keys is None else _undone(values, keys)


def _undone(values: pa.DictionaryArray, texts: pa.Array) -> pa.Array:
    """A dictionary column as plain text, with other texts in the place of its distinct values."""
    return pc.take(texts, values.indices)


def _none_empty(values: pa.StringArray) -> bool:
    """Whether no text is empty: an empty one means two spaces in a row, which shift nothing but must be looked at."""
    least = pc.min(pc.binary_length(values)).as_py()
    return least is None or least > 0


def _record_kinds(found: Mapping[str, pa.Array], layout: Layout, count: int) -> pa.Array:
    """Who took the record: an interface, a regional NAT gateway, or a transit gateway."""
    if layout.transit:
        return pa.repeat("transit_gateway", count)
    if "resource_id" not in found:
        return pa.repeat("interface", count)
    regional = pc.fill_null(pc.starts_with(found["resource_id"], "nat-"), False)
    if "interface_id" in found:
        regional = pc.and_(regional, pc.is_null(found["interface_id"]))
    return pc.if_else(regional, "regional_nat", "interface")
