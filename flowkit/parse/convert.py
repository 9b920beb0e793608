"""The fast path: a block of text into typed columns at once, with proof that no line of it is bad.

The proof: as many rows as newlines, every number within its range, every address, action and log-status one, no empty
value. On any doubt the answer is None, and the slow path (`explain`) looks at each line. A test holds both to the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from flowkit.envelopes.streams import MAX_LINE
from flowkit.parse.addresses import addresses
from flowkit.parse.arrays import indices_of, number_array, same_text, text_array
from flowkit.parse.explain import decoded_tag
from flowkit.parse.layout import ADDRESSES, CHOICES, LATEST_S, LIMITS, STATUS_KINDS, TAGS, TEXT, TIMES, Layout

__all__ = ["Batch", "Kinds", "Origin", "finished", "from_text", "newlines"]

_PARSE = pcsv.ParseOptions(delimiter=" ", quote_char=False, double_quote=False, newlines_in_values=False)
#: More than any block, so that each is read as one.
_ONE_BLOCK = 2**30
_NEWLINE = ord("\n")
#: Arrow reads `0x1f` as a number; a flow log never means one.
_HEX_NUMBER = re.compile(rb"(?:^|[ \n])0[xX]")
_KIND_OF_STATUS = text_array(list(STATUS_KINDS)), text_array(list(STATUS_KINDS.values()))


class Origin(NamedTuple):
    """Rows that follow each other and are of one object."""

    object_id: int
    flow_log_id: str
    rows: int


class Kinds(NamedTuple):
    """How many rows are records, NODATA and SKIPDATA."""

    records: int
    nodata: int = 0
    skipdata: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Good rows in their final form, and what kinds they are, for each origin."""

    rows: pa.RecordBatch
    kinds: list[Kinds]


def from_text(block: bytes, layout: Layout, at: int = 0) -> dict[str, pa.Array] | None:
    """Columns of the whole lines from byte `at` on, or None where Arrow's reading could differ from the slow path."""
    if layout.free_text:
        return None
    if b"\r" in block:
        block, at = block[at:].replace(b"\r\n", b"\n"), 0
    if any(mark in block for mark in (b"\t", b"\r", b"\0", b"\xef")):
        return None
    if (b"x" in block or b"X" in block) and _HEX_NUMBER.search(block):
        return None
    half = MAX_LINE // 2
    if any(block.find(b"\n", at, at + half) < 0 for at in range(0, len(block) - half, half)):
        return None
    text = np.frombuffer(block, dtype=np.uint8, offset=at)
    lines = newlines(text) + (not block.endswith(b"\n"))
    read, convert = _options(layout)
    try:
        table = pcsv.read_csv(
            pa.BufferReader(pa.py_buffer(text)), read_options=read, parse_options=_PARSE, convert_options=convert
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != lines:
        return None
    return {column: _whole(table[column]) for column in table.column_names}


def newlines(text: npt.NDArray[np.uint8]) -> int:
    """How many bytes of a text are newlines."""
    return int(np.count_nonzero(text == _NEWLINE))


@lru_cache(maxsize=256)
def _options(layout: Layout) -> tuple[pcsv.ReadOptions, pcsv.ConvertOptions]:
    read = pcsv.ReadOptions(use_threads=False, block_size=_ONE_BLOCK, column_names=list(layout.columns))
    return read, pcsv.ConvertOptions(column_types=layout.types, null_values=["-"], strings_can_be_null=True)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def finished(arrays: Mapping[str, pa.Array], layout: Layout, origins: Sequence[Origin]) -> Batch | None:
    """Check the values of whole columns and put them into their final form; None on any doubt.

    `origins` says whose the rows are, in their order, all of them.
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
            decoded = text_array([decoded_tag(text) for text in values.dictionary.to_pylist()])
            good = _renamed(values, decoded) if _none_empty(values.dictionary) else None
        elif column in CHOICES:
            good = values if set(values.dictionary.to_pylist()) <= CHOICES[column] else None
        else:
            good = values if _none_empty(values.dictionary) else None
        if good is None:
            return None
        found[column] = good
    none = pa.nulls(count, TEXT)
    found["src_key"] = keys.get("srcaddr", none)
    found["dst_key"] = keys.get("dstaddr", none)
    found["record_kind"] = _record_kinds(found, layout, count)
    found["row_kind"] = row_kinds = same_text("record", count) if kinds is None else kinds.dictionary_encode()
    found["flow_log_id"] = _flow_log_ids(origins)
    found["object_id"] = number_array(_spread([one.object_id for one in origins], origins))
    rows = pa.RecordBatch.from_arrays([found[name] for name in layout.schema.names], schema=layout.schema)
    if kinds is None:
        return Batch(rows, [Kinds(one.rows) for one in origins])
    return Batch(rows, _counted(row_kinds, origins))


def _spread(values: Sequence[int], origins: Sequence[Origin]) -> npt.NDArray[np.int64]:
    """A value for each origin, as often as that has rows."""
    return np.repeat(np.array(values, dtype=np.int64), [one.rows for one in origins])


def _flow_log_ids(origins: Sequence[Origin]) -> pa.DictionaryArray:
    places = {name: place for place, name in enumerate(dict.fromkeys(one.flow_log_id for one in origins))}
    numbered = _spread([places[one.flow_log_id] for one in origins], origins).astype(np.int32)
    return pa.DictionaryArray.from_arrays(number_array(numbered), text_array(list(places)))


def _counted(kinds: pa.DictionaryArray, origins: Sequence[Origin]) -> list[Kinds]:
    """The kinds of the rows of each origin."""
    names = kinds.dictionary.to_pylist()
    owners = _spread(range(len(origins)), origins)
    cells = owners * len(names) + indices_of(kinds)
    table = np.bincount(cells, minlength=len(origins) * len(names)).reshape(len(origins), len(names))
    columns = [
        table[:, names.index(name)].tolist() if name in names else [0] * len(origins)
        for name in ("record", "nodata", "skipdata")
    ]
    return [Kinds(*counts) for counts in zip(*columns, strict=True)]


def _row_kinds(arrays: Mapping[str, pa.Array], layout: Layout, count: int) -> pa.Array | None:
    """`record`, `nodata` or `skipdata` for each row; None when all are records. As `explain.row_kind_of` for one."""
    status = arrays.get("log_status")
    named, kind = _KIND_OF_STATUS
    if status is not None and status.null_count == 0:
        if status.dictionary.to_pylist() == ["OK"]:
            return None
        return pc.take(pc.take(kind, pc.index_in(status.dictionary, named)), status.indices)
    bare = _no_traffic(arrays, layout, count)
    by_traffic = pc.if_else(bare, "nodata", "record")
    if status is None:
        return by_traffic if pc.any(bare).as_py() else None
    known = pc.take(kind, pc.index_in(status.dictionary, named))
    return pc.coalesce(pc.take(known, status.indices), by_traffic)


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
    distinct = values.dictionary
    known = addresses(distinct, keyed=keyed)
    if known is None:
        return None, None
    written, keys = known
    if written is distinct:  # as nearly always
        return values, None if keys is None else pa.DictionaryArray.from_arrays(values.indices, keys)
    return _renamed(values, written), None if keys is None else _renamed(values, keys)


def _renamed(values: pa.DictionaryArray, others: pa.StringArray) -> pa.DictionaryArray:
    """A column with other texts in the place of its distinct values; two of them may become one."""
    if pc.count_distinct(others).as_py() < len(others):
        return pc.take(others, values.indices).dictionary_encode()
    return pa.DictionaryArray.from_arrays(values.indices, others)


def _none_empty(values: pa.StringArray) -> bool:
    """Whether no text is empty: an empty one means two spaces in a row, which shift nothing but must be looked at."""
    if not len(values):
        return True
    ends = np.frombuffer(values.buffers()[1], dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    return bool((ends[1:] > ends[:-1]).all())


def _record_kinds(found: Mapping[str, pa.Array], layout: Layout, count: int) -> pa.Array:
    """Who took the record: an interface, a regional NAT gateway, or a transit gateway."""
    if layout.transit:
        return same_text("transit_gateway", count)
    if "resource_id" not in found:
        return same_text("interface", count)
    resources = found["resource_id"]
    regional = pc.fill_null(pc.take(pc.starts_with(resources.dictionary, "nat-"), resources.indices), False)
    if "interface_id" in found:
        regional = pc.and_(regional, pc.is_null(found["interface_id"]))
    return pc.if_else(regional, "regional_nat", "interface").dictionary_encode()
