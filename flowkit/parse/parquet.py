"""Parquet files of flow logs: columns by name, whatever types and nulls the writer chose.

AWS's documented types pass at once. All-INT64, text and float columns, timestamps, and `-` or `None` as text are
brought to the field's type; a row with a value that does not fit is malformed and counted. The text size is an
estimate: what the same rows would take as text. Blind spot: an account id that lost its leading zeros in an integer
column gets them back, one that lost them in a text column does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flowkit.fields import FIELDS
from flowkit.formats import DERIVED_COLUMNS, field_name
from flowkit.ledger import LedgerRow
from flowkit.parse.arrays import text_array
from flowkit.parse.explain import arrays_of, why_bad
from flowkit.parse.layout import TIMES, Layout, layout_of
from flowkit.parse.tally import Tally

__all__ = ["read_parquet"]

_ROWS = 65536
_ACCOUNTS = frozenset({"account_id", "tgw_src_vpc_account_id", "tgw_dst_vpc_account_id"})
_NULLS = frozenset({"-", "None", "none", "null", "NULL", "nan", "NaN", "<NA>", ""})
_WHOLE = re.compile(r"([0-9]+)\.0+")
#: What Arrow raises on damaged files, beside OSError.
_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError)


def read_parquet(file: BinaryIO, tally: Tally) -> LedgerRow:
    """Read a Parquet file, one batch at a time, and return its ledger row."""
    try:
        parquet = pq.ParquetFile(file)
        stored = parquet.schema_arrow
    except _DAMAGE as error:
        return tally.row("unreadable", f"The Parquet file is damaged ({_first_line(error)}).")
    layout, places = _layout_and_places(stored)
    known = sum(name in FIELDS for name in layout.names)
    if known == 0 or (2 * known < len(layout.names) and known < 3):
        return tally.row("not_a_flow_log", "It is a Parquet file whose columns are not those of flow logs.")
    tally.use(layout, "parquet schema")
    batches = parquet.iter_batches(batch_size=_ROWS, columns=[stored.names[place] for place in places])
    while True:
        try:
            batch = next(batches, None)
            raw = None if batch is None else [batch.column(stored.names[place]) for place in places]
        except _DAMAGE as error:
            kept = f" The {tally.lines} rows before that stay." if tally.lines else ""
            return tally.row("unreadable", f"The Parquet file is damaged ({_first_line(error)}).{kept}")
        if raw is None:
            break
        _read_batch(raw, layout, tally)
    if tally.lines == 0:
        return tally.row("empty", "It has no row.")
    return tally.row("read")


def _layout_and_places(stored: pa.Schema) -> tuple[Layout, list[int]]:
    """The format that the columns make, and which column holds each field. A field that comes twice counts once."""
    places: dict[str, int] = {}
    for place, column in enumerate(stored.names):
        if stored.names.count(column) > 1 or column.lower() in DERIVED_COLUMNS - {"start", "end"}:
            continue
        places.setdefault(field_name(column), place)
    return layout_of(tuple(places)), list(places.values())


def _read_batch(raw: list[pa.Array], layout: Layout, tally: Tally) -> None:
    """One batch: whole columns if they all fit, row by row if not."""
    count = len(raw[0])
    columns = {column: _plain(values, column) for column, values in zip(layout.columns, raw, strict=True)}
    arrays = _typed(columns, layout)
    if arrays is not None and tally.good(arrays, layout):
        tally.lines += count
        tally.text_bytes += _text_size(list(arrays.values()))
        return
    good: list[list[str | None]] = []
    first = tally.lines
    for at, row in enumerate(_texts(columns, layout), 1):
        tally.lines += 1
        tally.text_bytes += sum(1 if value is None else len(value.encode("utf-8", "replace")) for value in row)
        tally.text_bytes += len(row)
        reason = why_bad(row, layout)
        if reason:
            tally.bad(reason, " ".join("-" if value is None else value for value in row), line=first + at)
        else:
            good.append(row)
    if good and not tally.good(arrays_of(good, layout), layout):
        raise AssertionError("a row passed one check and failed the other; please report this with the file")


def _plain(values: pa.Array, column: str) -> pa.Array:
    """A column without dictionaries and timestamps; times as epoch seconds, account ids as 12 digits."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_timestamp(values.type) and column in TIMES:
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[values.type.unit]
        return pc.divide(values.cast(pa.timestamp(values.type.unit)).cast(pa.int64()), per_second)
    if column in _ACCOUNTS and (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        distinct = values.dictionary_encode()
        texts = pa.array([_account(value) for value in distinct.dictionary.to_pylist()], pa.string())
        return pc.take(texts, distinct.indices)
    return values


def _account(value: float) -> str | None:
    """An account id that was stored as a number, with the leading zeros of its 12 digits. None for NaN."""
    if value != value:
        return None
    return f"{int(value):012d}" if isinstance(value, int) or value.is_integer() else str(value)


def _typed(columns: dict[str, pa.Array], layout: Layout) -> dict[str, pa.Array] | None:
    """All columns in the types that the checks of whole columns want, or None when one does not go without loss."""
    found: dict[str, pa.Array] = {}
    for column, kind in zip(layout.columns, layout.kinds, strict=True):
        values = columns[column]
        wanted = layout.types[column]
        try:
            if kind != "text":
                if pa.types.is_floating(values.type):
                    values = pc.if_else(pc.is_nan(values), None, values)
                elif not pa.types.is_integer(values.type):
                    values = _digits(values)
                    if values is None:
                        return None
                found[column] = values.cast(wanted)
                continue
            texts = values.cast(pa.string())
            if texts.null_count < len(texts) and pc.any(pc.is_in(texts, _NULL_TEXTS)).as_py():
                texts = pc.if_else(pc.is_in(texts, _nulls_of(column)), None, texts)
            if pc.any(pc.match_substring(texts, "\0")).as_py():
                return None
            found[column] = texts.dictionary_encode()
        except _DAMAGE:
            return None
    return found


def _digits(values: pa.Array) -> pa.Array | None:
    """Numbers that were stored as text, `-` and the like made null; None when one is anything but digits."""
    texts = values.cast(pa.string())
    texts = pc.if_else(pc.is_in(texts, _NULL_TEXTS), None, texts)
    return texts if pc.all(pc.match_substring_regex(texts, r"^[0-9]+$")).as_py() is not False else None


_NULL_TEXTS = text_array(sorted(_NULLS))


def _nulls_of(column: str) -> pa.Array:
    """Which texts mean null in a text column. A tag may rightly be called None."""
    return pa.array(["-", ""]) if column.endswith(("_tag", "_tag_2")) else _NULL_TEXTS


def _texts(columns: dict[str, pa.Array], layout: Layout) -> Iterator[list[str | None]]:
    """Rows as a text log would have them: numbers in digits, None for null."""
    listed = [
        [_text(value, column, kind) for value in _values(columns[column])]
        for column, kind in zip(layout.columns, layout.kinds, strict=True)
    ]
    for row in zip(*listed, strict=True):
        yield list(row)


def _values(values: pa.Array) -> list[Any]:
    """Python values; bytes that are no UTF-8 with escapes instead of an error."""
    try:
        listed: list[Any] = values.to_pylist()
        return listed
    except UnicodeDecodeError:
        return [
            None if value is None else value.decode("utf-8", "backslashreplace")
            for value in values.cast(pa.binary()).to_pylist()
        ]


def _text(value: Any, column: str, kind: str) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip() if kind != "text" else str(value)
    if text in ("-", "") or (text in _NULLS and not column.endswith(("_tag", "_tag_2"))):
        return None
    whole = _WHOLE.fullmatch(text) if kind != "text" else None
    return whole.group(1) if whole else text


def _text_size(arrays: list[pa.Array]) -> int:
    """About how many bytes these rows take as text: values, one separator each, `-` for null."""
    total = 0
    for values in arrays:
        texts = values if pa.types.is_string(values.type) else values.cast(pa.string())
        total += (pc.sum(pc.binary_length(texts)).as_py() or 0) + texts.null_count + len(texts)
    return total


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]
