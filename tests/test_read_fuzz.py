"""No input crashes the reader, shifts a column, or unbalances the ledger; both paths and a plain reading agree."""

from __future__ import annotations

import gzip
import ipaddress
import json
import re
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flowkit.fields import DEFAULT_FORMAT, FIELDS, TGW_DEFAULT_FORMAT, VPC_FIELDS
from flowkit.formats import columns
from flowkit.parse import text as text_module
from tests.reading import LINE, NODATA, V2, read

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = sorted({field.name for field in VPC_FIELDS} | set(TGW_DEFAULT_FORMAT))
WORDS = st.text(alphabet="abcx0189-_.:/%\"'{}[]$#é\x0b\x85\u2028", min_size=1, max_size=8)
NUMBERS = st.integers(0, 2**63 - 1).map(str)
SMALL = st.integers(0, 300).map(str)
ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda ip: ip.exploded.upper()),
)
_HOSTILE = """
0x1f +5 -5 1.0 1e3 007 99999999999999999999 70000 256 999.1.1.1 01.2.3.4 NaN null 2147483648 1700000000000
17000000000000000 =1+1 <script> srcaddr version ::ffff:1.2.3.4 accept ok \ufeff2 true 1_000 ٣ 1.2.3.4.5 1.2.3 ::1::
fe80::1%eth0 %2D % %zz %e9
"""
HOSTILE = st.one_of(WORDS, st.sampled_from(_HOSTILE.split()))


CHOICES = {"action": ["ACCEPT", "REJECT"], "log-status": ["OK", "OK", "NODATA", "SKIPDATA", "INCOMPLETEDATA"]}


def values_of(name: str) -> st.SearchStrategy[str]:
    """Values that mostly fit a field."""
    if name not in FIELDS:
        good = WORDS
    elif name.endswith("addr"):
        good = ADDRESSES
    elif name in CHOICES:
        good = st.sampled_from(CHOICES[name])
    elif name in ("start", "end"):
        good = st.integers(1_600_000_000, 1_800_000_000).flatmap(lambda s: st.sampled_from([str(s), str(s * 1000 + 7)]))
    elif FIELDS[name].type == "int":
        good = SMALL
    else:
        good = NUMBERS if FIELDS[name].type == "bigint" else WORDS
    return st.one_of(good, good, good, st.just("-"))


@st.composite
def formats(draw: st.DrawFn) -> tuple[str, ...]:
    """The default format, or fields in any order, now and then one that nobody knows."""
    if draw(st.booleans()):
        return DEFAULT_FORMAT
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True))
    return (*names, *draw(st.sampled_from([(), (), ("new-field",)])))


@st.composite
def texts(draw: st.DrawFn) -> tuple[tuple[str, ...], str]:
    """(format, log text): a header and lines, most of them good, some broken in every way."""
    names = draw(formats())
    header = " ".join(names)
    broken = draw(st.booleans())
    lines = [header]
    for _ in range(draw(st.integers(0, 12))):
        cells = [draw(values_of(name)) for name in names]
        line = draw(broken_line(cells, header)) if broken else " ".join(cells)
        lines.append(line)
    end = draw(st.sampled_from(["\n", "\n", ""]))
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return names, newline.join(lines) + end


@st.composite
def broken_line(draw: st.DrawFn, cells: list[str], header: str) -> str:
    """A line of these values, perhaps with a wrong one, too many, too few, or odd spacing."""
    match draw(st.integers(0, 10)):
        case 0 | 1:
            cells = [*cells]
            cells[draw(st.integers(0, len(cells) - 1))] = draw(HOSTILE)
        case 2:
            cells = [*cells, draw(HOSTILE)]
        case 3:
            cells = cells[:-1]
        case 4:
            return header
        case 5:
            return ""
    line = draw(st.sampled_from([" ", " ", " ", "  ", "\t"])).join(cells)
    return draw(st.sampled_from(["", "", "", " ", "\ufeff"])) + line + draw(st.sampled_from(["", "", "", " ", "\r"]))


def read_plainly(names: tuple[str, ...], log: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The same reading, written as simply as it can be: the yardstick of this test."""
    counts = dict.fromkeys(("headers", "blank", "good", "malformed"), 0)
    rows: list[dict[str, Any]] = []
    named = columns(names)
    for raw in log.removesuffix("\n").split("\n"):
        line = raw.removesuffix("\r").removeprefix("\ufeff").strip(" \t")
        cells = [cell for cell in re.split("[ \t]+", line) if cell]
        if not cells:
            counts["blank"] += 1
        elif cells == list(names):
            counts["headers"] += 1
        elif (row := row_of(names, named, cells)) is None:
            counts["malformed"] += 1
        else:
            counts["good"] += 1
            rows.append(row)
    return rows, counts


def row_of(names: tuple[str, ...], named: dict[str, str], cells: list[str]) -> dict[str, Any] | None:
    """One line typed by the book, None when a value is wrong."""
    if len(cells) != len(names):
        return None
    row: dict[str, Any] = {}
    raw = dict(zip(names, cells, strict=True))
    flow = [n for n in names if n in {*DEFAULT_FORMAT[3:10], "action", "pkt-srcaddr", "pkt-dstaddr"}]
    status = raw.get("log-status", "-")
    empty = status in ("NODATA", "SKIPDATA", "INCOMPLETEDATA") or (
        status == "-" and bool(flow) and all(raw[n] == "-" for n in flow)
    )
    for name, cell in raw.items():
        kind = FIELDS[name].type if name in FIELDS else "text"
        value: Any = None if cell == "-" else cell
        if value is not None and kind != "text":
            if not (cell.isascii() and cell.isdigit()):
                return None
            value = int(cell)
            if value >= (2**31 if kind == "int" else 2**63):
                return None
            if not empty and value > {"srcport": 65535, "dstport": 65535, "protocol": 255}.get(name, value):
                return None
            if name in ("start", "end") and value > 10**11:
                value //= 1000
                if value > 10**11:
                    return None
        elif value is not None and name in ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr"):
            try:
                address = ipaddress.ip_address(cell)
            except ValueError:
                return None
            if "%" in cell:
                return None
            value = str(address)
            if address.version == 6 and address.ipv4_mapped is not None:
                value = f"::ffff:{address.ipv4_mapped}"
        elif value is not None and value not in CHOICES.get(name, [value]):
            return None
        elif value is not None and "-tag" in name:
            value = unquote(cell)
        row[named[name]] = value
    return row


@SETTINGS
@given(texts())
def test_fast_path_slow_path_and_a_plain_reading_agree(made: tuple[tuple[str, ...], str]) -> None:
    names, log = made
    expected, counts = read_plainly(names, log)
    for fast in (True, False):
        rows, row = read(log, fast=fast)
        if "\0" in log or not expected:
            continue
        assert [{k: v for k, v in line.items() if k in set(columns(names).values())} for line in rows] == expected
        assert (row.headers, row.blank, row.malformed) == (counts["headers"], counts["blank"], counts["malformed"])
        assert row.lines == log.removesuffix("\n").count("\n") + 1


@SETTINGS
@given(texts())
def test_both_paths_give_the_same_rows_and_ledger(made: tuple[tuple[str, ...], str]) -> None:
    assert read(made[1], fast=True) == read(made[1], fast=False)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([LINE, NODATA, V2, "bogus", "", LINE + " x"]), max_size=40), st.integers(40, 400))
def test_halving_a_block_loses_and_reorders_nothing(log_lines: list[str], small: int) -> None:
    log = "\n".join([V2, *log_lines])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_SMALL", small)
        assert read(log) == read(log, fast=False)


@SETTINGS
@given(st.binary(max_size=3000))
@example(b"\x1f\x8b")
@example(b"PAR1PAR1")
@example(b"\xff\xfe")
@example(b"{")
@example(b'{"logEvents":[{"id":1}]}')
@example(b'"timestamp,message\n')
@example(b"message\n\x00")
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    read(data)
    read(V2.encode() + b"\n" + data)
    read(gzip.compress(data))


@SETTINGS
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4), st.booleans())
def test_damaged_gzip_keeps_whole_lines_only(at: int, damage: bytes, cut: bool) -> None:
    packed = gzip.compress("\n".join([V2, *(LINE.replace("40000", str(40000 + n)) for n in range(200)), ""]).encode())
    at %= len(packed)
    rows, row = read(packed[:at] if cut else packed[:at] + damage + packed[at + len(damage) :])
    if cut and at > 0:
        assert row.status in ("unreadable", "not_a_flow_log")
        assert [line["srcport"] for line in rows] == list(range(40000, 40000 + len(rows)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(LINE),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["message", "events", "logEvents", "records", "data", "id", "messageType", "kinesis", "awslogs", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@SETTINGS
@given(st.lists(JSON, max_size=4), st.sampled_from(["", "\n", " ", ","]), st.integers(0, 60))
def test_no_json_crashes_the_reader(values: list[Any], between: str, cut: int) -> None:
    text = between.join(json.dumps(value) for value in values)
    read(text)
    read(text[: len(text) - cut])
    read('{"message": "' + LINE + '"}' + text)


@SETTINGS
@given(st.text(alphabet='abc,"\n\r 1', max_size=80))
def test_no_csv_crashes_the_reader(text: str) -> None:
    read("timestamp,message\n" + text)


PARQUET_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-5, 2**40),
    "float64": st.floats(width=64),
    "string": st.one_of(HOSTILE, st.sampled_from(["-", "None", "5", "10.0.0.1", "OK", "ACCEPT", "443.0", ""])),
    "bool": st.booleans(),
    "binary": st.binary(max_size=4),
    "timestamp": st.datetimes(),
}
PARQUET_TYPES = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us"),
}


@st.composite
def parquet_tables(draw: st.DrawFn) -> pa.Table:
    """Columns of flow logs with any type and any values."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    count = draw(st.integers(0, 6))
    made = {}
    for name in names:
        kind = draw(st.sampled_from(sorted(PARQUET_TYPES)))
        cells = draw(st.lists(st.none() | PARQUET_VALUES[kind], min_size=count, max_size=count))
        made[draw(st.sampled_from([name, name.replace("-", "_"), name.upper()]))] = pa.array(cells, PARQUET_TYPES[kind])
    return pa.table(made)


@SETTINGS
@given(parquet_tables())
def test_no_parquet_types_crash_the_reader(table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data = sink.getvalue().to_pybytes()
    _, row = read(data)
    assert row.lines == table.num_rows
    read(data[: len(data) // 2])
